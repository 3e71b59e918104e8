"""Erasing, as users ask for it: who may, as whom, and the act that says so."""

from __future__ import annotations

from typing import Literal

from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.log import streams
from foedus.log.erasures import ERASE, read_erase
from foedus.log.memberships import Room
from foedus.log.port import Row
from foedus.node.author import Draft
from foedus.node.codec import draft_of
from foedus.node.composition import Node
from foedus.node.rooms import placed
from foedus.node.views import Views, stored_event
from foedus.values.node import Placed, SignedAct
from foedus.values.rooms import EventView

Reason = Literal["author", "moderator", "retention"]


class EraseOperations:
    """What the surfaces do with single events."""

    def __init__(self, node: Node, views: Views) -> None:
        self._node = node
        self._views = views

    def find(self, event: str) -> Row:
        """Return a held event by its whole id; raise NotFound."""
        try:
            event_id = parse_id(event)
        except ValueError:
            event_id = b""
        row = self._node.log.by_ids([event_id]).get(event_id)
        if row is None:
            raise NotFound(
                f"no event {event[:80]!r} is held here",
                code="unknown_event",
                remedy="give its whole id: `foedus log list` shows it",
            )
        return row

    def _not_erased(self, event: str) -> Row:
        """Return a held event; raise UsageError where it is erased already."""
        row = self.find(event)
        if self._views.erased(row, stored_event(row)) is not None:
            raise UsageError(
                "this event is erased already", code="already_erased", http_status=409, remedy="nothing is left to do"
            )
        return row

    def event(self, event: str) -> EventView:
        """Return one held event."""
        return self._views.event(self.find(event))

    async def erase(self, event: str, reason: Reason) -> Placed:
        """Erase an event: as its author, where the node keeps that key or wrote it itself, else as the room's host.

        Raises NotFound, UsageError, or Refusal (403: ``not_erasable``, ``not_permitted``, …).
        """
        row = self._not_erased(event)
        return await self._order(self._draft(row, reason))

    async def erase_signed(self, event: str, act: SignedAct) -> Placed:
        """Order an erasure that a device signed, which must name this event."""
        row = self._not_erased(event)
        draft = draft_of(row.stream, act)
        body = read_erase(draft.body)
        if draft.act.kind != ERASE or body is None or row.id not in body.targets:
            raise UsageError("the act does not erase that event", code="malformed_event")
        return await self._order(draft)

    async def _order(self, draft: Draft) -> Placed:
        (placed_row,) = await self._node.author.order([draft])
        return placed(placed_row)

    def _draft(self, row: Row, reason: Reason) -> Draft:
        is_knowledge = row.stream.startswith("knowledge:")
        room = None if is_knowledge else self._room(row)
        body = {"targets": [row.id], "reason": reason}
        author = stored_event(row).act.author
        if reason != "author" or not isinstance(author, str):
            return self._node.author.node_act(row.stream, ERASE, body, self._memberships(room, None))
        who = self._node.agents.find(author)
        key = self._node.agents.key(who)
        auth = [self._node.agents.enrolment(who), *self._memberships(room, who.did)]
        return self._node.author.custodial_act(row.stream, ERASE, body, auth, who.did, key)

    def _room(self, row: Row) -> Room:
        kind, subject = streams.parse(row.stream)
        room = self._node.store.admission.authority.rooms.get(bytes.fromhex(subject)) if kind == "room" else None
        if room is None:
            raise UsageError(
                f"a {row.kind} in {kind!r} cannot be erased: others stand on it",
                code="not_erasable",
                http_status=403,
                remedy="see docs/terms.md, Erasure and retention",
            )
        return room

    def _memberships(self, room: Room | None, author: str | None) -> list[bytes]:
        """Return the membership that an erasure in a room stands on; knowledge has no members."""
        return [] if room is None else [self._membership(room, author)]

    def _membership(self, room: Room, author: str | None) -> bytes:
        found = room.of(self._node.store.node, author)
        if found is None:
            raise UsageError("you are not a member of that room", code="not_permitted", http_status=403)
        return found.id
