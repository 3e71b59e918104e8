"""What a node that left a room may still bring there: its own chains, while they wait for its opening.

After it recovered its identity nobody knows how far it stands behind what it had said, and only it can tell. What it
wrote beyond its removal comes along, since its opening may name that, and is rejected by the removal as ever.
"""

from __future__ import annotations

from collections import Counter

from foedus.base.cbor import decode, encode
from foedus.log import streams
from foedus.log.cuts import AWAITING_OPENING
from foedus.log.event import Parsed
from foedus.log.port import Commit, Value
from foedus.node.audience import Audience
from foedus.node.store import Store

LATE_MAX = 1_000
"""Events of one node in one room: what it says in days between its removal and the word of it. A node that never brings
its opening could otherwise go on for ever."""
LATE_STEP = 50
"""So many are counted as taken, durably, before the first of them is: a start forgets none, and may count some more."""
SPACE = "late_openings"
"""The space of values that says how many were taken; by node and stream."""


class LateOpenings:
    """Tells which events are taken from a carrier that is no member of their room."""

    def __init__(self, store: Store, audience: Audience) -> None:
        self._store = store
        self._audience = audience
        self._counted = {(key[:32], key[32:].decode()): decode(n) for key, n in store.log.values(SPACE).items()}
        self._taken = Counter(self._counted)

    def is_awaited(self, carrier: bytes, parsed: Parsed) -> bool:
        """Whether to take an event of a room that its writer left, from the writer itself; counts those taken."""
        event = parsed.event
        if self._store.identities.node_of(event.epoch) != carrier or not self._waits(carrier, event.stream):
            return False
        if self._taken[carrier, event.stream] >= LATE_MAX or not self._audience.may_finish(carrier, event.stream):
            return False
        self._take(carrier, event.stream)
        return True

    def _take(self, carrier: bytes, stream: str) -> None:
        self._taken[carrier, stream] += 1
        if self._taken[carrier, stream] > self._counted.get((carrier, stream), 0):
            counted = self._counted[carrier, stream] = min(self._taken[carrier, stream] + LATE_STEP - 1, LATE_MAX)
            value = Value(SPACE, carrier + stream.encode(), encode(counted))
            self._store.begin_commit(Commit(values=[value]))

    def _waits(self, node: bytes, stream: str) -> bool:
        if streams.parse(stream).kind != "room":
            return False
        chains = self._store.admission.chains
        own = (chains.get((record.id, stream)) for record in self._store.identities.held(node))
        return any(chain is not None and chain.limit == AWAITING_OPENING for chain in own)
