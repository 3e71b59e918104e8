"""The fold of a room's membership stream: who is a member, and in which part of each chain."""

from __future__ import annotations

from operator import attrgetter

from foedus.log.bodies import PLACES, MemberAdd, MemberRemove, RoomCreate, fits_place
from foedus.log.control import ControlEvent
from foedus.log.participants import ACCEPTED, Judgement, pending, rejected
from foedus.log.roles import OWNER, default_role

_number = attrgetter("number")


class Membership:
    """One ``member.add``. ``participant`` None covers every participant of the node.

    ``heads``: chain id → seq up to which events stay out. ``cuts`` is None while it is in force, else chain id →
    last seq that counts. ``number`` grows in the order of adding.
    """

    __slots__ = ("cuts", "heads", "id", "node", "number", "participant", "role", "title")

    def __init__(self, add_id: bytes, body: MemberAdd, number: int) -> None:
        self.id = add_id
        self.number = number
        self.node = body.node
        self.participant = body.participant
        self.heads = {cut.chain: cut.seq for cut in body.heads}
        self.role = body.role
        self.title = body.title
        self.cuts: dict[bytes, int] | None = None

    def covers(self, node: bytes, author: str | None) -> bool:
        """Whether it speaks of this author (None: the node itself) at this node."""
        return self.node == node and (author is None or self.participant is None or self.participant == author)

    def counts_at(self, chain_id: bytes, seq: int) -> bool:
        """Whether it counts at this place of a chain."""
        return seq > self.heads.get(chain_id, 0) and (self.cuts is None or seq <= self.cuts.get(chain_id, 0))


class Room:
    """A room, as the honoured events of its host say. Fold with ``apply``, in order.

    ``host`` is b"" and ``name`` "" until its ``room.create`` was applied.
    """

    def __init__(self, room_id: bytes) -> None:
        self.id = room_id
        self.host = b""
        self.name = ""
        self.memberships: dict[bytes, Membership] = {}
        self._in_force: dict[bytes, dict[str | None, list[Membership]]] = {}
        self._of_node: dict[bytes, list[Membership]] = {}

    def apply(self, event: ControlEvent) -> Judgement:
        """Judge the host's next event of the stream and, if it is accepted, let it take effect."""
        refused = outside(event)
        if refused is None and not self.host and event.act.kind != "room.create":
            refused = rejected("not_permitted")
        if refused is not None:
            return refused
        if not event.has_body:
            return pending("body")
        return self._create(event, event.body) if isinstance(event.body, RoomCreate) else self._change(event)

    def _change(self, event: ControlEvent) -> Judgement:
        if isinstance(event.body, MemberAdd):
            return self._add(Membership(event.id, event.body, len(self.memberships)))
        if isinstance(event.body, MemberRemove):
            return self._remove(event.body)
        is_shapeless = event.act.kind in PLACES and event.act.kind not in {"epoch.open", "checkpoint"}
        return rejected("malformed_event") if is_shapeless else ACCEPTED

    def _create(self, event: ControlEvent, body: RoomCreate) -> Judgement:
        if self.host or not creates(event, self.id):
            return rejected("not_permitted")
        self.host, self.name = body.host, body.name
        return ACCEPTED

    def _add(self, membership: Membership) -> Judgement:
        self.memberships[membership.id] = membership
        self._of_node.setdefault(membership.node, []).append(membership)
        of_node = self._in_force.setdefault(membership.node, {})
        of_node.setdefault(membership.participant, []).append(membership)
        return ACCEPTED

    def _remove(self, body: MemberRemove) -> Judgement:
        """Withdraw the memberships in force that it names; those that are withdrawn already keep their cuts."""
        cuts = {cut.chain: cut.seq for cut in body.cuts}
        of_node = self._in_force.get(body.node, {})
        for participant in list(of_node) if body.participant is None else [body.participant]:
            for membership in of_node.pop(participant, ()):
                membership.cuts = cuts
        if not of_node:
            self._in_force.pop(body.node, None)
        return ACCEPTED

    def governing(self, node: bytes, author: str | None, chain_id: bytes, seq: int) -> Membership | None:
        """Return the membership whose role an author (None: the node itself) has at a place: the last one added.

        For the node itself those of the whole node come first: what one of its people may do says nothing of it.
        """
        found = None
        for entry in reversed(self._of_node.get(node, ())):
            if entry.covers(node, author) and entry.counts_at(chain_id, seq):
                if author is not None or entry.participant is None:
                    return entry
                found = found or entry
        return found

    def is_settled(self, node: bytes, chain_id: bytes, seq: int) -> bool:
        """Whether every membership of a node begins at this place of a chain, or before it: no later role follows."""
        return all(entry.heads.get(chain_id, 0) < seq for entry in self._of_node.get(node, ()))

    def is_one_of_several(self, membership_id: bytes) -> bool:
        """Whether the node of a membership has another one, before it or (its body came late) after it."""
        return len(self._of_node[self.memberships[membership_id].node]) > 1

    def role_of(self, membership: Membership, author: str | None, kind: str | None) -> int:
        """Return the role of an author (None: the node itself) that a membership covers; ``kind``: what it is."""
        if author is None and membership.node == self.host:
            return OWNER
        return membership.role if membership.role is not None else default_role(kind)

    def present(self) -> set[bytes]:
        """Return the nodes that have a member now."""
        return set(self._in_force)

    def ever_present(self) -> set[bytes]:
        """Return the nodes that have or once had a member: what they wrote then stands."""
        return {membership.node for membership in self.memberships.values()}

    def current(self) -> list[Membership]:
        """Return the memberships in force, in the order in which they were added."""
        return [membership for membership in self.memberships.values() if membership.cuts is None]

    def of(self, node: bytes, author: str | None) -> Membership | None:
        """Return the membership in force, last added, that covers the author (None: the node itself) at the node.

        For the node itself those of the whole node come first, as in ``governing``.
        """
        of_node = self._in_force.get(node)
        if of_node is None:
            return None
        whole, own = of_node.get(None), of_node.get(author)
        if whole is not None and own is not None:
            return max(whole[-1], own[-1], key=_number)
        either = whole if own is None else own
        if either is not None:
            return either[-1]
        return max((entries[-1] for entries in of_node.values()), key=_number) if author is None else None


def creates(event: ControlEvent, room_id: bytes) -> bool:
    """Whether the event is the room's creation: only its host can write a body with this hash and its own id."""
    body = event.body
    return isinstance(body, RoomCreate) and event.created_room == room_id and body.host == event.node


def outside(event: ControlEvent) -> Judgement | None:
    """Reject what nobody may write into a membership stream."""
    fits = fits_place(event.act.kind, "members", by_device=event.act.device is not None)
    return None if fits else rejected("not_permitted")
