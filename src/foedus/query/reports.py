"""What several ways told about one node, as one line for who asked."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.base.reconcile import reconcile
from foedus.query.inquiry import Outcome, Report

_BEST_FIRST: tuple[Outcome, ...] = (
    "answered", "partial", "refused", "failed", "late", "lost", "silent", "unreachable", "not_asked", "seen"
)  # fmt: skip
_RANK = {outcome: rank for rank, outcome in enumerate(_BEST_FIRST)}


def gather(reports: Iterable[Report]) -> list[Report]:
    """Return one report for each node, by id, whatever their order: the best that was told. Unnamed ones come last."""
    told = list(reports)
    unnamed = sum(report.results for report in told if report.node is None)
    best = reconcile(((report.node, report) for report in told if report.node is not None), _better)
    found = [best[node] for node in sorted(best)]
    return [*found, Report(None, "silent", "", unnamed)] if unnamed else found


def _better(one: Report, other: Report) -> Report:
    return min(one, other, key=_key)


def _key(report: Report) -> tuple[int, str, int]:
    return _RANK[report.outcome], report.code, -report.results
