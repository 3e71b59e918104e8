"""What a node that left a room may still bring there: its own chains, while they wait for its opening.

After it recovered its identity nobody knows how far it stands behind what it had said, and only it can tell. What it
wrote beyond its removal comes along, since its opening may name that, and is rejected by the removal as ever.
"""

from __future__ import annotations

from collections import Counter

from foedus.log import streams
from foedus.log.cuts import AWAITING_OPENING
from foedus.log.event import Parsed
from foedus.node.audience import Audience
from foedus.node.store import Store

LATE_MAX = 1_000
"""Events of one node in one room, in one run: what it says in days between its removal and the word of it. A node that
never brings its opening could otherwise go on for ever."""


class LateOpenings:
    """Tells which events are taken from a carrier that is no member of their room."""

    def __init__(self, store: Store, audience: Audience) -> None:
        self._store = store
        self._audience = audience
        self._taken: Counter[tuple[bytes, str]] = Counter()

    def is_awaited(self, carrier: bytes, parsed: Parsed) -> bool:
        """Whether to take an event of a room that its writer left, from the writer itself; counts those taken."""
        event = parsed.event
        if self._store.identities.node_of(event.epoch) != carrier or not self._waits(carrier, event.stream):
            return False
        if self._taken[carrier, event.stream] >= LATE_MAX or not self._audience.may_finish(carrier, event.stream):
            return False
        self._taken[carrier, event.stream] += 1
        return True

    def _waits(self, node: bytes, stream: str) -> bool:
        if streams.parse(stream).kind != "room":
            return False
        chains = self._store.admission.chains
        own = (chains.get((record.id, stream)) for record in self._store.identities.held(node))
        return any(chain is not None and chain.limit == AWAITING_OPENING for chain in own)
