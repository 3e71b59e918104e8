"""What of the log is not shown here now: by agreements, tiers and border acts, which change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.log import streams
from foedus.log.event import Event
from foedus.log.port import Row
from foedus.trust.door import Arrival, Withhold, decide, refused

if TYPE_CHECKING:
    from foedus.node.composition import Node


class Withholding:
    """What this node holds and does not show, by the terms that are in force now."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def door(self, origin: bytes, stream: str, at: Instant) -> str:
        """Return the clause by which what ``origin`` wrote at an instant is not shown here now, or ''."""
        node = self._node
        if origin == node.store.node:
            return ""
        parsed = streams.parse(stream)
        clause = refused(node.agreements.in_force(origin), origin, parsed, at)
        arrival = Arrival(
            node.peers.book.peers.get(origin), None, parsed.kind, carrier_is_member=True, by_agreement=clause
        )
        verdict = decide(arrival)
        return verdict.clause if isinstance(verdict, Withhold) else ""

    def clause(self, row: Row, event: Event, node: bytes) -> str:
        """Return the clause by which an accepted event of a node is not shown here now, or ''."""
        return row.withheld or self.door(node, row.stream, row.hlc.us) or self._node.crossings.clause(event, node)

    def standings_changed(self) -> None:
        """Judge anew: somebody may go further than before, or less far."""
        self.terms_changed()
        self._node.access.tokens.standings_changed()

    def terms_changed(self) -> None:
        """Judge border acts anew, and fold what they let in."""
        self._node.crossings.forget()
        self.folds_changed()

    def folds_changed(self) -> None:
        """Fold rooms' values and documents anew: other events count."""
        self._node.crdts.forget()
        self._node.documents.forget()
