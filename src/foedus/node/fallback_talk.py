"""Questions and calls where no link opens: what is said here is brought to the peer, what it says is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from foedus.node.fallback_doors import PeerDoors
from foedus.node.http_line import HttpLine
from foedus.node.lines import HOLD_MAX_S
from foedus.sync.parcels import TalkBroken

if TYPE_CHECKING:
    from foedus.node.composition import Node

PAUSE_S = 0.05
"""Between two exchanges of a sort: 40 a second with those that wait, of 80 that http_nonces.PER_EPOCH_MAX lets in."""
_FETCHED_S = 0.25
"""Where the peer holds an exchange open here, it fetches what is said; what it has not by then is brought to it."""


class PeerTalk:
    """With one peer. ``heard`` is called when it said something: what that stands on may be behind it."""

    def __init__(self, node: Node, peer: bytes, doors: PeerDoors, heard: Callable[[], None]) -> None:
        self._lines = node.lines
        self._peer = peer
        self._doors = doors
        self._heard = heard

    async def listen(self) -> None:
        """Hold one exchange open; the first tells the peer that we are here."""
        line = self._line()
        await self._exchange(line, HOLD_MAX_S if line.is_open else 0)

    async def speak(self) -> None:
        """Wait until something is said to the peer, and bring it."""
        line = self._line()
        await line.until_said()
        if line.is_held:
            await asyncio.sleep(_FETCHED_S)
        if line.talk:
            await self._exchange(line)

    def _line(self) -> HttpLine:
        if self._lines.is_linked(self._peer):
            raise TalkBroken("there is a link")
        return self._lines.http(self._peer)

    async def _exchange(self, line: HttpLine, hold_s: int = 0) -> None:
        if await self._lines.exchange(line, self._doors, hold_s):
            self._heard()
        await asyncio.sleep(PAUSE_S)
