"""What carries questions and calls to a peer that no link reaches: frames wait here, and HTTP exchanges fetch them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from foedus.base.clock import Instant
from foedus.sync.frames.codec import Frame, encode_frame
from foedus.sync.parcels import SPEAKS, Talk

_BULKY_BYTES = 1_048_576
"""What may wait to be fetched before more is made of what waits its turn: two parcels."""
_LATER_MAX = 4_096
"""Frames that wait their turn: as many as 64 questions have peers to be answered by. Beyond, the peer fetches none."""


class Line(Protocol):
    """What questions and calls go on: a link, or ``HttpLine``."""

    node: bytes
    told: dict[bytes, bytes]

    def speaks(self, capability: str) -> bool:
        """Tell whether the peer knows the frames of a capability."""
        ...

    def control(self, frame: Frame) -> None:
        """Send a frame."""
        ...

    def when_there_is_room(self, send: Callable[[], None]) -> None:
        """Send as the peer reads, in the order of the calls."""
        ...

    def close(self, code: str, message: str = "") -> None:
        """End it, for what the peer did."""
        ...


class HttpLine:
    """One side of a talk with a peer. ``end`` is called where the line is to end."""

    def __init__(self, node: bytes, name: Instant, end: Callable[[HttpLine], None]) -> None:
        self.node = node
        self.talk = Talk(name)
        self.told: dict[bytes, bytes] = {}
        """Node → newest epoch of it that the peer was told."""
        self.is_open = False
        """Whether the peer has said something, and so is there."""
        self.is_held = False
        """Whether the peer holds an exchange open here: it fetches what is said at once."""
        self.last_heard: Instant = 0
        self.taking = asyncio.Lock()
        """What a parcel brings is taken before the next."""
        self._end = end
        self._later: deque[Callable[[], None]] = deque()
        self._is_making = False
        self._said = asyncio.Event()
        self._let_go = asyncio.Event()

    def speaks(self, capability: str) -> bool:
        """Tell whether a capability's frames go without a link."""
        return capability in SPEAKS

    def control(self, frame: Frame) -> None:
        """Say a frame."""
        self.talk.put(encode_frame(frame))
        self._said.set()

    def when_there_is_room(self, send: Callable[[], None]) -> None:
        """Send as the peer fetches, in the order of the calls; end the line of one that does not."""
        if len(self._later) >= _LATER_MAX:
            self._end(self)
            return
        self._later.append(send)
        self.go_on()

    def go_on(self) -> None:
        """Make of what waits its turn as much as there is room for."""
        if self._is_making:  # what is made here may say more
            return
        self._is_making = True
        try:
            while self._later and self.talk.size < _BULKY_BYTES:
                self._later.popleft()()
        finally:
            self._is_making = False
        if not self.talk:
            self._said.clear()

    def close(self, code: str, message: str = "") -> None:  # noqa: ARG002  # a link tells its peer why
        """End the line."""
        self._end(self)

    def over(self) -> None:
        """Let go whoever waits: nothing more is said here."""
        self._later.clear()
        self._said.set()
        self._let_go.set()

    async def until_said(self) -> None:
        """Return once there is something that the peer has not heard, or the line is over."""
        await self._said.wait()

    async def hold(self, stopping: Callable[[], Awaitable[object]], seconds: float) -> None:
        """Wait for something to say, but not for long; the newest of those who wait here lets the others go."""
        self._let_go.set()
        mine = self._let_go = asyncio.Event()
        self.is_held = True
        waits = [asyncio.ensure_future(each) for each in (self._said.wait(), mine.wait(), stopping())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if self._let_go is mine:
                self.is_held = False
