"""Every question at one node: known ones are not answered twice, and only so many are under way.

No I/O: the node tells what came, runs the effects in order, and wakes it at ``next_deadline``. Whether a question may
be answered, and which peers it goes on to, is judged before it is opened here.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.query.inquiry import Effect, Entry, Finish, Inquiry, Report
from foedus.query.limits import IN_FLIGHT_MAX, IN_FLIGHT_PER_PEER
from foedus.query.seen import Seen


class Opening(NamedTuple):
    """A question that may be answered here. ``carrier`` None: somebody asks here.

    ``node``: who asks; ``until``: when no copy of it can be valid any more. ``peers``: whom to ask; ``reports``: of
    those who are not asked, and why.
    """

    query: bytes
    node: bytes
    carrier: bytes | None
    deadline: Instant
    until: Instant
    peers: Sequence[bytes]
    reports: Sequence[Report] = ()


class Desk:
    """The questions under way at the node ``own``."""

    def __init__(self, own: bytes, seen: Seen | None = None) -> None:
        self.seen = Seen() if seen is None else seen
        self.stray = 0
        """Results and reports that nobody waits for: they came late, or were never asked for."""
        self._own = own
        self._open: dict[bytes, Inquiry] = {}
        self._by_carrier: Counter[bytes | None] = Counter()
        self._due: list[tuple[Instant, bytes]] = []

    def __len__(self) -> int:
        return len(self._open)

    def open(self, opening: Opening, now: Instant) -> list[Effect]:
        """Take up a question, or say why not: ``seen``, or ``refused`` with ``busy``."""
        query, carrier = opening.query, opening.carrier
        if query in self.seen:
            return [_refusal(opening, Report(self._own, "seen"))]
        is_full = len(self._open) >= IN_FLIGHT_MAX
        if carrier is not None:
            is_full = is_full or self._by_carrier[carrier] >= IN_FLIGHT_PER_PEER
        if is_full or not self.seen.add(query, opening.node, opening.until, now):
            return [_refusal(opening, Report(self._own, "refused", "busy"))]
        inquiry = self._open[query] = Inquiry(self._own, query, carrier, opening.deadline)
        self._by_carrier[carrier] += 1
        heapq.heappush(self._due, (opening.deadline, query))
        return inquiry.start(opening.peers, opening.reports, now)

    def found(self, query: bytes, entries: Sequence[Entry], report: Report) -> list[Effect]:
        """Take what this node found itself."""
        inquiry = self._open.get(query)
        return [] if inquiry is None else self._close(inquiry, inquiry.found(entries, report))

    def came(self, query: bytes, peer: bytes, entries: Sequence[Entry]) -> list[Effect]:
        """Take results that a peer brought."""
        inquiry = self._waiting(query)
        return [] if inquiry is None else self._close(inquiry, inquiry.came(peer, entries))

    def over(self, query: bytes, peer: bytes, reports: Sequence[Report]) -> list[Effect]:
        """Take a peer's report."""
        inquiry = self._waiting(query)
        return [] if inquiry is None else self._close(inquiry, inquiry.over(peer, reports))

    def cancel(self, query: bytes, by: bytes | None) -> list[Effect]:
        """Drop a question; only who brought it can."""
        inquiry = self._open.get(query)
        if inquiry is None or inquiry.upstream != by:
            return []
        return self._close(inquiry, inquiry.cancel())

    def lost(self, peer: bytes) -> list[Effect]:
        """Drop what a peer brought, and wait for nothing that it was asked: its link ended."""
        effects: list[Effect] = []
        for inquiry in list(self._open.values()):
            some = inquiry.cancel() if inquiry.upstream == peer else inquiry.lost(peer)
            effects += self._close(inquiry, some)
        return effects

    def next_deadline(self) -> Instant | None:
        """When to call ``on_deadline``; None while nothing is under way."""
        while self._due and self._due[0][1] not in self._open:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def on_deadline(self, now: Instant) -> list[Effect]:
        """End what is due."""
        effects: list[Effect] = []
        while (due := self.next_deadline()) is not None and due <= now:
            inquiry = self._open[heapq.heappop(self._due)[1]]
            effects += self._close(inquiry, inquiry.on_deadline())
        return effects

    def _waiting(self, query: bytes) -> Inquiry | None:
        inquiry = self._open.get(query)
        if inquiry is None:
            self.stray += 1
        return inquiry

    def _close(self, inquiry: Inquiry, effects: list[Effect]) -> list[Effect]:
        if inquiry.is_over:
            del self._open[inquiry.query]
            self._by_carrier[inquiry.upstream] -= 1
            if not self._by_carrier[inquiry.upstream]:
                del self._by_carrier[inquiry.upstream]
        return effects


def _refusal(opening: Opening, report: Report) -> Effect:
    return Finish(opening.query, opening.carrier, (report,))
