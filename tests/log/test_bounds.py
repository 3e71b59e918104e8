"""What a hostile node can make us hold and do is bounded, and touches no other node."""

from __future__ import annotations

import pytest

from foedus.base.limits import HOUR
from foedus.log import branches, chains, control, streams, waiting
from foedus.log.admission import OVER_QUOTA, Admitted, Deferred, Duplicate
from foedus.log.port import Verdict
from tests.log.builder import World
from tests.log.delivery import Receiver

FULL = Deferred(OVER_QUOTA)


class Scene:
    def __init__(self):
        self.world = World("bounds", signed=False)
        self.host, self.evil = self.world.node("host"), self.world.node("evil")
        self.room = self.host.room()
        self.add = self.room.add(self.evil)
        self.receiver = Receiver(self.world.records())
        self.receiver.take_all(self.world.events)
        self.admission = self.receiver.admission

    def junk(self, **write):
        return self.room.say_as_node(self.evil, self.add, **write)


@pytest.fixture
def scene():
    return Scene()


def test_what_is_not_admitted_leaves_no_chain(scene):
    before = len(scene.admission.chains)
    late = scene.world.now + 1_000 * HOUR
    room = streams.room(bytes(32))
    event = {"name": "x", "endpoints": []}
    for write in ({"seq": 2, "after": scene.add}, {"author": bytes(32)}, {"hlc": scene.add.hlc._replace(us=late)}):
        scene.evil.heads.clear()
        scene.receiver.take(scene.evil.write(room, "node.profile", event, **write), scene.world.now)
    scene.receiver.take(scene.evil.write("nonsense", "node.profile", event))
    assert len(scene.admission.chains) == before


def test_the_chains_of_a_node_are_bounded(scene, monkeypatch):
    monkeypatch.setattr(chains, "CHAINS_PER_NODE_MAX", 3)
    outcomes = [scene.receiver.take(scene.evil.write(streams.room(bytes([n]) * 32), "x", {})) for n in range(5)]
    assert [type(outcome) for outcome in outcomes] == [Admitted] * 3 + [Deferred] * 2
    assert outcomes[-1] == FULL
    assert isinstance(scene.receiver.take(scene.host.write("node", "x", {})), Admitted)


def test_the_control_events_of_a_node_are_bounded_by_bytes(scene, monkeypatch):
    monkeypatch.setattr(control, "CONTROL_BYTES_PER_NODE_MAX", 10_000)
    outcomes = [scene.receiver.take(scene.evil.write(scene.room.members, "x", {})) for _ in range(10)]
    assert outcomes[-1] in (FULL, Deferred("missing_prev"))
    assert FULL in outcomes
    assert isinstance(scene.receiver.take(scene.room.add(scene.evil)), Admitted)


def test_the_control_events_of_a_node_in_a_stream_are_bounded(scene, monkeypatch):
    monkeypatch.setattr(control, "CONTROL_EVENTS_PER_STREAM_MAX", 2)
    outcomes = [scene.receiver.take(scene.evil.write(scene.room.members, "x", {})) for _ in range(3)]
    assert outcomes[-1] == FULL


def test_events_that_wait_are_bounded_by_epoch_and_their_chain_goes_on_later(scene, monkeypatch):
    monkeypatch.setattr(waiting, "PENDING_MAX", 3)
    missing = scene.room.add(scene.evil)
    said = [scene.junk(auth=(missing.id,)) for _ in range(5)]
    outcomes = scene.receiver.take_all(said)
    assert [outcome == FULL for outcome in outcomes[:4]] == [False, False, False, True]
    host = scene.room.say_as_node(scene.host, missing, auth=(bytes(32),))
    assert isinstance(scene.receiver.take(host), Admitted)  # another node's events wait all the same
    scene.receiver.take(missing)
    scene.receiver.take_all(said[3:])
    assert {scene.receiver.verdicts()[parsed.id] for parsed in said} == {("accepted", "")}


def test_the_index_of_waiting_events_survives_a_restart(scene):
    missing = scene.room.add(scene.evil)
    said = scene.junk(auth=(missing.id,))
    scene.receiver.take(said)
    again = scene.receiver.loaded()
    again.take(missing)
    assert again.verdicts()[said.id] == ("accepted", "")


def test_a_branch_is_collected_within_bounds(monkeypatch):
    monkeypatch.setattr(branches, "WAITING_EVENTS_MAX", 3)
    world = World("b", signed=False)
    node = world.node("n")
    events = [node.write("node", "x", {}) for _ in range(8)]
    collected = branches.Branches()
    for parsed in events:
        collected.offer(node.id, parsed)  # not wanted
    assert collected.by_node == {}
    for parsed in events:
        collected.want(node.id, parsed.id)
        collected.offer(node.id, parsed)
    assert [collected.get(node.id, parsed.id) is not None for parsed in events] == [False] * 5 + [True] * 3
    for parsed in events:
        collected.drop(node.id, parsed.id)
    assert collected.by_node == {}


def test_what_was_asked_for_and_came_late_is_dropped_when_it_found_its_place():
    world = World("late", signed=False)
    node = world.node("n")
    events = [node.write("node", "x", {}) for _ in range(3)]
    node.rotate()
    opening = node.open("node", events[-1])
    receiver = Receiver(node.records)
    assert receiver.take(opening).want == (events[-1].id,)
    receiver.take(events[-1])
    assert receiver.take(opening) == Deferred("missing_prev")
    receiver.take_all([*events, opening])
    assert receiver.admission._branches.by_node == {}
    assert set(receiver.verdicts().values()) == {("accepted", "")}


def test_authoring_own_events_is_not_bounded_by_quota(scene, monkeypatch):
    monkeypatch.setattr(control, "CONTROL_EVENTS_PER_STREAM_MAX", 1)
    monkeypatch.setattr(chains, "CHAINS_PER_NODE_MAX", 1)
    parsed = scene.room.add(scene.evil)
    chain = scene.admission.chains.ensure(parsed.event.epoch, parsed.event.stream, scene.host.id)
    assert isinstance(scene.admission.append(parsed, chain), Admitted)


def test_foreign_events_in_a_membership_stream_cost_no_fold(scene, monkeypatch):
    folded = []
    original = control.ControlEvents.in_order
    monkeypatch.setattr(control.ControlEvents, "in_order", lambda *args: folded.append(1) or original(*args))
    scene.receiver.take_all([scene.evil.write(scene.room.members, "x", {}) for _ in range(50)])
    scene.receiver.take_all([scene.room.add(scene.evil) for _ in range(50)])
    assert folded == []


def test_a_message_by_a_known_device_reads_nothing_from_the_log(scene, monkeypatch):
    who = scene.evil.participant("who")
    scene.receiver.take_all([who.first, scene.room.say(who, scene.add)])
    reads = []
    for name in ("by_ids", "chain"):
        monkeypatch.setattr(scene.receiver.log, name, lambda *_args, _name=name: reads.append(_name))
    for _ in range(10):
        outcome = scene.receiver.take(scene.room.say(who, scene.add))
        assert outcome.entry.verdict is Verdict.ACCEPTED
    assert reads == []


def test_lowering_a_fork_judges_only_what_lies_between(scene, monkeypatch):
    said = [scene.junk() for _ in range(30)]
    scene.receiver.take_all(said)
    scene.receiver.take(scene.junk(after=said[27]))
    judged = []
    original = scene.admission.authority.judge
    monkeypatch.setattr(scene.admission.authority, "judge", lambda *args: judged.append(1) or original(*args))
    scene.receiver.take(scene.junk(after=said[26]))
    assert len(judged) == 1
    assert isinstance(scene.receiver.take(said[29]), Duplicate)


def test_a_verdict_that_changes_twice_before_it_is_durable_ends_right(scene):
    """The log still shows the first verdict while the second is on its way: it must not pass for the current one."""
    said = scene.junk()
    scene.receiver.take(said)
    remove = scene.room.remove(scene.evil)
    fork = scene.host.write(scene.room.members, "x", {}, after=scene.add)
    scene.receiver.take(remove, settle=False)
    scene.receiver.take(fork, settle=False)
    scene.receiver.settle()
    assert scene.receiver.verdicts()[said.id] == ("accepted", "")


def test_the_same_of_an_event_that_is_itself_on_its_way(scene):
    said = scene.junk()
    scene.receiver.take(said, settle=False)
    scene.receiver.take(scene.room.remove(scene.evil), settle=False)
    scene.receiver.settle(1)
    scene.receiver.take(scene.host.write(scene.room.members, "x", {}, after=scene.add), settle=False)
    scene.receiver.settle()
    assert scene.receiver.verdicts()[said.id] == ("accepted", "")
