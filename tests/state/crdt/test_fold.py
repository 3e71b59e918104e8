"""The CRDTs of a room from its events: arrival of chains, holes, gaps and snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import encode, to_plain
from foedus.base.clock import Hlc
from foedus.log.bodies import Covered, CrdtDelta
from foedus.state.crdt import Origin, delta_bytes, empty
from foedus.state.crdt.deltas import CounterDelta, MapDelta
from foedus.state.crdt.fold import DELTA, SNAPSHOT, RoomFold, Standing, Told, parts_of
from foedus.state.crdt.map import Map
from foedus.state.crdt.register import Written
from tests.state.crdt.histories import NODES, TWINS, histories, in_chain_order

ANNA, BERT, CARL = NODES
STANDINGS = st.sampled_from([Standing.COUNTS, Standing.COUNTS, Standing.COUNTS, Standing.HOLE, Standing.GONE])


def told(done, name="it"):
    return Told(DELTA, done.origin, encode(to_plain(CrdtDelta(name, done.type, delta_bytes(done.delta)))))


def fold_of(items, gaps=()):
    fold = RoomFold(dict(gaps), lambda epoch: epoch)
    for done, standing in items:
        fold.take(told(done), standing)
    return fold


def states(fold):
    return {key: state.encode() for key, state in fold.states.items()}


def snapshot(fold, node, upto, at, key, part_bytes=40):
    """The events of a snapshot of one chain up to a seq, as the node would order them after ``at``."""
    bodies = parts_of(key, (Covered(node, upto),), fold.states[key].encode(), part_bytes)
    return [
        Told(SNAPSHOT, Origin(Hlc(1_000, number), node, node, at + number + 1), encode(to_plain(body)))
        for number, body in enumerate(bodies)
    ]


@given(data=st.data())
def test_which_chain_comes_first_decides_nothing(data):
    _, done = data.draw(histories())
    judged = [(it, data.draw(STANDINGS)) for it in done]
    mixed = in_chain_order(done, data.draw)
    standing = {id(it): which for it, which in judged}
    one, other = fold_of(judged), fold_of([(it, standing[id(it)]) for it in mixed])
    assert states(one) == states(other)
    entries = sum(1 + state.size() for state in one.states.values())
    assert one.size() == other.size() >= entries
    for (_, type_), state in one.states.items():
        by_definition, of_state = TWINS[type_]
        assert of_state(state) == by_definition([it for it, which in judged if which is Standing.COUNTS])


@given(data=st.data())
def test_a_replica_with_holes_removes_nothing_where_it_is_merged(data):
    """Its state and that of one who counts everything give the latter's value."""
    type_, done = data.draw(histories())
    whole = fold_of([(it, Standing.COUNTS) for it in done])
    part = fold_of([(it, data.draw(st.sampled_from([Standing.COUNTS, Standing.HOLE]))) for it in done])
    for key, state in part.states.items():
        of_state = TWINS[type_][1]
        assert of_state(whole.states[key].merge(state)) == of_state(whole.states[key])
        assert of_state(state.merge(whole.states[key])) == of_state(whole.states[key])


@given(data=st.data())
def test_a_snapshot_and_the_tail_are_worth_the_whole_chain(data):
    type_, done = data.draw(histories())
    key = ("it", type_)
    own = [it for it in done if it.origin.node == ANNA]
    upto = data.draw(st.integers(1, max([it.origin.seq for it in own], default=1)))
    early = fold_of([(it, Standing.COUNTS) for it in own if it.origin.seq <= upto])
    if key not in early.states:
        return
    end = max(it.origin.seq for it in own)
    late = fold_of(
        [(it, Standing.COUNTS) for it in done if it.origin.node != ANNA or it.origin.seq > upto], {ANNA: upto}
    )
    assert late.holes(key) == 1
    for part in snapshot(early, ANNA, upto, end, key):
        late.take(part, Standing.COUNTS)
    assert late.holes(key) == 0
    assert states(late) == states(fold_of([(it, Standing.COUNTS) for it in done]))


def late_fold():
    return RoomFold({ANNA: 5}, lambda epoch: epoch)


def early_fold(delta=None, type_="map", node=ANNA):
    fold = RoomFold({}, lambda epoch: epoch)
    body = CrdtDelta("it", type_, delta_bytes(delta or MapDelta({"a": encode(1)}, ())))
    fold.take(Told(DELTA, Origin(Hlc(1, 0), node, node, 3), encode(to_plain(body))), Standing.COUNTS)
    return fold


def taken(parts):
    fold = late_fold()
    for part in parts:
        fold.take(part, Standing.COUNTS)
    return fold.states.get(("it", "map"), empty("map")).value()


def test_only_whole_snapshots_in_order_count():
    parts = snapshot(early_fold(), ANNA, 5, 9, ("it", "map"), 20)
    assert len(parts) > 2
    assert taken(parts) == {"a": 1}
    assert taken(parts[:-1]) == {}
    assert taken(parts[::-1]) == {}
    assert taken(parts[:1] + parts[2:]) == {}
    assert taken([parts[0], *parts]) == {"a": 1}


def forged(**changed):
    """A snapshot of anna's that claims an entry other than her own."""
    fold = early_fold()
    written = Written(1, 0, ANNA, encode(1))._replace(**changed)
    fold.states["it", "map"].absorb(Map({"forged": written}))
    return snapshot(fold, ANNA, 5, 9, ("it", "map"))


@pytest.mark.parametrize("changed", [{"node": BERT}, {"us": 2_000}])
def test_a_node_speaks_in_a_snapshot_for_itself_alone_and_of_the_past(changed):
    assert "forged" in taken(forged())
    assert taken(forged(**changed)) == {}


def test_a_snapshot_of_anothers_chain_counts_nowhere():
    parts = snapshot(early_fold(), ANNA, 5, 9, ("it", "map"))
    stolen = [part._replace(origin=part.origin._replace(node=BERT, epoch=BERT)) for part in parts]
    assert taken(stolen) == {}


def test_a_snapshot_that_claims_more_than_its_chain_held_counts_nowhere():
    for type_, delta in (("counter", CounterDelta(5, 0)), ("map", None)):
        fold = early_fold(delta, type_)
        parts = snapshot(fold, ANNA, 9, 5, ("it", type_))  # it covers seqs after its own
        late = late_fold()
        for part in parts:
            late.take(part, Standing.COUNTS)
        assert late.states == {}
    fold = early_fold(CounterDelta(5, 0), "counter")
    fold.states["it", "counter"].add(BERT, 5_000, 7, 0)
    late = late_fold()
    for part in snapshot(fold, ANNA, 5, 9, ("it", "counter")):
        late.take(part, Standing.COUNTS)
    assert late.states == {}


def test_where_the_deltas_are_held_a_snapshot_is_not_looked_at():
    fold = RoomFold({}, lambda epoch: epoch)
    for part in forged():
        fold.take(part, Standing.COUNTS)
    assert fold.states == {}


def test_what_has_not_its_shape_does_nothing():
    fold = RoomFold({}, lambda epoch: epoch)
    origin = Origin(Hlc(1, 0), ANNA, ANNA, 1)
    for body in (b"", b"\xff", encode({}), encode({"name": "it", "type": "map", "delta": b"\xa0"})):
        fold.take(Told(DELTA, origin, body), Standing.COUNTS)
        fold.take(Told(SNAPSHOT, origin, body), Standing.COUNTS)
    fold.take(Told(DELTA, origin, encode({"name": "it", "type": "tree", "delta": b"\xa0"})), Standing.COUNTS)
    assert fold.states == {}
