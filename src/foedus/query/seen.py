"""Ids of questions that came, until none of their copies could be answered any more."""

from __future__ import annotations

import heapq
from collections import Counter

from foedus.base.clock import Instant
from foedus.query.limits import SEEN_MAX, SEEN_PER_NODE_MAX


class Seen:
    """Bounded: at the bound nothing is forgotten before its time, and ``add`` says no."""

    def __init__(self, most: int = SEEN_MAX, per_node: int = SEEN_PER_NODE_MAX) -> None:
        self._most = most
        self._per_node = per_node
        self._ids: dict[bytes, bytes] = {}
        self._by_node: Counter[bytes] = Counter()
        self._due: list[tuple[Instant, bytes]] = []

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, query: bytes) -> bool:
        return query in self._ids

    def add(self, query: bytes, node: bytes, until: Instant, now: Instant) -> bool:
        """Remember a question of a node; False where it is remembered already, or there is no room."""
        self._forget(now)
        if query in self._ids or len(self._ids) >= self._most or self._by_node[node] >= self._per_node:
            return False
        self._ids[query] = node
        self._by_node[node] += 1
        heapq.heappush(self._due, (until, query))
        return True

    def _forget(self, now: Instant) -> None:
        while self._due and self._due[0][0] < now:
            _, query = heapq.heappop(self._due)
            node = self._ids.pop(query)
            self._by_node[node] -= 1
            if not self._by_node[node]:
                del self._by_node[node]
