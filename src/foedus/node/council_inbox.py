"""What members of a council said and is not read yet: bounded for each, so that a loud one drowns nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from foedus.consensus.messages import Message

INBOX_MESSAGES_MAX = 1_024
"""Messages of one member: some of each of the 128 places of a window."""
INBOX_BYTES_MAX = 4 * 1_048_576
"""Bytes of one member: a pipeline of 8 batches and what is said of them, twice."""


class _Said(NamedTuple):
    message: Message
    size: int


class Inbox:
    """One member's messages, in order. What does not fit is dropped: the protocol says again what is missed."""

    def __init__(self) -> None:
        self.dropped = 0
        self._said: deque[_Said] = deque()
        self._bytes = 0
        self._came = asyncio.Event()

    def put(self, message: Message, size: int) -> None:
        """Take in a message of ``size`` bytes, where there is room."""
        if len(self._said) >= INBOX_MESSAGES_MAX or self._bytes + size > INBOX_BYTES_MAX:
            self.dropped += 1
            return
        self._said.append(_Said(message, size))
        self._bytes += size
        self._came.set()

    async def get(self) -> Message:
        """Return the next message, once there is one."""
        while not self._said:
            self._came.clear()
            await self._came.wait()
        said = self._said.popleft()
        self._bytes -= said.size
        return said.message
