"""The figures of DESIGN.md section 8 and what each is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.options import Figures


class Target(NamedTuple):
    """``at_least`` else at most; ``bound`` may depend on other figures of the run, which ``needs`` names."""

    figure: str
    bound: Callable[[Figures], float]
    words: str
    at_least: bool = True
    needs: tuple[str, ...] = ()

    def met(self, figures: Figures) -> bool:
        """Whether the run holds it."""
        value, bound = figures[self.figure], self.bound(figures)
        return value >= bound if self.at_least else value <= bound

    def can_judge(self, figures: Figures) -> bool:
        """Whether the run measured what this needs."""
        return all(name in figures for name in (self.figure, *self.needs))


def _least(figure: str, bound: float, words: str) -> Target:
    return Target(figure, lambda _: bound, words)


def _most(figure: str, bound: float, words: str) -> Target:
    return Target(figure, lambda _: bound, words, at_least=False)


TARGETS = [
    _least("ingest_ratio", 1.2, "≥ 1.2 of raw"),
    _most("border_cost_ratio", 1.1, "≤ 1.1 of humans'"),
    _most("revoke_worst_ms", 1_000, "≤ 1,000 ms, each"),
    _most("audit_cost_ratio", 1.05, "≤ 1.05 of without"),
    _most("cold_chain_ms", 1, "≤ 1 ms"),
    _least("author_per_s", 10_000, "≥ 10,000/s"),
    Target(
        "deliver_p50_ms", lambda it: 2 * it["fsync_p50_ms"] + 2, "≤ twice fsync + 2 ms", at_least=False,
        needs=("fsync_p50_ms",),
    ),
    Target(
        "deliver_p95_ms", lambda it: 2.5 * it["deliver_p50_ms"], "≤ 2.5 of p50", at_least=False,
        needs=("deliver_p50_ms",),
    ),
    _least("sustained_per_s", 6_000, "≥ 6,000/s"),
    _least("sustained_signed_per_s", 4_000, "≥ 4,000/s"),
    _least("catchup_per_s", 7_000, "≥ 7,000/s"),
    _most("catchup_growth_mb", 50, "≤ 50 MB"),
    _most("handshake_p50_ms", 10, "≤ 10 ms"),
    _most("start_s", 1, "≤ 1 s"),
    _most("idle_mb", 90, "≤ 90 MB"),
    _most("page_usable_s", 1, "≤ 1 s"),
    _most("page_frame_ms", 50, "≤ 50 ms"),
    _most("growth_ratio", 1.3, "≤ 1.3"),
    _least("fanout20_per_s", 20_000, "≥ 20,000/s"),
    _most("flood_p95_ratio", 1.2, "≤ 1.2 of quiet"),
    _most("flood_growth_mb", 50, "≤ 50 MB"),
    _most("strangers_p95_ratio", 1.2, "≤ 1.2 of quiet"),
    _most("strangers_growth_mb", 50, "≤ 50 MB"),
    _most("crdt_merge_ratio", 1.5, "≤ 1.5 of a plain loop"),
    _most("document_p95_ms", 10, "≤ 10 ms"),
    _least("document_updates_per_s", 2_000, "≥ 2,000/s"),
    _most("query5_p50_ms", 15, "≤ 15 ms"),
    _least("council_batch_per_s", 3_000, "≥ 3,000/s"),
    _least("council_alone_per_s", 300, "≥ 300/s"),
    _most("council_alone_p50_ms", 10, "≤ 10 ms"),
    _most("council_view_change_ms", 1_000, "≤ 1,000 ms"),
    _most("council_growth_of_square", 1, "≤ 1 of n²"),
    _least("routing_recall_ratio", 0.95, "≥ 0.95 of flooding"),
    _most("routing_messages_ratio", 0.15, "≤ 0.15 of flooding"),
]  # fmt: skip
