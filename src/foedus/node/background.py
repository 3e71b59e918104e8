"""Tasks that belong to one part of the node: they end with it, and what fails in them is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from foedus.base.errors import Unavailable


class Background:
    """Keeps tasks from being collected while they run. ``log`` is told of each that fails."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Unavailable):  # the world's: whoever began it tries again
            self._log.warning("a task failed: %s: %s", error.code, error)
        else:
            self._log.error("a task failed", exc_info=error)

    async def close(self) -> None:
        """Cancel what still runs, and wait for it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
