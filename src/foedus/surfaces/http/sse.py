"""Events as a stream (WHATWG HTML §9.2): ``id`` is the cursor, ``data`` the event's JSON.

The node is read ahead of the client by at most SSE_QUEUE_MAX events; then reading waits. A client that lets a
full queue stand still is told ``event: resume`` and finds the rest by its last id, so that it holds nothing up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

from foedus.base.limits import SSE_QUEUE_MAX
from foedus.node.waiting import happens
from foedus.surfaces.http.limits import SSE_CHUNK_BYTES, SSE_HEARTBEAT_S, SSE_STALL_S
from foedus.surfaces.http.problems import error_of, problem_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


class Cursored(Protocol):
    """What a stream carries: a view that says where to go on after it."""

    @property
    def cursor(self) -> str:
        """The opaque cursor."""
        ...


MEDIA_TYPE = b"text/event-stream"
OPENING = b"retry: 1000\n\n"
HEARTBEAT = b": still here\n\n"
RESUME = b"event: resume\ndata:\n\n"
"""Its data is empty: the cursor is the last id."""

_encode = msgspec.json.Encoder().encode


class EventStream:
    """The chunks of a stream that already follows events. Whoever has it closes it, read or not."""

    def __init__(self, reader: _ReadAhead) -> None:
        self._reader = reader
        self._chunks = _chunks(reader)

    def __aiter__(self) -> EventStream:
        """Return the stream itself: it is read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Follow no more."""
        await self._chunks.aclose()
        await self._reader.stop()


class Closing:
    """``chunks`` that are made of ``source``. Both are closed by ``aclose``, also where nobody began to read.

    A generator that was never begun runs none of its own ``finally``.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None], source: object) -> None:
        self._chunks = chunks
        self._source = source

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks."""
        return self._chunks

    async def aclose(self) -> None:
        """Close both."""
        await self._chunks.aclose()
        if close := getattr(self._source, "aclose", None):
            await close()


async def open_stream(events: AsyncIterator[Cursored]) -> EventStream:
    """Return the chunks of a stream that already follows ``events``; raise what following them raises at once."""
    reader = _ReadAhead(events)
    await asyncio.sleep(0)  # lets it subscribe, so that what happens after the head is sent is not missed
    await reader.raise_early_failure()
    return EventStream(reader)


async def _chunks(reader: _ReadAhead) -> AsyncGenerator[bytes, None]:
    yield OPENING
    while True:
        if not await reader.wait(SSE_HEARTBEAT_S):
            yield HEARTBEAT
        elif chunk := reader.take():
            yield chunk
        else:
            yield reader.last_words()
            return


class _ReadAhead:
    """Reads events into a bounded queue, in a task of its own."""

    def __init__(self, events: AsyncIterator[Cursored]) -> None:
        self._events = events
        self._queue: deque[Cursored] = deque()
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._stalled = False
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(lambda _: self._arrived.set())

    async def _read(self) -> None:
        async for event in self._events:
            self._queue.append(event)
            self._arrived.set()
            if len(self._queue) >= SSE_QUEUE_MAX and not await self._wait_for_room():
                self._stalled = True
                return

    async def _wait_for_room(self) -> bool:
        self._drained.clear()
        return await happens(self._drained, SSE_STALL_S)

    async def wait(self, seconds: float) -> bool:
        """Wait for events or the end; tell whether there is either."""
        if self._queue or self._task.done():
            return True
        self._arrived.clear()
        return await happens(self._arrived, seconds)

    def take(self) -> bytes:
        """Return what waits, up to one chunk; b'' where nothing does."""
        parts: list[bytes] = []
        size = 0
        while self._queue and size < SSE_CHUNK_BYTES:
            event = self._queue.popleft()
            part = b"id: %b\ndata: %b\n\n" % (event.cursor.encode(), _encode(event))
            parts.append(part)
            size += len(part)
        self._drained.set()
        return b"".join(parts)

    def last_words(self) -> bytes:
        """Return what to tell the client at the end."""
        if self._stalled:
            return RESUME
        error = None if self._task.cancelled() else self._task.exception()
        return b"event: problem\ndata: %b\n\n" % problem_bytes(error_of(error)) if error else b""

    async def raise_early_failure(self) -> None:
        """Raise what ended the reading, if it failed before anything came."""
        if self._task.done() and not self._queue:
            await self._task

    async def stop(self) -> None:
        """End the reading."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if close := getattr(self._events, "aclose", None):
            await close()
