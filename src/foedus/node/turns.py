"""Whose events are worked on next, so that a flood from one peer is hardly felt by another.

A peer that brings little is never made to wait: its events are taken as they come. Who brings much is *heavy* and is
served in slices, all heavy ones in turn; and while somebody brings little, too, they have but a part of the event
loop's time between them. A peer that is alone, heavy or not, has all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foedus.base.limits import BATCH_EVENTS_MAX, PEERS_MAX, SECOND
from foedus.sync.pace import TokenBucket

LITTLE_PER_S = 200
"""Events a second that are little: several people and agents who talk. Checked in place they take 2 % of a core."""
HEAVY_S = 5.0
"""So long after more than that a peer is heavy: what a flood's pauses bring is not talk."""
TALK_S = 5.0
"""So lately somebody brought little: people in talk pause that long."""
SLICE_EVENTS = 64
"""Of a heavy peer at one time, while other heavy ones wait: 2 ms."""
SLICE_BESIDE_TALK = 16
"""The same while somebody talks: what comes in between waits for half a millisecond."""
SHARE = 0.04
"""Of the event loop's time for heavy peers while somebody talks. All that their events cost (checks, disk) is five
times as much; beyond a third of a core it is felt on a machine with two."""
_WHOLE = 3
"""What an event costs the loop, of what it costs to prepare it: it is judged, stored and published, too."""


class _Sender:
    """What a peer brought lately. Times are the event loop's, seconds."""

    def __init__(self) -> None:
        self.little = TokenBucket(LITTLE_PER_S, LITTLE_PER_S)
        self.heavy_until = 0.0
        self.talked_at = -TALK_S


class Turns:
    """One per node; every carrier's batches pass here before they are prepared."""

    def __init__(self) -> None:
        self._senders: dict[bytes, _Sender] = {}
        """Who brought something last is last."""
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._rested_at = 0.0

    def is_little(self, carrier: bytes, count: int) -> bool:
        """Count events that a peer brings; tell whether it brings so little that they may be taken at once."""
        now = asyncio.get_running_loop().time()
        sender = self._senders.pop(carrier, None) or _Sender()
        self._senders[carrier] = sender
        if len(self._senders) > PEERS_MAX:
            del self._senders[next(iter(self._senders))]
        if not sender.little.take(int(now * SECOND), count):
            sender.heavy_until = now + HEAVY_S
        if now < sender.heavy_until:
            return False
        sender.talked_at = now
        return True

    def is_alone(self, carrier: bytes) -> bool:
        """Whether nobody else waits or talks."""
        return not self._waiting and not self._is_talk(carrier)

    @asynccontextmanager
    async def turn(self, carrier: bytes) -> AsyncIterator[int]:
        """Wait for a turn of a heavy peer; give how many events to prepare in it."""
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            await self._turn.acquire()  # first come, first served: one slice of each in turn
        finally:
            self._waiting -= 1
        try:
            is_talk = self._is_talk(carrier)
            if is_talk and (wait_s := self._rested_at - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            began = loop.time()
            yield SLICE_BESIDE_TALK if is_talk else SLICE_EVENTS if self._waiting else BATCH_EVENTS_MAX
            spent = (loop.time() - began) * _WHOLE
            self._rested_at = loop.time() + spent * (1 / SHARE - 1)
        finally:
            self._turn.release()

    def _is_talk(self, carrier: bytes) -> bool:
        since = asyncio.get_running_loop().time() - TALK_S
        return any(sender.talked_at > since for node, sender in self._senders.items() if node != carrier)
