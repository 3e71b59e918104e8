"""Calls that were here and are forgotten: their ids, for as long as one of them could come again and be run twice."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from foedus.base.clock import Instant
from foedus.log.port import Value
from foedus.node.store import Store

_INSTANT_BYTES = 8


class Forgotten:
    """A space of the store: id → until when. What is returned is to be stored."""

    def __init__(self, store: Store, space: str) -> None:
        self._space = space
        self._until = {key: int.from_bytes(data, "big") for key, data in store.log.values(space).items()}
        self._order = [(until, key) for key, until in self._until.items()]
        heapify(self._order)

    def __contains__(self, call: bytes) -> bool:
        """Whether a call was here."""
        return call in self._until

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._until)

    def add(self, call: bytes, until: Instant) -> Value:
        """Remember a call."""
        self._until[call] = until
        heappush(self._order, (until, call))
        return Value(self._space, call, until.to_bytes(_INSTANT_BYTES, "big"))

    def past(self, now: Instant, most: int) -> list[Value]:
        """Let go of calls that would come too late, at most so many."""
        values: list[Value] = []
        while self._order and self._order[0][0] < now and len(values) < most:
            _, call = heappop(self._order)
            self._until.pop(call, None)
            values.append(Value(self._space, call, None))
        return values
