"""How often: a token bucket, and what one peer may ask of us over one link."""

from __future__ import annotations

from typing import Final

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import MINUTE, SECOND
from foedus.sync.frames.blobs import WantChunks
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import Cursors, Missing, Records, Want, WantRecords
from foedus.sync.frames.questions import Reach
from foedus.sync.positions import CHAINS_MAX
from foedus.sync.transitions import BY_THE_WAY, SELDOM

ASKS_BURST: Final = 2 * CHAINS_MAX
"""Cursors, wants and records at once: all chains a link remembers, twice."""
ASKS_PER_S: Final = 10_000
"""Then this many a second: as fast as events come, since hardly any is asked for by name."""
PEERING_BURST: Final = 32
"""Peering frames at once: an honest peer sends one to four in the life of a link; each may cost a signature check."""
PEERING_PER_S: Final = 1
"""Then this many a second."""


class TooFast(PeerViolation):
    """The peer asks for more than one link may."""

    code = "too_many_frames"
    http_status = 429
    remedy = "the other node must ask less often"


class TokenBucket:
    """A rate: ``per_second`` on average and ``burst`` at once. Full at first, and never fuller."""

    def __init__(self, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._full = burst * SECOND
        self._level = self._full
        self._at: Instant | None = None

    def take(self, now: Instant, count: int = 1) -> bool:
        """Take ``count`` tokens and say True, or say False and take none. A clock that steps back adds none."""
        if not self.holds(now, count):
            return False
        self._level -= count * SECOND
        return True

    def holds(self, now: Instant, count: int = 1) -> bool:
        """Tell whether ``count`` tokens could be taken now."""
        elapsed = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        self._level = min(self._full, self._level + elapsed * self._per_second)
        return self._level >= count * SECOND


class Throttle:
    """A rate for what has arrived already: it says how long to hold back the credit for more, and refuses nothing."""

    def __init__(self, amount: int, period: Instant) -> None:
        """``amount`` in each ``period`` (microseconds); what one second of it allows may come at once."""
        self._cost = period / amount
        self._burst = min(period, SECOND)
        self._paid_until: float | None = None

    def owes(self, count: int, now: Instant) -> int:
        """Count what came, and return the microseconds until the rate allows more; 0 within it."""
        earliest = float(now - self._burst)
        start = earliest if self._paid_until is None else min(max(self._paid_until, earliest), float(now + self._burst))
        self._paid_until = start + count * self._cost
        return max(0, int(self._paid_until - now))


class Allowance:
    """So many in each minute: on average, and at once where a minute passed in silence. What came beyond is owed."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._level = per_minute * MINUTE
        self._at: Instant | None = None

    def left(self, now: Instant) -> int:
        """Return how many may go now."""
        return max(0, self._fill(now) // MINUTE)

    def spend(self, count: int, now: Instant) -> None:
        """Count what went or came, however many."""
        self._level = self._fill(now) - count * MINUTE

    def wait(self, now: Instant) -> int:
        """Return the microseconds until one may go."""
        return max(0, -((self._fill(now) - MINUTE) // self.per_minute))

    def owes(self, now: Instant) -> int:
        """Return the microseconds until all that was counted is within the rate."""
        return max(0, -(self._fill(now) // self.per_minute))

    def _fill(self, now: Instant) -> int:
        """Return the level, a minute for each that is left. A clock that steps back adds nothing."""
        elapsed = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        self._level = min(self.per_minute * MINUTE, self._level + elapsed * self.per_minute)
        return self._level


class PeerPace:
    """What one peer may ask of us."""

    def __init__(self) -> None:
        self._asks = TokenBucket(ASKS_PER_S, ASKS_BURST)
        self._peering = TokenBucket(PEERING_PER_S, PEERING_BURST)

    def check(self, name: str, frame: Frame, now: Instant) -> None:
        """Count a frame (``name`` is its type); raise TooFast beyond the bounds."""
        if name in BY_THE_WAY:
            return
        if name in SELDOM:
            if not self._peering.take(now):
                raise TooFast(f"too many {name} frames")
        elif not self._asks.take(now, _weight(frame)):
            raise TooFast(f"too many {name} frames, or too much in them")


def _weight(frame: Frame) -> int:
    """Return how many look-ups a frame may cause, at least 1."""
    match frame:
        case Cursors(positions=items):
            return 1 + len(items)
        case Want(ids=ids) | Missing(ids=ids) | WantRecords(epochs=ids):
            return 1 + len(ids)
        case WantChunks(numbers=numbers):
            return 1 + len(numbers)
        case Records(records=records):
            return 1 + len(records)
        case Reach(nodes=nodes):
            return 1 + len(nodes)
        case _:
            return 1
