"""Where signatures are checked: here, in a thread, or in a process, by how many there are.

A few are checked at once, since each hand-over costs as much as a check. More go to threads. Where so many come that
the threads are not idle for a while, processes are started and get them (docs/adr/0012); without them all goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias, TypeVar

from foedus.base.errors import Unavailable
from foedus.crypto import ed25519
from foedus.log.outcomes import SignatureCheck

T = TypeVar("T")
Verdicts: TypeAlias = Future[list[bool]] | asyncio.Future[list[bool]]
"""Answers to come, in the order of their checks. ``asyncio.wrap_future`` takes either."""

_INLINE_CHECKS = 4
"""So few signatures are checked at once: handing them to a thread costs as much (about 60 µs each)."""
_PART_CHECKS = 32
"""A thread or process gets at least so many: less does not pay for the hand-over."""
STARTED_CHECKS = 128
"""Of a large batch so many are started while the rest is still parsed: 64 events, 7 ms of a core. Smaller parts leave
both cores busy to the end of a batch, and none of them waits for the loop to write the rest of its request."""
_FAR_BEHIND_CHECKS = 1_024
"""Both signatures of two full batches: while so many are under way, a third is parsed already."""
_BACKLOG_CHECKS = 4_096
"""So many without an idle moment start the processes: a tenth of a second of two threads, twice what a start costs."""


class Verifiers(Protocol):
    """Processes that check signatures; see ``adapters.verifier_processes``."""

    def start(self) -> None:
        """Start in the background what is not running; does nothing where that is not to be done now."""
        ...

    def check(self, checks: Sequence[SignatureCheck]) -> asyncio.Future[list[bool]] | None:
        """Check a batch; None where no process can take it. The future raises Unavailable where one failed."""
        ...

    async def close(self) -> None:
        """End the processes."""
        ...


class Checking:
    """Checks the signatures of one node's ingest. Its methods belong to the event loop."""

    def __init__(self, verifiers: Verifiers | None) -> None:
        self._verifiers = verifiers
        self._workers = max(1, min(4, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="verify")
        self._running: dict[Future[Any] | asyncio.Future[Any], int] = {}
        """What is under way, with the number of its checks; worker threads take out what has ended."""
        self._since_idle = 0

    @property
    def is_idle(self) -> bool:
        """Whether no check is under way in a thread or process."""
        return not self._running

    def is_far_behind(self) -> bool:
        """Whether so many checks are under way that more events follow those which are checked. Any thread may ask."""
        return sum(list(self._running.values())) >= _FAR_BEHIND_CHECKS

    def check(self, checks: list[SignatureCheck], *, at_once: bool = False) -> tuple[list[Verdicts], list[bool]]:
        """Start the checks; return their verdicts to come in this order, or at once those of a few.

        ``at_once``: those of a few also where many are under way, behind which they would wait.
        """
        if len(checks) <= _INLINE_CHECKS and (at_once or not self._running):
            return [], ed25519.verify_many(checks)
        size = max(_PART_CHECKS, -(-len(checks) // self._workers))
        return [self.start(checks[start : start + size]) for start in range(0, len(checks), size)], []

    def in_thread(self, work: Callable[[], T]) -> Future[T]:
        """Run other work of the same kind in a thread."""
        return self._pool.submit(work)

    async def close(self) -> None:
        """End processes and threads; what is under way has no verdict."""
        if self._verifiers is not None:
            await self._verifiers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _note_backlog(self, count: int) -> None:
        self._since_idle = self._since_idle + count if self._running else count
        if self._since_idle >= _BACKLOG_CHECKS and self._verifiers is not None:
            self._verifiers.start()

    def start(self, part: list[SignatureCheck]) -> Verdicts:
        """Start a part of a batch; return its verdicts to come."""
        self._note_backlog(len(part))
        answer = self._verifiers.check(part) if self._verifiers is not None else None
        running: Verdicts
        if answer is None:
            running = self._pool.submit(ed25519.verify_many, part)
        else:
            running = asyncio.ensure_future(self._despite_loss(answer, part))
        self._running[running] = len(part)
        running.add_done_callback(self._ended)  # whether or not its batch is still wanted
        return running

    def _ended(self, running: Future[Any] | asyncio.Future[Any]) -> None:
        self._running.pop(running, None)

    async def _despite_loss(self, answer: asyncio.Future[list[bool]], part: list[SignatureCheck]) -> list[bool]:
        """Return a process's verdicts; where it failed, check here."""
        try:
            return await answer
        except Unavailable:
            return await asyncio.wrap_future(self._pool.submit(ed25519.verify_many, part))
