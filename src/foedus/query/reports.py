"""What several ways told about one node, as one line for who asked."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.query.inquiry import Outcome, Report

_BEST_FIRST: tuple[Outcome, ...] = (
    "answered", "partial", "refused", "failed", "late", "lost", "silent", "unreachable", "not_asked", "seen"
)  # fmt: skip
_RANK = {outcome: rank for rank, outcome in enumerate(_BEST_FIRST)}


def gather(reports: Iterable[Report]) -> list[Report]:
    """Return one report for each node, by id, whatever their order: the best that was told. Unnamed ones come last."""
    best: dict[bytes, Report] = {}
    unnamed = 0
    for report in reports:
        if report.node is None:
            unnamed += report.results
            continue
        held = best.get(report.node)
        if held is None or _key(report) < _key(held):
            best[report.node] = report
    found = [best[node] for node in sorted(best)]
    return [*found, Report(None, "silent", "", unnamed)] if unnamed else found


def _key(report: Report) -> tuple[int, str, int]:
    return _RANK[report.outcome], report.code, -report.results
