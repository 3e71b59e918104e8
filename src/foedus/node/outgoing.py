"""What one link sends, in which order: at once where the socket takes it, else in turn, and what is bulky last."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from foedus.base.errors import FoedusError
from foedus.base.limits import CONTROL_QUEUE_MAX
from foedus.node.ports import ByteStream
from foedus.sync.effects import Close

_BULKY_BYTES = 4 * 1_048_576
_BULKY_FRAMES = CONTROL_QUEUE_MAX // 2
"""What may wait to be written before records, proofs and chains, of which there can be thousands, wait their turn."""
_LATER_MAX = 32_768
"""Records and proofs that wait their turn: twice the nodes that are remembered."""


class Outgoing:
    """The frames of a link on their way to its socket. ``seal`` encrypts the next one; ``end`` ends the link."""

    def __init__(self, stream: ByteStream, seal: Callable[[bytes], bytes], end: Callable[[Close], None]) -> None:
        self._stream = stream
        self._seal = seal
        self._end = end
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(CONTROL_QUEUE_MAX)
        self._queued_bytes = 0
        self._later: deque[Callable[[], None]] = deque()
        self._is_sending = False

    def send(self, data: bytes) -> None:
        """Send now, where nothing waits and the socket takes it; else in turn."""
        if not self._queued_bytes and self._try_send(data):
            return
        try:
            self._queue.put_nowait(data)
            self._queued_bytes += len(data)
        except asyncio.QueueFull:
            self._end(Close("slow_reader", "the peer does not read"))

    def _try_send(self, data: bytes) -> bool:
        try:
            return self._stream.try_send(lambda: self._seal(data))
        except (OSError, FoedusError, RuntimeError) as error:
            self._end(Close("lost", str(error)))
            return True

    def when_there_is_room(self, send: Callable[[], None]) -> None:
        """Call ``send`` once little enough waits to be written, in the order of the calls."""
        if len(self._later) >= _LATER_MAX:
            self._end(Close("slow_reader", "the peer does not read"))
            return
        self._later.append(send)
        self._send_later()

    def _send_later(self) -> None:
        if self._is_sending:  # one chain leads to the next: a thousand of them must not be a thousand calls deep
            return
        self._is_sending = True
        try:
            while self._later and self._queued_bytes < _BULKY_BYTES and self._queue.qsize() < _BULKY_FRAMES:
                self._later.popleft()()
        finally:
            self._is_sending = False

    async def write(self) -> None:
        """Write what waits, until the socket fails."""
        try:
            while (data := await self._queue.get()) is not None:
                await self._stream.send(self._seal(data))
                self._queue.task_done()
                self._queued_bytes -= len(data)
                self._send_later()
        except (OSError, FoedusError, RuntimeError) as error:
            self._end(Close("lost", str(error)))

    async def written(self) -> None:
        """Wait until nothing is left to be written."""
        await self._queue.join()

    def forget_later(self) -> None:
        """Let go of what waits for room: the link is over."""
        self._later.clear()
