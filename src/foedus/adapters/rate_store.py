"""Where the library ``limits`` counts: in memory, by a clock that never steps, and within a bound.

Its own memory storage reads the wall clock, keeps every key that ever came until a timer thread removes it, and a
flood of addresses is exactly what makes many keys. Here the keys that were used longest ago go first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from limits import parse
from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport

KEYS_MAX = 4_096
"""Keys counted at one time for one kind: some 1 MB; who was silent longest is forgotten, and begins anew."""


class _Window:
    """What one key used: in which window (by number), in it, and in the one before."""

    __slots__ = ("current", "number", "previous")

    def __init__(self, number: float) -> None:
        self.number = number
        self.current = 0
        self.previous = 0


class RateStore(Storage, SlidingWindowCounterSupport):
    """Counters for the strategy "sliding window counter" of ``limits``: the last window counts in part."""

    STORAGE_SCHEME = ["foedus+memory"]  # noqa: RUF012  # as the library declares it

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        """Count by ``now``, in seconds, which never goes back."""
        super().__init__()
        self._now = now
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are counted."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the library would wrap; nothing here fails."""
        return ValueError

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Do as ``acquire``, which the library would call by this name."""
        return self.acquire(key, limit, expiry, amount)

    def acquire(self, key: str, limit: int, expiry: int, amount: int) -> bool:
        """Count ``amount`` more where that stays within ``limit`` per ``expiry`` seconds; else count nothing."""
        window, weighted = self._look(key, expiry)
        if weighted + amount > limit:
            return False
        window.current += amount
        self._keep(key, window)
        return True

    def _keep(self, key: str, window: _Window) -> None:
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > KEYS_MAX:
            self._windows.popitem(last=False)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return (previous count, seconds until it is forgotten, current count, seconds until that is)."""
        window, _ = self._look(key, expiry)
        left = expiry - self._now() % expiry
        return window.previous, left if window.previous else 0.0, window.current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002  # the library's signature
        """Forget a key."""
        self._windows.pop(key, None)

    def _look(self, key: str, expiry: int) -> tuple[_Window, float]:
        """Return the window of now, and what counts in it: the former one by the part that still overlaps."""
        number, into = divmod(self._now(), expiry)
        held = self._windows.get(key)
        if held is None:
            return _Window(number), 0.0
        if held.number != number:
            held.previous = held.current if number - held.number == 1 else 0
            held.number, held.current = number, 0
        return held, held.current + held.previous * (1 - into / expiry)

    # --- the rest of the library's port: one counter, without a window before it ----------------

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, whatever the limit, and return the sum of this window."""
        window, _ = self._look(key, expiry)
        window.current += amount
        self._keep(key, window)
        return window.current

    def get(self, key: str) -> int:
        """Return what was counted last."""
        return self._windows[key].current if key in self._windows else 0

    def get_expiry(self, key: str) -> float:  # noqa: ARG002  # the library's signature
        """Return when a counter without a window ends: there are none, so now."""
        return self._now()

    def check(self) -> bool:
        """Tell that memory can be reached."""
        return True

    def reset(self) -> int | None:
        """Forget all, and return how many keys there were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)


class RateLimit:
    """One limit for many keys. It asks the store itself, as the library's strategy would for ten times the calls."""

    def __init__(self, rate: str, now: Callable[[], float] = monotonic) -> None:
        """``rate``: ``NUMBER/second`` (minute, hour, day), as ``trust.policy.Rate`` checks it."""
        self._store = RateStore(now)
        item = parse(rate)
        self._amount, self._period_s = item.amount, item.get_expiry()

    def take(self, key: str, cost: int = 1) -> float:
        """Take ``cost`` for ``key``; return 0.0, or where it is too much, after how many seconds to try again."""
        if self._store.acquire(key, self._amount, self._period_s, cost):
            return 0.0
        return self._wait_s(key, cost)

    def _wait_s(self, key: str, cost: int) -> float:
        """Return when enough of what was counted is forgotten: later in this window, or in the next one."""
        expiry, amount = self._period_s, self._amount
        previous, _, current, forgotten_in = self._store.get_sliding_window(key, expiry)
        left = forgotten_in - expiry
        if current + cost > amount:
            return left + max(0.0, 1 - max(0, amount - cost) / max(1, current)) * expiry
        return left - (amount - current - cost) / max(1, previous) * expiry
