"""When to dial again: exponential, with full jitter, so that a thousand nodes do not return at once.

"Full jitter" as in Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015): the wait is
drawn evenly from nothing to the ceiling, and the ceiling doubles.
"""

from __future__ import annotations

from foedus.base.limits import BACKOFF_FIRST, BACKOFF_MAX


class Backoff:
    """The waits of one peer. ``first`` and ``maximum``: ceilings of the first and of the longest wait, µs."""

    def __init__(self, first: int = BACKOFF_FIRST, maximum: int = BACKOFF_MAX) -> None:
        if not 0 < first <= maximum:
            raise ValueError("the first wait is longer than 0 and at most the longest")
        self._first = first
        self._maximum = maximum
        self._ceiling = first

    def next(self, random_fraction: float) -> int:
        """Return how long to wait before the next attempt, µs. ``random_fraction`` is drawn from [0, 1)."""
        if not 0 <= random_fraction < 1:
            raise ValueError("a random fraction lies in [0, 1)")
        ceiling = self._ceiling
        self._ceiling = min(2 * ceiling, self._maximum)
        return int(ceiling * random_fraction)

    def reset(self) -> None:
        """Begin anew: call it once a link is ready, not when it is merely established."""
        self._ceiling = self._first
