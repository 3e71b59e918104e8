"""An event loop in a thread of its own, for programs that have none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, TypeVar

from foedus.base.errors import UsageError

T = TypeVar("T")

_END = object()


class Closed(UsageError):
    """The client was closed, here or by another thread."""

    code = "closed"
    remedy = "make a new client"


class Portal:
    """Runs coroutines for threads that wait for them. It does not outlive a fork."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foedus.sdk", daemon=True)
        self._thread.start()
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result; what interrupts the waiting cancels it. Raises Closed."""
        if self._is_closed:
            coroutine.close()
            raise Closed("the client is closed")
        return self._wait(coroutine)

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Closed("the client was closed meanwhile") from None
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield what an async generator yields; it is closed with the iterator."""
        try:
            while (item := self.run(_next(source))) is not _END:
                yield item
        finally:
            self._end(source)

    def _end(self, source: AsyncGenerator[Any, None]) -> None:
        """Close a generator; without waiting where the collector found it in the loop's own thread."""
        if self._is_closed:
            return
        if threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(_close(source), self._loop)
        else:
            self._wait(_close(source))

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run what is to be done ``last``, then end what still runs, the loop and its thread."""
        if self._is_closed:
            last.close()
            return
        self._is_closed = True
        self._wait(_finish(last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(source: AsyncGenerator[T, None]) -> Any:
    return await anext(source, _END)


async def _close(source: AsyncGenerator[Any, None]) -> None:
    await source.aclose()


async def _finish(last: Coroutine[Any, Any, None]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await last
