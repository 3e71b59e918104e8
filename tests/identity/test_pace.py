from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import DAY
from foedus.identity.pace import may_follow

NOW = 20_000 * DAY


def test_one_new_epoch_a_day_is_followed_unasked():
    assert may_follow([], NOW)
    assert not may_follow([NOW], NOW)
    assert not may_follow([NOW - DAY + 1], NOW)
    assert may_follow([NOW - DAY], NOW)


def test_a_clock_that_was_set_back_lets_nothing_through():
    assert not may_follow([NOW + 5 * DAY], NOW)


@given(st.lists(st.integers(0, 40 * DAY)))
def test_however_fast_epochs_come_one_a_day_is_followed(arrivals):
    followed: list[int] = []
    for now in sorted(arrivals):
        if may_follow(followed, now):
            followed.append(now)
    assert all(later - earlier >= DAY for earlier, later in pairwise(followed))
