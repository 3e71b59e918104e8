"""Who at this node waits for what becomes of an update of a council, and what they are told where nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from foedus.base.errors import Unavailable, UsageError
from foedus.consensus.effects import Executed
from foedus.consensus.updates import Update

ASKED_MAX = 4_096
"""Updates of this node whose result is awaited: as many as a replica lets wait."""

Outcome = tuple[Executed, int]
"""What was made, and which of its updates was meant."""


class CouncilDown(Unavailable):
    """The council does not work at this node now."""

    code = "council_down"
    remedy = "see `foedus status`; it goes on by itself when the disk can be written"


class TooManyUpdates(UsageError):
    """The council has as much to do as it takes, or the update is over."""

    code = "too_many_updates"
    http_status = 429
    remedy = "wait until some are made, and propose it again"


class Asked:
    """Updates of this node whose result is awaited, through all epochs."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[Outcome]] = {}

    def wait_all(self, updates: Sequence[Update]) -> list[asyncio.Future[Outcome]]:
        """Return what will tell the outcome of each; raise TooManyUpdates."""
        if len(self._waiting) + len(updates) > ASKED_MAX:
            raise TooManyUpdates(f"{ASKED_MAX} updates of this node wait")
        loop = asyncio.get_running_loop()
        return [self._waiting.setdefault(update.id, loop.create_future()) for update in updates]

    def forget(self, update: Update) -> None:
        """Nobody here waits for an update any more; it may still be made."""
        self._waiting.pop(update.id, None)

    def awaits(self, effect: Executed) -> bool:
        """Whether somebody waits for one of these updates."""
        return bool(self._waiting) and any(update.id in self._waiting for update in effect.batch.updates)

    def made(self, effect: Executed) -> None:
        """Tell who waits."""
        for index, update in enumerate(effect.batch.updates):
            future = self._waiting.pop(update.id, None)
            if future is not None and not future.done():
                future.set_result((effect, index))

    def fail(self, error: CouncilDown) -> None:
        """Tell all who wait that nothing can be told."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # who no longer waits need not be told
