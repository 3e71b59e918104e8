"""Limits of how often: what is allowed, when it may go on, and that many keys cost a bounded amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse
from limits.strategies import SlidingWindowCounterRateLimiter

from foedus.adapters.rate_store import KEYS_MAX, RateLimit, RateStore


class Clock:
    def __init__(self, now=1_000.0):
        self.now = now

    def __call__(self):
        return self.now


def test_so_many_and_no_more_until_the_window_has_passed():
    clock = Clock()
    limit = RateLimit("5/second", clock)
    assert [limit.take("ada") > 0 for _ in range(7)] == [False] * 5 + [True] * 2
    assert limit.take("bea") == 0.0, "each key counts for itself"
    clock.now += 2
    assert limit.take("ada") == 0.0


@pytest.mark.parametrize("rate", ["5/second", "5/minute", "5/hour", "5/day"])
@given(steps=st.lists(st.floats(0, 2), max_size=60), cost=st.integers(1, 5))
def test_in_any_stretch_of_time_the_rate_holds_but_for_a_window_and_the_wait_is_enough(rate, steps, cost):
    clock, seconds = Clock(), {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[rate.partition("/")[2]]
    limit, taken = RateLimit(rate, clock), []
    for step in steps:
        clock.now += step * seconds / 4
        wait_s = limit.take("ada", cost)
        if wait_s:
            assert wait_s <= 2 * seconds
            clock.now += wait_s + 1e-6 * seconds
            assert limit.take("ada", cost) == 0.0, "who waits as told may go on"
        taken.append(clock.now)
    for at in taken:
        assert sum(cost for other in taken if at - seconds < other <= at) <= 10


@given(steps=st.lists(st.tuples(st.floats(0, 3), st.sampled_from("ab"), st.integers(1, 4)), max_size=60))
def test_it_counts_as_the_librarys_own_strategy_would(steps):
    clock = Clock()
    limit, store, item = RateLimit("5/second", clock), RateStore(clock), parse("5/second")
    strategy = SlidingWindowCounterRateLimiter(store)
    for step, key, cost in steps:
        clock.now += step
        assert (limit.take(key, cost) == 0.0) == strategy.hit(item, key, cost=cost)


def test_more_at_once_than_the_rate_is_never_taken():
    clock = Clock()
    limit = RateLimit("5/second", clock)
    for _ in range(5):
        assert limit.take("ada", 6) > 0
        clock.now += 1


def test_keys_are_bounded_and_the_silent_go_first():
    clock = Clock()
    limit = RateLimit("1/hour", clock)
    assert limit.take("first") == 0.0
    for number in range(KEYS_MAX - 1):
        limit.take(str(number))
    assert limit.take("first") > 0
    limit.take("one more")
    assert len(limit._store) == KEYS_MAX
    assert limit.take("first") == 0.0, "it was the one that was silent longest"


def test_the_rest_of_the_librarys_port():
    store = RateStore(Clock())
    assert store.check()
    assert store.incr("a", 10, 3) == 3
    assert (store.get("a"), store.get("b"), store.get_expiry("a")) == (3, 0, 1_000.0)
    store.clear("a")
    store.clear_sliding_window("a", 10)
    assert store.reset() == 0
    assert store.base_exceptions is ValueError
