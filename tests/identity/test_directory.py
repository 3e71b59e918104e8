from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.identity import directory as module
from foedus.identity.branches import Link
from foedus.identity.directory import Added, IdentityDirectory, Known, Missing, Refused, TooManyRecords
from foedus.identity.record import BadRecord, SignedRecord
from tests.identity.nodes import first, recover, rotate
from tests.identity.test_branches import Oracle
from tests.identity.test_record import altered


def holding(*records: SignedRecord) -> IdentityDirectory:
    directory = IdentityDirectory()
    for record in records:
        assert directory.add(record) == Added(record.id)
    return directory


def test_a_strangers_record_0_is_its_newest():
    directory = holding(first())
    node = first().id
    assert directory.newest(node) == first()
    assert directory.history(node) == (first(),)
    assert directory.nodes() == (node,)
    view = directory.epoch(node)
    assert (view.node, view.n, view.cause, view.record) == (node, 0, "first", first())
    assert view.ed25519 == first().record.keys.ed25519


def test_nothing_is_known_of_what_is_not_held():
    directory, absent = IdentityDirectory(), bytes(32)
    assert directory.epoch(absent) is directory.node_of(absent) is directory.cause(absent) is None
    assert directory.newest(absent) is None
    assert directory.history(absent) == directory.held(absent) == directory.ancestors(absent) == ()
    assert directory.successors_on_branch(absent) == ()
    assert not directory.is_void(absent)
    assert not directory.is_honoured(absent)
    assert not directory.is_contested(absent)


def test_rotation_restore_and_recovery_make_one_path():
    one = rotate(first(), "a", "b")
    two = rotate(one, "b", "c", "restored")
    three = recover(two, "d")
    directory = holding(first(), one, two, three)
    node = first().node
    assert directory.history(node) == (first(), one, two, three)
    assert directory.successors_on_branch(one.id) == (two.id, three.id)
    assert directory.ancestors(three.id) == (two.id, one.id, first().id)
    assert [directory.cause(record.id) for record in directory.history(node)] == [
        "first",
        "rotation",
        "restored",
        "recovery",
    ]
    assert all(directory.node_of(record.id) == node for record in directory.held(node))
    assert not any(directory.is_void(record.id) for record in directory.held(node))


def test_a_record_without_the_one_before_it_is_asked_for_and_not_kept():
    one = rotate(first(), "a", "b")
    two = rotate(one, "b", "c")
    directory = holding(first())
    assert directory.add(two) == Missing(one.id)
    assert directory.epoch(two.id) is None
    assert directory.held(first().node) == (first(),)
    assert IdentityDirectory().add(one) == Missing(first().id)


def test_a_record_twice_is_known():
    assert holding(first()).add(first()) == Known(first().id)


def test_a_record_that_does_not_hold_changes_nothing():
    directory = holding(first())
    result = directory.add(altered(rotate(first(), "a", "b"), by="b", former="b"))
    assert isinstance(result, Refused)
    assert isinstance(result.error, BadRecord)
    assert directory.held(first().node) == (first(),)
    assert isinstance(IdentityDirectory().add(altered(first(), by="b")), Refused)


def test_two_plain_siblings_contest_the_node():
    one = rotate(first(), "a", "b")
    mine, thief = rotate(one, "b", "c"), rotate(one, "b", "thief")
    directory = holding(first(), one, mine, thief, rotate(thief, "thief", "thief 2"))
    assert directory.is_contested(first().node)
    assert directory.newest(first().node) == one
    assert directory.successors_on_branch(one.id) == ()
    for branch in (mine, thief):
        assert not directory.is_void(branch.id)
        assert not directory.is_honoured(branch.id)
        assert directory.successors_on_branch(branch.id) == ()


def test_a_recovery_settles_a_contested_node():
    one = rotate(first(), "a", "b")
    mine, thief = rotate(one, "b", "c"), rotate(one, "b", "thief")
    back = recover(one, "d")
    directory = holding(first(), one, mine, thief, back)
    assert not directory.is_contested(first().node)
    assert directory.newest(first().node) == back
    assert directory.is_void(mine.id)
    assert directory.is_void(thief.id)


def test_a_recovery_voids_the_stolen_branch_and_everything_after_it():
    thief = rotate(first(), "a", "thief")
    later = rotate(thief, "thief", "thief 2")
    latest = rotate(later, "thief 2", "thief 3")
    back = recover(first(), "d")
    directory = holding(first(), thief, later, back, latest)
    assert [directory.is_void(r.id) for r in (first(), thief, later, latest, back)] == [False, True, True, True, False]
    assert directory.history(first().node) == (first(), back)
    assert directory.ancestors(latest.id) == (later.id, thief.id, first().id)


def test_of_two_recoveries_the_smaller_id_is_followed():
    small, large = sorted((recover(first(), "d"), recover(first(), "e")), key=lambda record: record.id)
    for order in ((small, large), (large, small)):
        directory = holding(first(), *order)
        assert directory.newest(first().node) == small
        assert directory.is_void(large.id)
        assert not directory.is_contested(first().node)


def test_a_recovery_on_one_of_two_branches_settles_them_too():
    mine, thief = rotate(first(), "a", "b"), rotate(first(), "a", "thief")
    back = recover(mine, "c")
    directory = holding(first(), mine, thief, back)
    assert directory.history(first().node) == (first(), mine, back)
    assert directory.is_void(thief.id)


def test_a_key_of_years_ago_does_not_contest_a_node_that_has_recovered_since():
    one = rotate(first(), "a", "b")
    back = recover(one, "c")
    now = rotate(back, "c", "d")
    directory = holding(first(), one, back, now, rotate(first(), "a", "thief"))
    assert directory.newest(first().node) == now
    assert not directory.is_contested(first().node)


def test_junk_does_not_keep_a_recovery_out(monkeypatch):
    monkeypatch.setattr(module, "IDLE_RECORDS_MAX", 4)
    one = rotate(first(), "a", "b")
    directory = holding(first(), one, rotate(first(), "a", "t1"), rotate(first(), "a", "t2"))
    refused = directory.add(rotate(first(), "a", "t3"))
    assert isinstance(refused.error, TooManyRecords)
    back = recover(first(), "d")
    assert directory.add(back) == Added(back.id)
    assert directory.add(rotate(back, "d", "e")) == Added(rotate(back, "d", "e").id)


def test_there_is_a_bound_that_nothing_passes(monkeypatch):
    monkeypatch.setattr(module, "IDLE_RECORDS_MAX", 1)
    monkeypatch.setattr(module, "HELD_RECORDS_MAX", 2)
    one = rotate(first(), "a", "b")
    directory = holding(first(), one)
    before = (directory.history(first().node), directory.held(first().node))
    assert isinstance(directory.add(recover(one, "c")).error, TooManyRecords)
    assert (directory.history(first().node), directory.held(first().node)) == before


def test_two_nodes_do_not_touch_each_other():
    directory = holding(first("a"), first("z"), rotate(first("a"), "a", "b"), rotate(first("a"), "a", "c"))
    assert directory.is_contested(first("a").node)
    assert not directory.is_contested(first("z").node)
    assert set(directory.nodes()) == {first("a").node, first("z").node}


@st.composite
def records(draw) -> list[SignedRecord]:
    """A tree of real records. Names repeat between examples, so most are made only once."""
    made: list[tuple[SignedRecord, str]] = [(first(), "a")]
    for number in range(draw(st.integers(1, 6))):
        previous, name = draw(st.sampled_from(made))
        new = f"{name}{number}"
        by_recovery = draw(st.integers(0, 2)) == 0
        made.append((recover(previous, new) if by_recovery else rotate(previous, name, new), new))
    return [record for record, _ in made]


def add_all(directory: IdentityDirectory, waiting: list[SignedRecord]) -> None:
    """Add in this order, and again what was missing something."""
    while waiting:
        results = [(record, directory.add(record)) for record in waiting]
        assert all(isinstance(result, Added | Missing) for _, result in results)
        still = [record for record, result in results if isinstance(result, Missing)]
        assert len(still) < len(waiting)
        waiting = still


def check_against(oracle: Oracle, directory: IdentityDirectory, node: bytes) -> None:
    path = oracle.honoured()
    assert [record.id for record in directory.history(node)] == path
    assert directory.newest(node).id == path[-1]
    assert directory.is_contested(node) == oracle.contested()
    assert {e for e in oracle.links if directory.is_void(e)} == oracle.void()
    for epoch in oracle.links:
        following = path[path.index(epoch) + 1 :] if epoch in path else []
        assert list(directory.successors_on_branch(epoch)) == following
        assert list(directory.ancestors(epoch)) == oracle.line(epoch)[-2::-1]
        assert directory.is_honoured(epoch) == (epoch in path)


@settings(max_examples=60, deadline=None)
@given(records(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_answers_of_the_oracle(tree, random):
    random.shuffle(tree)
    directory = IdentityDirectory()
    add_all(directory, tree)
    links = {record.id: Link(record.record.prev, record.record.cause == "recovery") for record in tree}
    check_against(Oracle(links), directory, first().node)
    again = IdentityDirectory()
    for record in directory.held(first().node):
        assert again.add(record) == Added(record.id)
