"""What members of a council said and is not read yet: bounded for each, so that a loud one drowns nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.consensus.messages import HaveBatch, Message, Status, WantBatch, WantState

INBOX_MESSAGES_MAX = 1_024
"""Messages of one member: some of each of the 128 places of a window."""
INBOX_BYTES_MAX = 4 * 1_048_576
"""Bytes of one member: a pipeline of 8 batches and what is said of them, twice. One larger message waits beside."""

PER_SECOND: dict[type, int] = {Status: 20, WantBatch: 256, WantState: 64, HaveBatch: 512}
"""Questions of one member that are looked at in a second, and as many again after a pause. An honest one says ten
times a second how far it is, and asks for one part of a state after the other, 16 MiB/s of them here; a liar would
have each answered by far more bytes than it sends."""

PACES_MAX = 256
"""Nodes of which is counted how often they ask beside an inbox."""


class Inbox:
    """One member's messages, in order. What does not fit is dropped: the protocol says again what is missed."""

    def __init__(self) -> None:
        self.dropped = 0
        self.is_awaited = False
        """Whether its reader waits for the next message: nothing is waiting or being read."""
        self._said: deque[_Said] = deque()
        self._bytes = 0
        self._has_large = False
        self._came = asyncio.Event()
        self._paces = {kind: Pace(rate) for kind, rate in PER_SECOND.items()}

    def put(self, message: Message, size: int, now: Instant) -> bool:
        """Take in a message of ``size`` bytes, where there is room and its member does not ask too often."""
        is_large = size > INBOX_BYTES_MAX
        is_full = self._has_large if is_large else self._bytes + size > INBOX_BYTES_MAX
        pace = self._paces.get(type(message))
        if len(self._said) >= INBOX_MESSAGES_MAX or is_full or (pace is not None and not pace.allows(now)):
            self.dropped += 1
            return False
        self._said.append(_Said(message, size))
        self._bytes += 0 if is_large else size
        self._has_large = self._has_large or is_large
        self.is_awaited = False
        self._came.set()
        return True

    async def get(self) -> Message:
        """Return the next message, once there is one."""
        while not self._said:
            self._came.clear()
            self.is_awaited = True
            await self._came.wait()
        said = self._said.popleft()
        if said.size > INBOX_BYTES_MAX:
            self._has_large = False
        else:
            self._bytes -= said.size
        return said.message


class _Said(NamedTuple):
    message: Message
    size: int


class Pace:
    """Lets ``rate`` pass in a second, on average, and twice as many at once."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left = 2 * rate * SECOND
        self._at: Instant = 0

    def allows(self, now: Instant) -> bool:
        """Whether one more may pass now; then it counts."""
        self._left = min(2 * self._rate * SECOND, self._left + max(0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        if self._left < SECOND:
            return False
        self._left -= SECOND
        return True


class Paces:
    """One pace for each of many nodes, which are strangers to each other: beyond PACES_MAX all begin anew."""

    def __init__(self) -> None:
        self._paces: dict[bytes, Pace] = {}

    def allows(self, node: bytes, rate: int, now: Instant) -> bool:
        """Whether one more of a node may pass now, of ``rate`` in a second; then it counts."""
        if len(self._paces) >= PACES_MAX:
            self._paces.clear()
        return self._paces.setdefault(node, Pace(rate)).allows(now)
