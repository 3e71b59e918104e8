"""Results of nodes that are not known here yet wait for the identity that travels beside them, and hold up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.node.query_judging import Judge
from foedus.query.inquiry import Entry
from foedus.query.result import parse_result

UNKNOWN_MAX = 64
"""Identities that one question waits for: as many as a node asks. Results of others are dropped."""


class Strangers:
    """Of one question. ``deliver`` gets the results of one epoch once it is known, or when the wait is over."""

    def __init__(
        self,
        judge: Judge,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        deliver: Callable[[list[Entry]], None],
    ) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        """What still waits."""
        self._judge = judge
        self._spawn = spawn
        self._deliver = deliver
        self._entries: dict[bytes, list[Entry]] = {}

    def add(self, epoch: bytes, entry: Entry, until: Instant) -> bool:
        """Let a result wait; False where too many identities are missing already."""
        if epoch in self._entries:
            self._entries[epoch].append(entry)
            return True
        if len(self._entries) >= UNKNOWN_MAX:
            return False
        self._entries[epoch] = [entry]
        task = self._spawn(self._wait(epoch, until))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return True

    async def _wait(self, epoch: bytes, until: Instant) -> None:
        await self._judge.learns(epoch, until)
        self._deliver(self._entries.pop(epoch))


def epoch_of(entry: Entry) -> bytes | None:
    """Return the epoch that signed a result, None where it is no result."""
    try:
        return parse_result(entry.data).epoch
    except FoedusError:
        return None
