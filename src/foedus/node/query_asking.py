"""A question that somebody asks here: its results are checked as they come, and become one list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.node.query_judging import Judge
from foedus.node.query_strangers import Strangers, epoch_of
from foedus.query.inquiry import Entry, Report
from foedus.query.merge import Merge, Merged
from foedus.query.question import Question
from foedus.query.reports import gather
from foedus.query.result import Result, parse_result, signing_bytes
from foedus.trust.peer import State

if TYPE_CHECKING:
    from foedus.node.composition import Node


_CHECKED = 16
"""Results that are checked before others get the event loop: a flood of them is some 16,000, 100 µs each."""


class Found:
    """A result whose signature holds, with the bytes that prove it."""

    __slots__ = ("entry", "result")

    def __init__(self, entry: Entry, result: Result) -> None:
        self.entry = entry
        self.result = result


class Asking:
    """Iterate over ``results``; after the end ``reports`` says how each node did, and ``ranking`` what was best."""

    def __init__(self, node: Node, judge: Judge, query: bytes, question: Question) -> None:
        self.query = query
        self.question = question
        self.started: Instant = node.store.now()
        self.dropped: Counter[str] = Counter()
        """Results that were not taken, by reason: they were not signed by whom they name, or not for the asker."""
        self._node = node
        self._judge = judge
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        """Bounded by what one question may bring (RELAYED_BYTES_MAX)."""
        self._strangers = Strangers(judge, asyncio.create_task, self._take_all)
        self._reports: tuple[Report, ...] = ()
        self._merge = Merge()
        self._proofs: dict[tuple[bytes, int], Entry] = {}
        self._brought: dict[Entry, bytes] = {}

    def take(self, entries: Sequence[Entry], by: bytes | None = None) -> None:
        """Take results as they come. Those of nodes that are not known here yet wait, and hold up no others.

        ``by``: the peer that brought them; None: they are this node's own.
        """
        for entry in entries:
            if by is not None:
                self._brought.setdefault(entry, by)
            epoch = epoch_of(entry)
            if epoch is None or self._judge.holds(epoch):
                self._queue.put_nowait(entry)
            elif not self._strangers.add(epoch, entry, self.question.deadline):
                self.dropped["unknown_identity"] += 1

    def _take_all(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._queue.put_nowait(entry)

    def end(self, reports: Sequence[Report]) -> None:
        """Nothing more comes."""
        self._reports = tuple(reports)
        self._queue.put_nowait(None)

    async def results(self) -> AsyncIterator[Found]:
        """Yield what holds, as it comes, until all have ended or the deadline."""
        checked = 0
        while (entry := await self._queue.get()) is not None or self._strangers.tasks or not self._queue.empty():
            if entry is None:  # the end came before what waited for its source
                if self._strangers.tasks:
                    await asyncio.wait(set(self._strangers.tasks))
                self._queue.put_nowait(None)
                continue
            checked += 1
            if checked % _CHECKED == 0:
                await asyncio.sleep(0)
            found = self._check(entry)
            if found is not None:
                yield found

    def _check(self, entry: Entry) -> Found | None:
        try:
            result = parse_result(entry.data)
        except FoedusError as error:
            self.dropped[error.code] += 1
            return None
        reason = self._fault(result, entry)
        if reason:
            self.dropped[reason] += 1
            return None
        if self._merge.add(sha256(entry.data), result):
            self._proofs[result.node, result.rank] = entry
        return Found(entry, result)

    def _fault(self, result: Result, entry: Entry) -> str:
        """Return why a result is not taken, or ''."""
        if result.query != self.query:
            return "other_query"
        if result.rank >= self.question.results:
            return "too_many_results"
        known = self._node.peers.book.peers.get(result.node)
        if known is not None and known.state is State.IGNORED:
            return "ignored"
        identities = self._node.store.identities
        view = identities.epoch(result.epoch)
        if view is None or view.node != result.node:
            return "unknown_identity"
        if not ed25519.verify(view.ed25519, signing_bytes(entry.data), entry.sig):
            return "invalid_signature"
        return "" if self._judge.may_have(self.question, result) else "not_a_member"

    @property
    def reports(self) -> list[Report]:
        """How each node did, by id; complete after the end."""
        return gather(self._reports)

    def ranking(self) -> list[Merged]:
        """Return the best things found so far."""
        return self._merge.ranking(self.question.results)

    def brought_by(self, entry: Entry) -> bytes | None:
        """Return the peer that brought a result first; None where this node found it."""
        return self._brought.get(entry)

    def proof(self, result: Result) -> Entry:
        """Return the signed bytes of a result in the ranking."""
        return self._proofs[result.node, result.rank]
