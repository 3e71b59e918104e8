"""Frames of questions towards peers: in the order in which they were given, and after the identities they need."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from foedus.base.clock import Instant
from foedus.node.query_judging import Judge
from foedus.node.query_strangers import Strangers, epoch_of
from foedus.query.inquiry import Entry, Report
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.questions import (
    REPORTS_PER_FRAME,
    RESULTS_PER_FRAME,
    Answered,
    Query,
    QueryReport,
    Results,
    SignedResult,
)

if TYPE_CHECKING:
    from foedus.node.composition import Node

_FRAME_BYTES = 256 * 1024
"""Bytes of results in one frame, as with events: control frames are never stuck behind more."""


class QueryCarrier:
    """Sends what the desk says. ``spawn`` runs what has to wait; ``refused`` counts results that cannot be read."""

    def __init__(
        self,
        node: Node,
        judge: Judge,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        refused: Counter[str],
    ) -> None:
        self._node = node
        self._judge = judge
        self._spawn = spawn
        self._refused = refused
        self._strangers: dict[bytes, Strangers] = {}

    def ask(self, peer: bytes, frame: Query, node: bytes) -> bool:
        """Ask a peer, after the identity of the asking node; False where there is no way to it."""
        line = self._node.lines.get(peer)
        if line is None:
            return False
        if node != self._node.store.node:
            self._node.outbox.tell_node(line, node)
        self.send(peer, frame)
        return True

    def give(self, query: bytes, to: bytes, entries: Sequence[Entry], until: Instant) -> None:
        """Pass results on, after the identities of those who signed them.

        Those of nodes that are not known here wait, and hold up no others; they are lost if that stays so ``until``.
        """
        known: list[Entry] = []
        for entry in entries:
            epoch = epoch_of(entry)
            if epoch is None:
                self._refused["malformed_result"] += 1
            elif self._judge.holds(epoch):
                known.append(entry)
            elif not self._strangers_of(query, to).add(epoch, entry, until):
                self._refused["unknown_identity"] += 1
        self._send_results(query, to, known)

    def _strangers_of(self, query: bytes, to: bytes) -> Strangers:
        if query not in self._strangers:

            def deliver(entries: list[Entry]) -> None:
                self._send_results(query, to, [entry for entry in entries if self._judge.holds(epoch_of(entry) or b"")])

            self._strangers[query] = Strangers(self._judge, self._spawn, deliver)
        return self._strangers[query]

    def finish(self, query: bytes, to: bytes, reports: Sequence[Report]) -> None:
        """Say that nothing more comes, after what was given before."""
        strangers = self._strangers.pop(query, None)
        if strangers is not None and strangers.tasks:
            self._spawn(self._tell_later(query, to, reports, set(strangers.tasks)))
        else:
            self.tell(query, to, reports)

    def forget(self, query: bytes) -> None:
        """Hold nothing more for a question: nobody waits for it."""
        self._strangers.pop(query, None)

    def _send_results(self, query: bytes, to: bytes, entries: Sequence[Entry]) -> None:
        line = self._node.lines.get(to)
        if line is None:
            return
        identities = self._node.store.identities
        for node in dict.fromkeys(identities.node_of(epoch_of(entry) or b"") for entry in entries):
            if node is not None and node != self._node.store.node:
                self._node.outbox.tell_node(line, node)
        for page in _pages([SignedResult(*entry) for entry in entries]):
            self.send(to, Results(query, page))

    async def _tell_later(
        self, query: bytes, to: bytes, reports: Sequence[Report], waiting: set[asyncio.Task[None]]
    ) -> None:
        await asyncio.wait(waiting)
        self.tell(query, to, reports)

    def tell(self, query: bytes, to: bytes, reports: Sequence[Report]) -> None:
        """Send a report."""
        shown = tuple(QueryReport(*report) for report in reports)[:REPORTS_PER_FRAME]
        self.send(to, Answered(query, shown))

    def send(self, peer: bytes, frame: Frame) -> None:
        """Send a frame as the peer reads, in the order of the calls; where there is no way to it it is lost."""
        line = self._node.lines.get(peer)
        if line is not None:
            line.when_there_is_room(partial(line.control, frame))


def _pages(results: Sequence[SignedResult]) -> Iterator[tuple[SignedResult, ...]]:
    page: list[SignedResult] = []
    size = 0
    for result in results:
        if page and (len(page) == RESULTS_PER_FRAME or size + len(result.data) > _FRAME_BYTES):
            yield tuple(page)
            page, size = [], 0
        page.append(result)
        size += len(result.data)
    if page:
        yield tuple(page)
