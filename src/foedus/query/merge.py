"""Many answers to one question become one list: reciprocal-rank fusion (Cormack, Clarke and Büttcher, 2009).

The list depends on the set of results alone, never on their order: duplicates are one by their content id, ties are
decided by (score, clock, id), and where one node says two things of one rank, the smaller result id holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.base.clock import Hlc
from foedus.query.result import Result

FUSION_K = 60
"""The constant of the paper: how much the first ranks of one list weigh against agreement between lists."""
FUSION_SCALE = 1_000_000_000_000
"""A list gives its rank r FUSION_SCALE // (FUSION_K + r + 1): integers, whose sums do not depend on their order."""


class Merged(NamedTuple):
    """One thing that was found. ``sources``: the results that tell of it, by node, the smallest node id first."""

    content: bytes
    fused: int
    score: int
    hlc: Hlc
    sources: tuple[Result, ...]


class Merge:
    """Takes results as they come. How many there are, the caller bounds."""

    def __init__(self) -> None:
        self._ranked: dict[tuple[bytes, int], tuple[bytes, Result]] = {}

    def add(self, result_id: bytes, result: Result) -> bool:
        """Take a result whose signature holds; tell whether it changed anything. ``result_id``: hash of its bytes."""
        place = (result.node, result.rank)
        held = self._ranked.get(place)
        if held is not None and held[0] <= result_id:
            return False
        self._ranked[place] = (result_id, result)
        return True

    def ranking(self, limit: int) -> list[Merged]:
        """Return the best ``limit`` things."""
        by_content: dict[bytes, dict[bytes, Result]] = {}
        for _, result in sorted(self._ranked.values(), key=lambda item: (item[1].rank, item[0])):
            by_content.setdefault(result.content, {}).setdefault(result.node, result)
        merged = [_fuse(content, by_node.values()) for content, by_node in by_content.items()]
        return sorted(merged, key=_order)[:limit]


def _fuse(content: bytes, results: Iterable[Result]) -> Merged:
    """Fuse what several nodes say of one thing: each with its best rank."""
    sources = tuple(sorted(results, key=lambda result: result.node))
    return Merged(
        content,
        sum(FUSION_SCALE // (FUSION_K + result.rank + 1) for result in sources),
        max(result.score for result in sources),
        max(result.hlc for result in sources),
        sources,
    )


def _order(merged: Merged) -> tuple[int, int, int, int, bytes]:
    return -merged.fused, -merged.score, -merged.hlc.us, -merged.hlc.counter, merged.content
