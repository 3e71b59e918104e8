"""How long what waits longest has waited of late, until it was made: who waits for more is patient by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foedus.base.clock import Instant

_TIMES = 4
"""A view is given so many times what the slowest took: else members leave it as soon as their machines are busy."""
_FORGOTTEN = 8
"""Of the slowest an eighth is forgotten with each that was made."""


class Pace:
    """Of one view after the other. What a lying leader gains by being slow has a bound, where ``patience`` is used."""

    def __init__(self) -> None:
        self.slowest = 0
        """Microseconds; what is past counts less."""
        self._since: Instant = 0

    @property
    def patience(self) -> int:
        """Microseconds."""
        return _TIMES * self.slowest

    def next(self, now: Instant, *, is_new: bool) -> None:
        """Something else waits longest from now on; ``is_new``: nothing waited before."""
        took = 0 if is_new else now - self._since
        self.slowest = max(took, self.slowest - self.slowest // _FORGOTTEN)
        self._since = now
