"""The thread in which documents are folded and asked: what holds them may be slow, and nobody else waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from foedus.state.documents.replica import ReplicasLost

T = TypeVar("T")


class DocumentThread:
    """Runs what uses replicas, one job after the other, in the order in which they are given. One per node."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="documents")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def begin(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Give a job; what comes of it is known on the loop in the order of the jobs. Raises ReplicasLost once closed.

        Where nobody waits any more, it is done all the same, unless it has not begun.
        """
        if self._closed:
            raise ReplicasLost("the node stops")
        self._loop = asyncio.get_running_loop()
        return self._loop.run_in_executor(self._pool, job)

    def tell_loop(self, call: Callable[[], None]) -> None:
        """Have something called on the loop, before what comes of the job that is under way is known there."""
        if self._loop is not None and not self._closed:
            self._loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """Take no more jobs. What is under way ends with the replicas, which are closed first."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
