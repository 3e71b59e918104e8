"""Group commit: one thread that writes, and many callers that share its transactions.

A transaction costs one fsync whatever it holds. So the thread takes all commits that wait, up to a bound, writes them
as one, and answers each caller. While it writes the next ones gather: the busier, the larger the groups.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Thread
from typing import NamedTuple

from foedus.adapters.log_errors import LogClosed
from foedus.base.errors import Unavailable
from foedus.log.port import Commit, Committed, EventLog

GROUP_EVENTS_MAX = 1_024
GROUP_BYTES_MAX = 4 * 1_048_576
"""One transaction: four full frames, some 20 ms of writing, which is what the next caller may wait at most."""
QUEUE_EVENTS_MAX = 4_096
QUEUE_BYTES_MAX = 16 * 1_048_576
"""What waits for the thread: four groups keep it busy; beyond, callers wait, and so do the links that feed them."""

LARGE_EVENTS = 64
"""A commit of a backlog; a smaller one is talk, which is written at once, with all that came before it."""
GATHERED_EVENTS = 768
PATIENCE_S = 0.1
"""So long the commits of a backlog wait for each other, while more is close behind: pages of an index that several of
them touch are written once, for three batches a fifth fewer. Four batches take two cores so long."""

_Outcome = Committed | BaseException
_Answer = Callable[[_Outcome], None]


class _Weight(NamedTuple):
    events: int
    size: int


class _Waiting(NamedTuple):
    commit: Commit
    weight: _Weight
    answer: _Answer
    """Called by the writer thread with the outcome."""
    on_loop: bool
    """Whether ``answer`` must run on the loop instead; a group's answers go there in one call."""
    generation: int | None = None


class GroupWriter:
    """The only writer of ``log``. Commits are applied in the order in which they were queued.

    ``commit`` belongs to the loop, ``submit`` to other threads. ``close`` drains; it does not close the log.
    """

    def __init__(self, log: EventLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._changed = Condition()
        self._queue: deque[_Waiting] = deque()
        self._queued = _Weight(0, 0)
        self._closing = False
        self.expects_more: Callable[[], bool] = lambda: False
        """Whether more of a backlog is close behind what waits. The thread asks."""
        self._turn = asyncio.Lock()
        self._in_line = 0
        """Commits that wait for room in the queue; those that come later wait behind them."""
        self._room = asyncio.Event()
        self._failed = -1
        """The newest generation of which a commit failed; the thread's own."""
        self._thread = Thread(target=self._run, name="foedus-log-writer", daemon=True)
        self._thread.start()

    def commit(self, commit: Commit, generation: int | None = None) -> asyncio.Future[Committed]:
        """Queue a commit; the future holds what the log answered once it is durable.

        Once a commit of a ``generation`` has failed no later one of it is written: it was made from what is not so.

        Waits where the queue is full. The future raises what the log raised for this commit (Unavailable: nothing of
        it happened), or LogClosed. A caller that is cancelled does not know: the commit may still be written.
        """
        outcome: asyncio.Future[Committed] = self._loop.create_future()
        waiting = _Waiting(
            commit, _weigh(commit), lambda result: _settle(outcome, result), on_loop=True, generation=generation
        )
        try:
            if not self._in_line and self._try_queue(waiting):
                return outcome  # nearly always: no task, so the thread begins at once
        except LogClosed as error:
            outcome.set_exception(error)
            return outcome
        self._in_line += 1
        return self._loop.create_task(self._wait_for_room(waiting, outcome))

    async def _wait_for_room(self, waiting: _Waiting, outcome: asyncio.Future[Committed]) -> Committed:
        try:
            async with self._turn:  # first come, first queued
                while not self._try_queue(waiting):
                    self._room.clear()
                    if self._try_queue(waiting):
                        break
                    await self._room.wait()
        finally:
            self._in_line -= 1
        return await outcome

    def submit(self, commit: Commit) -> Future[Committed]:
        """Queue a commit from another thread than the loop's; blocks where the queue is full. Raises LogClosed."""
        outcome: Future[Committed] = Future()
        waiting = _Waiting(commit, _weigh(commit), lambda result: _settle(outcome, result), on_loop=False)
        with self._changed:
            while not self._try_queue(waiting):
                self._changed.wait()
        return outcome

    async def close(self) -> None:
        """Write what is queued, then end the thread. Later commits raise LogClosed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._room.set()
        await self._loop.run_in_executor(None, self._thread.join)

    # --- the queue -----------------------------------------------------------------------------------

    def _try_queue(self, waiting: _Waiting) -> bool:
        """Queue where there is room (always for one, however large); return whether there was."""
        with self._changed:
            if self._closing:
                raise LogClosed("the log's writer has ended")
            total = _sum(self._queued, waiting.weight)
            if self._queue and (total.events > QUEUE_EVENTS_MAX or total.size > QUEUE_BYTES_MAX):
                return False
            self._queue.append(waiting)
            self._queued = total
            self._changed.notify_all()
            return True

    def _take(self) -> list[_Waiting]:
        """Wait for work; return the next group, empty at the end."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            until = time.monotonic() + PATIENCE_S
            while self._is_growing() and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(left_s)
            group: list[_Waiting] = []
            total = _Weight(0, 0)
            while self._queue:
                total = _sum(total, self._queue[0].weight)
                if group and (total.events > GROUP_EVENTS_MAX or total.size > GROUP_BYTES_MAX):
                    break
                waiting = self._queue.popleft()
                self._queued = _Weight(
                    self._queued.events - waiting.weight.events, self._queued.size - waiting.weight.size
                )
                group.append(waiting)
            self._changed.notify_all()
            return group

    def _is_growing(self) -> bool:
        """Whether the next group is one of a backlog alone, and not yet as large as it will soon be."""
        is_small = self._queued.events < GATHERED_EVENTS and self._queued.size < GROUP_BYTES_MAX // 2
        is_backlog = all(waiting.weight.events > LARGE_EVENTS for waiting in self._queue)
        return is_small and is_backlog and not self._closing and self.expects_more()

    # --- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while group := self._take():
            self._answer(list(zip(group, self._write(group), strict=True)))

    def _write(self, group: list[_Waiting]) -> list[_Outcome]:
        """Write the commits as one transaction; where one of them is at fault, each on its own."""
        if any(self._is_stale(waiting) for waiting in group):
            return [outcome for waiting in group for outcome in self._write_alone(waiting)]
        try:
            return list(self._log.commit_many([waiting.commit for waiting in group]))
        except Unavailable as error:
            return self._fail(group, error)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to the callers; the thread lives on
            if len(group) == 1:
                return self._fail(group, error)
        return [outcome for waiting in group for outcome in self._write_alone(waiting)]

    def _write_alone(self, waiting: _Waiting) -> list[_Outcome]:
        return [Unavailable("an earlier commit failed")] if self._is_stale(waiting) else self._write([waiting])

    def _is_stale(self, waiting: _Waiting) -> bool:
        return waiting.generation is not None and waiting.generation <= self._failed

    def _fail(self, group: list[_Waiting], error: BaseException) -> list[_Outcome]:
        generations = (waiting.generation for waiting in group if waiting.generation is not None)
        self._failed = max(self._failed, *generations, -1)
        return [error] * len(group)

    def _answer(self, outcomes: list[tuple[_Waiting, _Outcome]]) -> None:
        for waiting, outcome in outcomes:
            if not waiting.on_loop:
                waiting.answer(outcome)
        with suppress(RuntimeError):  # the loop is closed, and with it all who waited there
            self._loop.call_soon_threadsafe(self._answer_on_loop, outcomes)

    def _answer_on_loop(self, outcomes: list[tuple[_Waiting, _Outcome]]) -> None:
        self._room.set()
        for waiting, outcome in outcomes:
            if waiting.on_loop:
                waiting.answer(outcome)


def _settle(future: asyncio.Future[Committed] | Future[Committed], outcome: _Outcome) -> None:
    """Give a future its outcome, unless its caller has gone."""
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _weigh(commit: Commit) -> _Weight:
    """Return what a commit costs in the queue: events (at least one) and bytes, roughly."""
    size = 0
    for entry in commit.entries:
        envelope = entry.envelope
        size += len(envelope.event) + len(envelope.body or b"")
    if commit.bodies:
        size += sum(len(fill.body) for fill in commit.bodies)
    if commit.records:
        size += sum(len(record) for _, record in commit.records)
    if commit.values:
        size += sum(len(value.value or b"") for value in commit.values)
    return _Weight(len(commit.entries) + 1, size)


def _sum(one: _Weight, other: _Weight) -> _Weight:
    return _Weight(one.events + other.events, one.size + other.size)
