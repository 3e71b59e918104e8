"""CRDTs written to cost: what a member of a room writes, another member's node reads in time and memory of its size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import Malformed, encode
from foedus.base.clock import Hlc
from foedus.base.errors import UsageError
from foedus.state.crdt import deltas, transfer
from foedus.state.crdt.base import Origin
from foedus.state.crdt.deltas import parse_state
from foedus.state.crdt.fold import DELTA, RoomFold, Standing, Told
from foedus.state.crdt.map import Map
from foedus.state.crdt.transfer import Measured, Transfers
from tests.node.nodes import share, street
from tests.node.test_crdts import do

NODE = b"n" * 32


def measured(improvement, confidence=1_000_000, cycle=1):
    return Measured(cycle, 1, 0, NODE, confidence, improvement)


def test_the_best_priors_of_many_targets_are_found_in_one_walk(monkeypatch):
    compared = []
    worse = transfer._worse
    monkeypatch.setattr(transfer, "_worse", lambda prior: compared.append(prior) or worse(prior))
    state = Transfers({(source, f"to{target}"): measured(5) for target in range(2_000) for source in ("a", "b")})
    shown = state.value()
    assert {view["best"] for view in shown.values()} == {"a"}
    assert len(compared) <= 2 * state.size()


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy")),
        st.builds(measured, st.integers(-2, 2), st.integers(0, 2), st.integers(0, 2)),
    )
)
def test_what_one_walk_finds_is_the_best_of_each(entries):
    state = Transfers(entries)
    for target, view in state.value().items():
        best = state.best(target)
        assert view["best"] == (best.source if best is not None else None)


def test_a_state_of_nothing_but_empty_lists_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(deltas, "ITEMS_MAX", 1_000)
    monkeypatch.setattr(deltas, "strict", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(Malformed, match="more than 1000"):
        parse_state(encode({"type": "map", "v": 1, "state": [[]] * 2_000}))


def test_an_honest_state_has_far_fewer_items_than_are_taken():
    entries = deltas.ITEMS_MAX // 10
    one = Map({"key": deltas.Written(1, 0, NODE, encode("value"))})
    per_entry = 1 + 1 + 1 + 4  # the pair, its key, the list, and what is in that
    assert per_entry * entries < deltas.ITEMS_MAX
    assert parse_state(one.encode()) == one


def test_holes_of_one_crdt_are_counted_without_those_of_all_others():
    fold = RoomFold({}, lambda epoch: epoch)

    def hole(name, epoch, seq):
        body = None if name is None else encode({"delta": b"\xa0", "name": name, "type": "map"})
        fold.take(Told(DELTA, Origin(Hlc(seq, 0), epoch, epoch, seq), body), Standing.HOLE)

    for number in range(100):
        hole(f"name{number}", b"a" * 32, number + 1)
    hole("name1", b"b" * 32, 1)
    hole("name1", b"b" * 32, 2)
    assert [fold.holes((name, "map")) for name in ("name0", "name1", "none")] == [1, 2, 0]
    assert fold.size() == 101
    hole(None, b"c" * 32, 1)
    assert [fold.holes((name, "map")) for name in ("name0", "name1", "none")] == [2, 3, 1]


async def test_a_room_of_names_without_end_is_no_answer_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.node.crdt_operations.SHOWN_MAX", 2)
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        for number in range(3):
            await do(ash, f"name{number}", type="counter", by=1)
        with pytest.raises(UsageError) as refused:
            await ash.service.crdts("plans")
        assert refused.value.code == "too_large"
