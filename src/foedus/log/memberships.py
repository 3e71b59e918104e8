"""The fold of a room's membership stream: who is a member, and in which part of each chain."""

from __future__ import annotations

from foedus.base.ids import sha256
from foedus.log.bodies import MemberAdd, MemberRemove, RoomCreate
from foedus.log.control import ControlEvent
from foedus.log.participants import ACCEPTED, Judgement, pending, rejected


class Membership:
    """One ``member.add``. ``participant`` None covers every participant of the node.

    ``heads``: chain id → seq up to which events stay out. ``cuts`` is None while it is in force, else chain id →
    last seq that counts.
    """

    __slots__ = ("cuts", "heads", "id", "node", "participant")

    def __init__(self, add_id: bytes, body: MemberAdd) -> None:
        self.id = add_id
        self.node = body.node
        self.participant = body.participant
        self.heads = {cut.chain: cut.seq for cut in body.heads}
        self.cuts: dict[bytes, int] | None = None

    def covers(self, node: bytes, author: str | None) -> bool:
        """Whether it speaks of this author (None: the node itself) at this node."""
        return self.node == node and (author is None or self.participant is None or self.participant == author)

    def counts_at(self, chain_id: bytes, seq: int) -> bool:
        """Whether it counts at this place of a chain."""
        return seq > self.heads.get(chain_id, 0) and (self.cuts is None or seq <= self.cuts.get(chain_id, 0))


class Room:
    """A room, as the held events of its host's chains say. Fold with ``apply``, in order."""

    def __init__(self, room_id: bytes) -> None:
        self.id = room_id
        self.host = b""
        self.name = ""
        self.memberships: dict[bytes, Membership] = {}

    def apply(self, event: ControlEvent) -> Judgement:
        """Judge the next event of the stream and, if it is accepted, let it take effect."""
        act = event.act
        if act.device is not None or act.auth:
            return rejected("not_permitted")
        if event.body_bytes is None:
            return pending("body")
        if isinstance(event.body, RoomCreate):
            return self._create(event, event.body, event.body_bytes)
        if not self.host or event.node != self.host:
            return rejected("not_permitted")
        if act.kind in {"epoch.open", "checkpoint"}:
            return ACCEPTED
        if isinstance(event.body, MemberAdd):
            self.memberships[event.id] = Membership(event.id, event.body)
            return ACCEPTED
        if isinstance(event.body, MemberRemove):
            return self._remove(event.body)
        return rejected("malformed_event")

    def _create(self, event: ControlEvent, body: RoomCreate, body_bytes: bytes) -> Judgement:
        if self.host or sha256(body_bytes) != self.id or body.host != event.node:
            return rejected("not_permitted")
        self.host, self.name = body.host, body.name
        return ACCEPTED

    def _remove(self, body: MemberRemove) -> Judgement:
        cuts = {cut.chain: cut.seq for cut in body.cuts}
        for membership in self.memberships.values():
            same = body.participant is None or membership.participant == body.participant
            if membership.node == body.node and same and membership.cuts is None:
                membership.cuts = cuts
        return ACCEPTED

    def present(self) -> set[bytes]:
        """Return the nodes that have a member now."""
        return {membership.node for membership in self.memberships.values() if membership.cuts is None}

    def current(self) -> list[Membership]:
        """Return the memberships in force."""
        return [membership for membership in self.memberships.values() if membership.cuts is None]

    def of(self, node: bytes, author: str | None) -> Membership | None:
        """Return a membership in force that covers the author at the node, the narrowest last added first."""
        found = [entry for entry in self.current() if entry.covers(node, author)]
        return found[-1] if found else None
