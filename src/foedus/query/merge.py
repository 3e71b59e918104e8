"""Many answers to one question become one list: reciprocal-rank fusion (Cormack, Clarke and Büttcher, 2009).

The list depends on the set of results alone, never on their order: duplicates are one by their content id, ties are
decided by (score, clock, id), and where one node says two things of one rank, the smaller result id holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.base.clock import Hlc
from foedus.base.reconcile import reconcile
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
        place, held = (result.node, result.rank), self._ranked.get((result.node, result.rank))
        return reconcile([(place, (result_id, result))], min, self._ranked)[place] is not held

    def ranking(self, limit: int) -> list[Merged]:
        """Return the best ``limit`` things."""
        told = (((it.content, it.node), (it.rank, result_id, it)) for result_id, it in self._ranked.values())
        by_content: dict[bytes, list[Result]] = {}
        for (content, _), (_, _, result) in reconcile(told, min).items():
            by_content.setdefault(content, []).append(result)
        merged = [_fuse(content, results) for content, results in by_content.items()]
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
