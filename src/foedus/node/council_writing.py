"""What a replica wants done waits here until what it keeps is durable: one commit for all calls of a turn of the loop.

What nothing leaves for, and nobody here awaits, lingers for a moment and goes with what comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from foedus.base.errors import Unavailable
from foedus.consensus.effects import Effect

WAITING_MAX = 1_024
"""Calls of the replica whose effects wait for the disk: beyond, nothing more is read, and no time passes for it."""
LINGER_S = 0.005
"""How long a decision that nobody awaits may stay in memory: as long as one or two writes take."""


class Writing:
    """Effects leave in the order of the calls. On the event loop's thread."""

    def __init__(
        self,
        make_durable: Callable[[Sequence[Effect]], Awaitable[Any] | None],
        leave: Callable[[Sequence[Effect]], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """``make_durable``: begins it, None where nothing is to be kept; ``fail``: it was not, and nothing leaves."""
        self._make_durable = make_durable
        self._leave = leave
        self._fail = fail
        self._waiting: list[Effect] = []
        self._calls = 0
        self._is_urgent = False
        self._timer: asyncio.Handle | None = None
        self._running: asyncio.Future[Any] | None = None
        self._room = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be asked of the replica now."""
        return self._calls >= WAITING_MAX

    async def has_room(self) -> None:
        """Wait until it is not full."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def add(self, effects: Sequence[Effect], *, is_urgent: bool) -> None:
        """Take in the effects of one call; ``is_urgent``: something leaves by them, or somebody waits."""
        self._waiting += effects
        self._calls += 1
        is_sooner = is_urgent and not self._is_urgent
        self._is_urgent = self._is_urgent or is_urgent
        if self._running is None and (self._timer is None or is_sooner):
            self._schedule()

    def drop(self) -> None:
        """Let go of all that waits, and of what is under way: nothing of it leaves."""
        self._waiting, self._calls, self._is_urgent, self._running = [], 0, False, None
        self._stop_timer()
        self._room.set()

    def _schedule(self) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        # A turn later: all that came in this one goes as one commit.
        self._timer = loop.call_soon(self._flush) if self._is_urgent else loop.call_later(LINGER_S, self._flush)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        effects, self._waiting = self._waiting, []
        self._calls, self._is_urgent = 0, False
        try:
            durable = self._make_durable(effects)
        except Unavailable as error:
            self._fail(error)
            return
        if durable is None:
            self._leave_now(effects)
            return
        self._running = asyncio.ensure_future(durable)
        self._running.add_done_callback(partial(self._settle, effects))

    def _settle(self, effects: Sequence[Effect], done: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if done is not self._running:
            return
        self._running = None
        if error is None:
            self._leave_now(effects)
        else:
            self._fail(error)

    def _leave_now(self, effects: Sequence[Effect]) -> None:
        self._leave(effects)
        self._room.set()
        if self._waiting and self._timer is None and self._running is None:
            self._schedule()
