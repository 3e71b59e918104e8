"""When a council's replica is told the time: at its next deadline, or a little later where this process stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from foedus.base.clock import Instant
from foedus.base.limits import SECOND

_BEHIND_US = SECOND // 10
_EXCUSED_US = 3 * SECOND
"""For so long late wake-ups in a row are excused: a machine that stands still again and again is to leave a view of a
leader that is gone, all the same."""


def loop_now() -> Instant:
    """Return the loop's time, which no clock change moves: a replica knows deadlines only."""
    return int(asyncio.get_running_loop().time() * SECOND)


class Waking:
    """One timer. What this process slept through may have come and be unread: the members are heard first then."""

    def __init__(
        self,
        next_deadline: Callable[[], Instant | None],
        is_busy: Callable[[], bool],
        on_deadline: Callable[[Instant], None],
    ) -> None:
        """``next_deadline``: None while nothing is due ever; ``is_busy``: whether no time is to pass yet."""
        self._next_deadline = next_deadline
        self._is_busy = is_busy
        self._on_deadline = on_deadline
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = 0
        """Kept here: what uvloop returns for a moment that has passed does not know it."""
        self._late_since: Instant | None = None
        """The first of the late wake-ups in a row that let the members be heard first."""
        self._quiet_until: Instant = 0

    def arm(self) -> None:
        """Wake in time for the next deadline; a timer that stands before it does as well."""
        deadline = self._next_deadline()
        if deadline is None:
            return
        due = max(deadline, self._quiet_until, loop_now())
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(due / SECOND, self._wake), due

    def stop(self) -> None:
        """Wake no more, until ``arm``."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        deadline, now = self._next_deadline(), loop_now()
        if deadline is None:
            return
        if self._is_excused(now) or self._is_busy():
            self._quiet_until = now + _BEHIND_US
            self.arm()
        elif deadline <= now:
            self._on_deadline(now)
        else:
            self.arm()

    def _is_excused(self, now: Instant) -> bool:
        if now < self._timer_at + _BEHIND_US:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        is_excused = now < self._late_since + _EXCUSED_US
        if not is_excused:
            self._late_since = None
        return is_excused
