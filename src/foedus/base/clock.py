"""Clocks: instants, and the hybrid logical clock (Kulkarni et al., 2014) with the bounds of the protocol.

The wall clock is always an argument: ``now`` is an ``Instant``, microseconds since 1970 UTC.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from foedus.base.errors import Unavailable
from foedus.base.limits import CLOCK_AHEAD_MAX, CLOCK_MERGE_MAX, HLC_COUNTER_MAX, SECOND

Instant: TypeAlias = int
"""Microseconds since 1970-01-01 UTC."""


class ClockAhead(Unavailable):
    """Our own log is further in the future than our wall clock allows."""

    code = "clock_ahead"
    remedy = "set this machine's clock; if it is right, run `foedus key rotate` to open a new epoch"


class Hlc(NamedTuple):
    """A hybrid logical time: microseconds and a counter below 2^16. Compares as a tuple."""

    us: Annotated[int, Meta(ge=0, lt=1 << 62)]
    counter: Annotated[int, Meta(ge=0, lt=HLC_COUNTER_MAX)]

    def following(self) -> Hlc:
        """Return the smallest time after this one."""
        if self.counter + 1 < HLC_COUNTER_MAX:
            return Hlc(self.us, self.counter + 1)
        return Hlc(self.us + 1, 0)


ZERO = Hlc(0, 0)


class HybridClock:
    """The clock of one node. ``tick`` gives the time of an own event, ``merge`` learns from a foreign one."""

    def __init__(self, head: Hlc = ZERO) -> None:
        self.head = head

    def tick(self, now: Instant, after: Hlc = ZERO) -> Hlc:
        """Return a time after all that was given or merged and after ``after`` (the chain's head).

        Raises ClockAhead, and changes nothing, where that lies over 60 s ahead of ``now``.
        """
        wall = Hlc(now, 0)
        floor = max(self.head, after)
        following = wall if wall > floor else floor.following()
        if following.us > now + CLOCK_AHEAD_MAX:
            seconds = (following.us - now) // SECOND
            message = f"this node's log is {seconds} s ahead of its clock; it writes nothing until that is mended"
            raise ClockAhead(message)
        self.head = following
        return following

    def merge(self, foreign: Hlc, now: Instant) -> None:
        """Learn from a foreign event's time, up to ``now`` + 5 s."""
        bounded = min(foreign, Hlc(now + CLOCK_MERGE_MAX, 0))
        self.head = max(self.head, bounded)
