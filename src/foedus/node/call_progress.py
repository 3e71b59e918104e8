"""How far the work of calls is, for those who made them and wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from foedus.query.limits import PROGRESS_MAX

_UNREAD_MAX = 64
"""Words of progress that a slow reader has not read: what is newer is dropped."""


class Progress(NamedTuple):
    """A word of progress: ``number`` from 1, ``data`` JSON."""

    number: int
    data: bytes


class _Told:
    """What was said of one call, and not yet read."""

    def __init__(self) -> None:
        self.last = 0
        self.unread: asyncio.Queue[Progress | None] = asyncio.Queue(_UNREAD_MAX + 1)


class Followed:
    """Calls under way, and who waits for them: who made it, for each."""

    def __init__(self) -> None:
        self._told: dict[bytes, _Told] = {}

    def begin(self, call: bytes) -> None:
        """Keep what is said of a call from now on."""
        self._told[call] = _Told()

    def say(self, call: bytes, one: Progress) -> None:
        """Take a word of progress; what comes again, or beyond the number of a call, or is not read, is dropped."""
        told = self._told.get(call)
        if told is not None and told.last < one.number <= PROGRESS_MAX:
            told.last = one.number
            if told.unread.qsize() < _UNREAD_MAX:
                told.unread.put_nowait(one)

    def end(self, call: bytes) -> None:
        """Say that nothing more comes."""
        told = self._told.pop(call, None)
        if told is not None:
            told.unread.put_nowait(None)

    def read(self, call: bytes, wait_s: float) -> AsyncIterator[Progress]:
        """Return what is said of a call from its beginning, until it is over or nobody waits any longer."""
        return self._reading(call, self._told.get(call), wait_s)

    async def _reading(self, call: bytes, told: _Told | None, wait_s: float) -> AsyncIterator[Progress]:
        if told is None:
            return
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                while (one := await told.unread.get()) is not None:
                    yield one
        except TimeoutError:
            return
        finally:
            self._told.pop(call, None)
