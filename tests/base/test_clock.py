"""The hybrid logical clock and its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.clock import ClockAhead, Hlc, HybridClock
from foedus.base.limits import CLOCK_AHEAD_MAX, CLOCK_MERGE_MAX, HLC_COUNTER_MAX, SECOND

NOW = 1_700_000_000 * SECOND
TIMES = st.integers(NOW - 100 * SECOND, NOW + 100 * SECOND)


@given(st.lists(TIMES, min_size=2, max_size=30))
def test_times_given_grow_whatever_the_wall_clock_does(walls):
    clock = HybridClock()
    given_times = []
    for wall in walls:
        try:
            given_times.append(clock.tick(wall))
        except ClockAhead:
            assert clock.head.us > wall + CLOCK_AHEAD_MAX
    assert given_times == sorted(set(given_times))


@given(st.lists(st.tuples(st.booleans(), TIMES), max_size=30), TIMES)
def test_foreign_time_drags_ours_five_seconds_at_most(steps, now):
    clock = HybridClock()
    for is_foreign, time in steps:
        if is_foreign:
            clock.merge(Hlc(time, 7), now)
    assert clock.head <= Hlc(now + CLOCK_MERGE_MAX, 0)


@given(TIMES, st.integers(0, HLC_COUNTER_MAX - 1))
def test_a_tick_exceeds_what_was_merged_and_the_chains_head(us, counter):
    clock = HybridClock()
    clock.merge(Hlc(min(us, NOW), counter), NOW)
    after = Hlc(NOW - 1, 3)
    assert clock.tick(NOW, after) > max(after, Hlc(min(us, NOW), counter))


def test_the_counter_steps_to_the_next_microsecond():
    assert Hlc(5, HLC_COUNTER_MAX - 1).following() == Hlc(6, 0)
    assert Hlc(5, 0).following() == Hlc(5, 1)


def test_a_wall_clock_set_back_a_day_stops_authoring_and_changes_nothing():
    clock = HybridClock()
    head = clock.tick(NOW)
    with pytest.raises(ClockAhead) as stopped:
        clock.tick(NOW - 86_400 * SECOND)
    assert clock.head == head
    assert stopped.value.code == "clock_ahead"
    assert "rotate" in stopped.value.remedy
    assert clock.tick(NOW + 1) == Hlc(NOW + 1, 0)


def test_a_small_step_back_counts_on():
    clock = HybridClock()
    clock.tick(NOW)
    assert clock.tick(NOW - SECOND) == Hlc(NOW, 1)
