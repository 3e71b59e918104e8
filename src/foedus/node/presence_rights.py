"""Whose presence may be shown to others: presence is speech that nobody keeps, so it needs the right to speak."""

from __future__ import annotations

from collections.abc import Callable

from foedus.log.event import Event, read_event
from foedus.log.memberships import Room
from foedus.log.port import Row, Verdict
from foedus.log.roles import may
from foedus.node.crossings import Crossings
from foedus.node.store import Store
from foedus.state.documents.statement import Shown

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""


class PresenceRights:
    """Judges presences of this node's participants before they are told, and those of others as they come."""

    def __init__(self, store: Store, crossings: Crossings, clause: Clause) -> None:
        self._store = store
        self._crossings = crossings
        self._clause = clause

    def may_show(self, room: Room, node: bytes, shown: Shown) -> bool:
        """Whether a participant of a node may be shown in a room: a member who may speak there.

        In a room of another node an agent, and where only named humans speak everyone, shows it by an act of theirs
        that stands in the room and is not withheld.
        """
        who = self._store.admission.authority.participants.get((node, shown.did))
        membership = room.of(node, shown.did)
        if who is None or not who.is_enrolled or membership is None:
            return False
        if not may(room.role_of(membership, shown.did, who.kind), "speak"):
            return False
        if room.host == node or (who.kind == "human" and not self._crossings.is_named_only(node, room.host)):
            return True
        return shown.by is not None and self._speaks(room, node, shown.did, shown.by)

    def _speaks(self, room: Room, node: bytes, did: str, event_id: bytes) -> bool:
        row = self._store.log.by_ids([event_id]).get(event_id)
        if row is None or row.verdict is not Verdict.ACCEPTED or self._store.identities.node_of(row.epoch) != node:
            return False
        event = read_event(row.envelope)
        is_theirs = event.act.author == did and row.stream == f"room:{room.id.hex()}"
        return is_theirs and not self._clause(row, event, node)
