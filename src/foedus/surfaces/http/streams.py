"""Answers without end: sent until the client leaves, the source ends or the server stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from foedus.base.errors import Unavailable
from foedus.surfaces.http.limits import STREAMS_MAX, STREAMS_PER_PARTICIPANT
from foedus.surfaces.http.problems import error_of
from foedus.surfaces.http.wire import Receive, Send, send_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class TooManyStreams(Unavailable):
    """Every place for an event stream is taken."""

    code = "too_many_streams"
    remedy = "close a stream that is not needed, or poll"


class Streams:
    """The open streams of one server."""

    def __init__(self) -> None:
        self._open = 0
        self._of: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream, also those to come: the server stops."""
        self._closing.set()

    async def closed(self) -> None:
        """Wait until the server stops."""
        await self._closing.wait()

    @contextmanager
    def counted(self, participant: str = "") -> Iterator[None]:
        """Take a place for the time of one stream, as a participant (DID) or ('') not; raise TooManyStreams."""
        if self._open >= STREAMS_MAX:
            raise TooManyStreams(f"there are {STREAMS_MAX} open streams already")
        if participant and self._of[participant] >= STREAMS_PER_PARTICIPANT:
            raise TooManyStreams(f"a participant has at most {STREAMS_PER_PARTICIPANT} open streams")
        self._open += 1
        self._of[participant] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._of[participant] -= 1
            self._of += Counter()  # forgets who has none

    async def pour(
        self, chunks: AsyncIterator[bytes], receive: Receive, send: Send, dead: asyncio.Event | None = None
    ) -> None:
        """Send ``chunks`` as the body of an answer whose head is sent. A failing source ends the answer.

        It also ends when ``dead`` is set: who follows may do so no more.
        """
        pump = asyncio.create_task(_pump(chunks, send))
        gone = asyncio.create_task(_until_gone(receive))
        ends = [asyncio.create_task(event.wait()) for event in (self._closing, dead) if event is not None]
        try:
            await asyncio.wait({pump, gone, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(pump, gone, *ends)
        if not pump.cancelled() and (error := pump.exception()):
            error_of(error)  # for the log: the head is gone, so the client sees only the end
        await send_body(send, b"")


async def _pump(chunks: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for chunk in chunks:
            await send_body(send, chunk, more=True)
    finally:
        if close := getattr(chunks, "aclose", None):
            await close()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):  # each task's end is judged by the caller
            await task
