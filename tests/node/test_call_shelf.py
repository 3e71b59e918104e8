"""How much is kept of calls: never beyond the bounds, and only what is over, or was never answered, goes."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.node.call_shelf import Bounds, Item, Shelf
from foedus.query.limits import SKEW_MAX

BOUNDS = Bounds(of_one=100, of_all=250, calls=12)
NOW = 10 * SKEW_MAX
FUTURE, SILENT = NOW + 1, NOW - SKEW_MAX - 1
WHO = st.sampled_from([(b"a", ""), (b"a", "did:1"), (b"b", ""), (b"c", "")])
STEPS = st.lists(st.tuples(WHO, st.integers(1, 60), st.sampled_from([FUTURE, SILENT]), st.booleans()), max_size=60)


def total(items, who=None):
    return sum(item.size for item in items.values() if who in {None, item.who})


@given(STEPS)
def test_the_bounds_hold_and_only_what_is_over_or_silent_goes(steps):
    shelf, held = Shelf(BOUNDS), {}
    for number, (who, size, deadline, ends) in enumerate(steps):
        item = Item(who, size, deadline, is_over=False)
        gone = shelf.room_for(item, NOW)
        if gone is None:
            live = {call: it for call, it in held.items() if not it.is_over and it.deadline == FUTURE}
            crowded = len(live) + 1 > BOUNDS.calls or total(live) + size > BOUNDS.of_all
            assert crowded or total(live, who) + size > BOUNDS.of_one
            continue
        for call in gone:
            assert held[call].is_over or held[call].deadline == SILENT
            shelf.drop(call)
            del held[call]
        call = number.to_bytes(4, "big")
        held[call] = item
        shelf.put(call, item)
        assert len(held) <= BOUNDS.calls
        assert total(held, who) <= BOUNDS.of_one
        assert total(held) == shelf.total <= BOUNDS.of_all
        if ends:
            held[call] = item._replace(size=1, is_over=True)
            shelf.put(call, held[call])


def test_the_oldest_of_who_has_too_much_goes_first():
    shelf = Shelf(BOUNDS)
    for number, who in enumerate([(b"b", ""), (b"a", ""), (b"a", "")]):
        shelf.put(bytes([number]), Item(who, 40, FUTURE, is_over=True))
    assert shelf.room_for(Item((b"a", ""), 40, FUTURE, is_over=False), NOW) == [b"\1"]
    assert shelf.room_for(Item((b"c", ""), 100, FUTURE, is_over=False), NOW) == []
    assert shelf.room_for(Item((b"c", ""), 101, FUTURE, is_over=False), NOW) is None


def test_what_is_past_its_time_is_found_from_the_oldest_on():
    shelf = Shelf(BOUNDS)
    for number in range(5):
        shelf.put(bytes([number]), Item((b"a", ""), 1, number, is_over=number % 2 == 0))
    assert shelf.old(3, 2) == [b"\0", b"\1"]
    assert shelf.old(3, 9) == [b"\0", b"\1", b"\2"]
