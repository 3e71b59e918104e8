"""Every CRDT: merging is commutative, associative and idempotent, and deltas are worth what states are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import NotCanonical
from foedus.base.errors import FoedusError
from foedus.base.reconcile import reconcile
from foedus.state.crdt import TYPES, Crdt, UnequalTypes, empty, parse_state, read_delta
from foedus.state.crdt.base import last_dot
from tests.state.crdt import histories
from tests.state.crdt.histories import NODES, TWINS, folded, in_chain_order

some = settings(max_examples=40)
"""Of each law for each of six types: half a second."""
pytestmark = pytest.mark.parametrize("type_", TYPES)


@st.composite
def wild(draw, type_):
    """A state as a stranger may send it: of any part of any history, which covers what it likes."""
    _, done = draw(histories.histories(type_))
    state = folded(type_, [it for it in done if draw(st.booleans())])
    for node in draw(st.lists(st.sampled_from(NODES), max_size=2)):
        state.cover(node, last_dot(draw(st.integers(0, 6))))
    return state


@some
@given(data=st.data())
def test_merging_has_no_order(type_, data):
    a, b, c = (data.draw(wild(type_)) for _ in range(3))
    assert a.merge(b).encode() == b.merge(a).encode()
    assert a.merge(b).merge(c).encode() == a.merge(b.merge(c)).encode()


@some
@given(data=st.data())
def test_merging_again_changes_nothing(type_, data):
    a, b = data.draw(wild(type_)), data.draw(wild(type_))
    assert a.merge(a).encode() == a.encode()
    assert a.merge(b).merge(b).encode() == a.merge(b).encode()
    assert a.merge(empty(type_)).encode() == a.encode()


@some
@given(data=st.data())
def test_merging_leaves_its_arguments_as_they_are(type_, data):
    a, b = data.draw(wild(type_)), data.draw(wild(type_))
    before = a.encode(), b.encode()
    a.merge(b).absorb(b)
    assert (a.encode(), b.encode()) == before


@some
@given(data=st.data())
def test_arrival_decides_nothing_and_the_value_is_that_of_the_twin(type_, data):
    _, done = data.draw(histories.histories(type_))
    late = data.draw(st.permutations(done)) + done[:3]
    state = folded(type_, done)
    assert folded(type_, late).encode() == state.encode()
    by_definition, of_state = TWINS[type_]
    assert of_state(state) == by_definition(done)


@some
@given(data=st.data())
def test_deltas_and_states_are_worth_the_same(type_, data):
    _, done = data.draw(histories.histories(type_))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(done)), min_size=2, max_size=2)))
    parts = [folded(type_, part) for part in (done[: cuts[0]], done[cuts[0] : cuts[1]], done[cuts[1] :])]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    assert merged.encode() == folded(type_, done).encode()


@some
@given(data=st.data())
def test_who_reads_chains_in_order_gets_the_same_whatever_chain_came_first(type_, data):
    _, done = data.draw(histories.histories(type_))
    mixed = in_chain_order(done, data.draw)
    state = folded(type_, mixed, covering=True)
    assert state.encode() == folded(type_, done, covering=True).encode()
    by_definition, of_state = TWINS[type_]
    assert of_state(state) == by_definition(done)


@some
@given(data=st.data())
def test_a_state_of_part_of_the_log_and_the_rest_give_the_whole(type_, data):
    _, done = data.draw(histories.histories(type_))
    cut = data.draw(st.integers(0, len(done)))
    part = folded(type_, done[:cut], covering=True)
    rest = folded(type_, done[cut:])
    by_definition, of_state = TWINS[type_]
    assert of_state(part.merge(rest)) == of_state(rest.merge(part)) == by_definition(done)


@some
@given(data=st.data())
def test_states_have_one_encoding(type_, data):
    state = data.draw(wild(type_))
    data_bytes = state.encode()
    again = parse_state(data_bytes)
    assert again.encode() == data_bytes
    assert again == state
    assert again.value() == state.value()
    position = data.draw(st.integers(0, len(data_bytes) - 1))
    damaged = data_bytes[:position] + bytes([data.draw(st.integers(0, 255))]) + data_bytes[position + 1 :]
    try:
        other = parse_state(damaged)
    except FoedusError:
        return
    assert other.encode() == damaged
    assert isinstance(other.merge(state) if other.type == type_ else other, Crdt)


@some
@given(data=st.binary(max_size=80))
def test_garbage_is_refused_by_name(type_, data):
    with pytest.raises(FoedusError):
        parse_state(data)
    with pytest.raises(FoedusError):
        read_delta(type_, data, histories.Origin(histories.Hlc(1, 0), NODES[0], NODES[0], 1))


def test_unequal_types_are_refused_and_change_nothing(type_):
    for other in TYPES:
        if other != type_:
            state = empty(type_)
            with pytest.raises(UnequalTypes):
                state.absorb(empty(other))
            with pytest.raises(UnequalTypes):
                reconcile([("it", empty(type_)), ("it", empty(other))], Crdt.merge)
            assert state.encode() == empty(type_).encode()


@some
@given(data=st.data())
def test_answers_are_reconciled_in_any_order(type_, data):
    answers = data.draw(st.lists(st.tuples(st.sampled_from(["one", "two"]), wild(type_)), max_size=5))
    merged = reconcile(answers, Crdt.merge)
    other = reconcile(data.draw(st.permutations(answers)), Crdt.merge)
    assert {name: it.encode() for name, it in merged.items()} == {name: it.encode() for name, it in other.items()}


def test_what_is_read_is_bounded(type_, monkeypatch):
    monkeypatch.setattr("foedus.state.crdt.deltas.STATE_BYTES_MAX", 3)
    with pytest.raises(FoedusError, match="at most 3 bytes"):
        parse_state(empty(type_).encode())


def test_a_float_is_no_value(type_):
    del type_
    delta = {"value": b"\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00"}
    with pytest.raises(NotCanonical):
        read_delta("register", histories.encode(delta), histories.Origin(histories.Hlc(1, 0), NODES[0], NODES[0], 1))
