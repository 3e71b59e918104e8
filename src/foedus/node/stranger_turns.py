"""Strangers' handshakes, one piece at a time, so that nobody else waits for a crowd of them.

A piece is the answer to one message: an encapsulation and an ML-DSA signing, or a few verifications, 0.6 to 1 ms each.
A thread would not help: `cryptography` keeps the interpreter's lock while it signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_SHARE = 0.1
"""Of the event loop's time for strangers. 50 signings take half of a second's share; an honest newcomer whom a crowd
precedes waits less than a second, which the ten of a handshake allow."""


class StrangerTurns:
    """Gives each piece of work its turn, in the order in which they came; the first one at once."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._rested_at = 0.0

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work when its turn has come."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if (wait_s := self._rested_at - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            began = loop.time()
            try:
                return work()
            finally:
                ended = loop.time()
                self._rested_at = ended + (ended - began) * (1 / _SHARE - 1)
