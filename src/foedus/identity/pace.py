"""How fast a peer may change its keys unasked.

Whoever stole a node's keys moves on to new ones at once. One new epoch a day is an operator at work;
more is for a human to look at (DESIGN.md, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable

from foedus.base.clock import Instant
from foedus.base.limits import DAY, EPOCHS_PER_DAY


def may_follow(followed_at: Iterable[Instant], now: Instant) -> bool:
    """Tell whether one more new epoch of a node may be followed without asking a human.

    ``followed_at``: when earlier new epochs of this node were followed here (not counting its
    record 0, nor what a human let pass). Instants after ``now`` count: a clock that was set back
    lets nothing through.
    """
    return sum(1 for instant in followed_at if instant > now - DAY) < EPOCHS_PER_DAY
