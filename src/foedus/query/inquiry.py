"""One question at one node: asked of this node's own knowledge and of peers, until all have ended or the time is over.

The same machine serves the node where somebody asks and those that pass the question on. Each peer that was asked is

    asked ──results──► talking ──its report──► ended
      └──its report, or its link is lost──────────┘

and at the deadline who is still *asked* is reported silent, who is *talking* late. Then nothing more is taken.
Results are opaque bytes here: who asked checks them, the others pass them on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from foedus.base.clock import Instant
from foedus.query.limits import (
    RELAYED_BYTES_MAX,
    RELAYED_BYTES_MIN,
    RELAYED_MAX,
    REPORTS_MAX,
    UNNAMED_MAX,
    WAY_BACK_MAX,
    WAY_BACK_MIN,
    WAY_BACK_SHARE,
)

Outcome: TypeAlias = Literal[
    "answered", "partial", "refused", "late", "silent", "lost", "unreachable", "failed", "not_asked", "seen"
]
OUTCOMES: frozenset[str] = frozenset(get_args(Outcome))


class Report(NamedTuple):
    """How one node did, and how many results it sent. ``node`` None: so many nodes that are not named.

    ``partial``: it looked at only a part of what it holds, or what it sent was cut. ``not_asked``: there were too many
    peers. ``seen``: the question had come another way. ``code``: why it ``refused``, or ``by_words`` where the vector
    of a question could not be compared.
    """

    node: bytes | None
    outcome: Outcome
    code: str = ""
    results: int = 0


class Entry(NamedTuple):
    """A signed result as it travels."""

    data: bytes
    sig: bytes

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.data) + len(self.sig)


class Look(NamedTuple):
    """Search what this node knows; answer by ``Desk.found``."""

    query: bytes
    deadline: Instant


class Forward(NamedTuple):
    """Ask a peer. ``left``: microseconds that it has."""

    query: bytes
    peer: bytes
    left: int


class Give(NamedTuple):
    """Hand results to whoever brought the question; ``to`` None: to who asked here. ``by``: which peer brought them."""

    query: bytes
    to: bytes | None
    entries: tuple[Entry, ...]
    by: bytes | None = None


class Finish(NamedTuple):
    """Say that it is over, and how each node did."""

    query: bytes
    to: bytes | None
    reports: tuple[Report, ...]


class Stop(NamedTuple):
    """Tell a peer that nobody waits any more; ``peer`` None: stop the search here."""

    query: bytes
    peer: bytes | None


class Forget(NamedTuple):
    """Nobody waits for an answer: nothing of the question need be held any more."""

    query: bytes


Effect: TypeAlias = Look | Forward | Give | Finish | Stop | Forget


def way_back(left: int) -> int:
    """Return what a node keeps of the time that is left, in microseconds."""
    return min(WAY_BACK_MAX, max(WAY_BACK_MIN, left // WAY_BACK_SHARE))


class _Asked:
    """A peer that was asked."""

    __slots__ = ("bytes_left", "ended", "left", "talked", "truncated")

    def __init__(self, bytes_left: int) -> None:
        self.left = RELAYED_MAX
        self.bytes_left = bytes_left
        self.talked = self.truncated = self.ended = False

    def take(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Return those of ``entries`` that are within what the peer may bring."""
        self.talked = True
        taken = []
        for entry in entries:
            if not self.left or entry.size > self.bytes_left:
                self.truncated = True
                break
            self.left -= 1
            self.bytes_left -= entry.size
            taken.append(entry)
        return tuple(taken)


class Inquiry:
    """See above. ``upstream``: the peer that brought the question, None where somebody asks here."""

    def __init__(self, own: bytes, query: bytes, upstream: bytes | None, deadline: Instant) -> None:
        self.query = query
        self.upstream = upstream
        self.deadline = deadline
        self.is_over = False
        self._own = own
        self._own_ended = False
        self._peers: dict[bytes, _Asked] = {}
        self._reports: list[Report] = []
        self._unnamed = 0

    def start(self, peers: Sequence[bytes], reports: Sequence[Report], now: Instant) -> list[Effect]:
        """Ask ``peers`` and this node itself. ``reports``: of nodes that are not asked, and why."""
        for report in reports:
            self._note(report)
        left = self.deadline - now
        give = left - way_back(left)
        if give <= 0:
            for peer in peers:
                self._note(Report(peer, "late"))
            peers = ()
        share = max(RELAYED_BYTES_MIN, RELAYED_BYTES_MAX // max(1, len(peers)))
        self._peers = {peer: _Asked(share) for peer in peers}
        return [*(Forward(self.query, peer, give) for peer in peers), Look(self.query, self.deadline)]

    def found(self, entries: Sequence[Entry], report: Report) -> list[Effect]:
        """Take what this node found itself; once."""
        if self.is_over or self._own_ended:
            return []
        self._own_ended = True
        self._note(report)
        return [*self._give(tuple(entries)), *self._end_if_done()]

    def came(self, peer: bytes, entries: Sequence[Entry]) -> list[Effect]:
        """Take results of a peer."""
        asked = self._open(peer)
        return [] if asked is None else self._give(asked.take(entries), peer)

    def over(self, peer: bytes, reports: Sequence[Report]) -> list[Effect]:
        """Take a peer's report: it sends no more."""
        asked = self._open(peer)
        if asked is None:
            return []
        asked.ended = True
        for report in reports:
            self._note(report)
        if asked.truncated:
            self._note(Report(peer, "partial"))
        return self._end_if_done()

    def lost(self, peer: bytes) -> list[Effect]:
        """Wait no more for a peer, nor for those behind it: its link ended."""
        asked = self._open(peer)
        if asked is None:
            return []
        asked.ended = True
        self._note(Report(peer, "lost"))
        return self._end_if_done()

    def cancel(self) -> list[Effect]:
        """Nobody waits any more."""
        if self.is_over:
            return []
        self.is_over = True
        return [Stop(self.query, None), *self._stops(), Forget(self.query)]

    def on_deadline(self) -> list[Effect]:
        """Report who is missing, and wait for nobody."""
        if self.is_over:
            return []
        for peer, asked in self._peers.items():
            if not asked.ended:
                self._note(Report(peer, "late" if asked.talked else "silent"))
        stops = self._stops()
        if not self._own_ended:
            self._note(Report(self._own, "late"))
            stops.append(Stop(self.query, None))
        return [*stops, self._finish()]

    # --- inside ------------------------------------------------------------------------------

    def _open(self, peer: bytes) -> _Asked | None:
        asked = self._peers.get(peer)
        return None if self.is_over or asked is None or asked.ended else asked

    def _note(self, report: Report) -> None:
        if report.node is None:
            self._unnamed = min(self._unnamed + report.results, UNNAMED_MAX)
        elif len(self._reports) < REPORTS_MAX:
            self._reports.append(report)
        else:
            self._unnamed += 1

    def _give(self, entries: tuple[Entry, ...], by: bytes | None = None) -> list[Effect]:
        return [Give(self.query, self.upstream, entries, by)] if entries else []

    def _end_if_done(self) -> list[Effect]:
        is_done = self._own_ended and all(asked.ended for asked in self._peers.values())
        return [self._finish()] if is_done else []

    def _finish(self) -> Finish:
        self.is_over = True
        unnamed = (Report(None, "silent", "", self._unnamed),) if self._unnamed else ()
        return Finish(self.query, self.upstream, (*self._reports, *unnamed))

    def _stops(self) -> list[Effect]:
        return [Stop(self.query, peer) for peer, asked in self._peers.items() if not asked.ended]
