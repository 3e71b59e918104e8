"""When a sketch is published anew."""

from math import acos, cos, sin

from hypothesis import given
from hypothesis import strategies as st

from foedus.query.routing.drift import FARTHEST, Published, drift, publish_at
from foedus.query.routing.limits import DRIFT_LARGE, DRIFT_SMALL, PAUSE_LARGE, PAUSE_SMALL
from foedus.query.routing.sketch import Sketch
from foedus.query.routing.vectors import unit, vector_bytes

AT = 5_000_000


def at_angles(*angles):
    centroids = {vector_bytes(unit([cos(angle), sin(angle)])) for angle in angles}
    return Sketch("notes", "m", 2, tuple(sorted(centroids)))


def moved(by):
    """Return a sketch that differs from that of angle 0 by ``by``."""
    return at_angles(acos(1 - by))


angles = st.lists(st.floats(0, 6.28), min_size=1, max_size=5)


@given(angles, angles)
def test_drift_is_the_same_both_ways_and_none_to_itself(ones, others):
    one, other = at_angles(*ones), at_angles(*others)
    assert drift(one, one) == 0
    assert abs(drift(one, other) - drift(other, one)) < 1e-9
    assert 0 <= drift(one, other) <= FARTHEST + 1e-6


def test_a_new_field_counts_as_much_as_one_that_is_gone():
    assert abs(drift(at_angles(0), at_angles(0, 1.5)) - (1 - cos(1.5))) < 1e-6
    assert abs(drift(at_angles(0, 1.5), at_angles(0)) - (1 - cos(1.5))) < 1e-6


def test_nothing_and_another_model_are_farthest():
    some = at_angles(0)
    assert drift(some, at_angles()) == drift(some, some._replace(model="n")) == FARTHEST
    assert drift(at_angles(), at_angles()) == 0


def test_the_first_sketch_is_published_at_once_unless_it_is_empty():
    assert publish_at(None, at_angles(0)) == 0
    assert publish_at(None, at_angles()) is None


def test_a_small_change_waits_an_hour_and_a_large_one_ten_minutes():
    last = Published(at_angles(0), AT)
    assert publish_at(last, moved(DRIFT_SMALL * 0.9)) is None
    assert publish_at(last, moved(DRIFT_SMALL * 1.1)) == AT + PAUSE_SMALL
    assert publish_at(last, moved(DRIFT_LARGE * 1.1)) == AT + PAUSE_LARGE
    assert publish_at(last, at_angles()) == AT + PAUSE_LARGE


def test_slow_drift_adds_up_and_going_to_and_fro_publishes_once():
    last, published = Published(at_angles(0), 0), 0
    step = DRIFT_SMALL * 0.6
    for day in range(1, 40):
        fresh = moved(step if day % 2 else 0)
        published += publish_at(last, fresh) is not None
    assert published == 0
    slow = [publish_at(last, moved(by * step)) is not None for by in range(4)]
    assert slow == [False, False, True, True]
