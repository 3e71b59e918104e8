"""When one link asks again for chains of which events were put off: after a pause that doubles while they stay so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from foedus.log.chains import ChainKey

_FIRST_S = 0.05
_LONGEST_S = 5.0
"""How long to wait before asking again for what was put off; doubles while it stays missing."""
CHAINS_MAX = 4_096
"""Chains that are asked for again on one link; beyond, the oldest must wait for the next link."""


class AskingAgain:
    """The chains of a link that are to be asked for again by ``resend``, until ``is_closed`` says that it is over."""

    def __init__(self, resend: Callable[[Sequence[ChainKey]], None], is_closed: Callable[[], bool]) -> None:
        self._resend = resend
        self._is_closed = is_closed
        self._pauses: dict[ChainKey, float] = {}
        self._due: dict[ChainKey, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._pauses)

    def reached(self, keys: Iterable[ChainKey]) -> None:
        """Take note that chains moved: their next pause is the first again."""
        for key in keys:
            self._pauses.pop(key, None)

    def put_off(self, keys: Iterable[ChainKey]) -> None:
        """Ask for chains from our heads again, after a pause."""
        now = asyncio.get_running_loop().time()
        for key in keys:
            if key in self._due:
                continue
            pause_s = self._pauses.pop(key, _FIRST_S)
            if len(self._pauses) >= CHAINS_MAX:
                oldest = next(iter(self._pauses))
                del self._pauses[oldest]
                self._due.pop(oldest, None)
            self._due[key] = now + pause_s
            self._pauses[key] = min(2 * pause_s, _LONGEST_S)
        self._watch()

    def _watch(self) -> None:
        if self._due and self._timer is None and not self._is_closed():
            self._timer = asyncio.get_running_loop().call_later(_FIRST_S, self._ask_due)

    def _ask_due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        due = [key for key, at in self._due.items() if at <= now]
        for key in due:
            del self._due[key]
        self._resend(due)
        self._watch()

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
