"""An erasure that is done counts no more, and still is what took the body."""

from __future__ import annotations

from random import Random

import pytest

from foedus.base.limits import ERASE_TARGETS_MAX
from foedus.log import erasures
from foedus.log.admission import OVER_QUOTA, Deferred
from foedus.log.erasures import AT_REST, ERASERS
from foedus.log.port import Commit
from tests.log.builder import World
from tests.log.delivery import Receiver


class Scene:
    def __init__(self):
        self.world = World("erased", signed=False)
        self.node = self.world.node("node")
        self.ada = self.node.participant("ada", "human")
        self.device = self.ada.devices[0]
        self.room = self.node.room()
        self.seat = self.room.add(self.node)
        self.receiver = Receiver(self.world.records())
        self.receiver.take_all(self.world.events)

    @property
    def erasures(self):
        return self.receiver.admission.erasures

    def say(self):
        said = self.room.say(self.device, self.seat)
        self.receiver.take(said)
        return said

    def erase(self, *targets):
        erase = self.room.erase(self.device, self.seat, [target.id for target in targets])
        return erase, self.receiver.take(erase)

    def taken_by(self, said, receiver=None):
        found = (receiver or self.receiver).admission.erasures.erased_by(said.id, said.event)
        return found.id if found is not None else None

    def reload(self):
        self.receiver = self.receiver.loaded()

    def body(self, said):
        return self.receiver.log.by_ids([said.id])[said.id].envelope.body


@pytest.fixture
def scene():
    return Scene()


def test_a_node_may_erase_more_than_peers_hold_at_hand(scene, monkeypatch):
    monkeypatch.setattr(erasures, "TARGETS_PER_NODE_MAX", 4)
    for _ in range(12):
        erase, outcome = scene.erase(said := scene.say())
        assert outcome != Deferred(OVER_QUOTA)
        assert (scene.erasures.named_by(scene.node.id), scene.taken_by(said)) == (0, erase.id)
    assert scene.erasures.all() == []


def test_names_of_what_never_was_stay_bounded(scene, monkeypatch):
    monkeypatch.setattr(erasures, "TARGETS_PER_NODE_MAX", ERASE_TARGETS_MAX)
    never = [scene.world.bytes(32) for _ in range(ERASE_TARGETS_MAX)]
    outcomes = [scene.receiver.take(scene.room.erase(scene.device, scene.seat, never)) for _ in range(2)]
    assert [outcome == Deferred(OVER_QUOTA) for outcome in outcomes] == [False, True]


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_body_that_comes_after_its_erasure_rests_is_not_taken(scene, reloaded):
    said = scene.say()
    erase, _ = scene.erase(said)
    if reloaded:
        scene.reload()
    assert scene.erasures.get(erase.id) is None
    scene.receiver.take(said)
    assert (scene.body(said), scene.taken_by(said)) == (None, erase.id)


@pytest.mark.parametrize("reloaded", [False, True])
def test_an_erasure_that_rests_loses_its_verdict_and_the_body_is_wanted_again(scene, reloaded):
    said = scene.say()
    cut = scene.node.cut(scene.room.stream)
    other = scene.ada.device()
    scene.receiver.take(scene.world.events[-1])
    erase, _ = scene.erase(said)
    if reloaded:
        scene.reload()
    scene.receiver.take(scene.ada.revoke(scene.device, [cut], by=other))
    assert scene.receiver.verdicts()[erase.id] == ("rejected", "unknown_device")
    assert (scene.erasures.released, scene.taken_by(said)) == ([said.id], None)
    scene.receiver.take(said)
    assert scene.body(said) is not None
    assert scene.taken_by(said, scene.receiver.loaded()) is None


def test_an_erasure_that_is_judged_anew_and_counts_rests_again(scene):
    said = scene.say()
    erase, _ = scene.erase(said)
    cut = scene.node.cut(scene.room.stream)
    other = scene.ada.device()
    scene.receiver.take(scene.world.events[-1])
    scene.receiver.take(scene.ada.revoke(scene.device, [cut], by=other))
    assert scene.erasures.get(erase.id) is None
    assert scene.taken_by(said) == erase.id


def test_of_several_erasures_of_one_event_none_rests(scene):
    said = scene.say()
    first, _ = scene.erase(said)
    second, _ = scene.erase(said)
    assert scene.erasures.get(second.id) is not None
    assert scene.taken_by(said) == first.id


def test_what_was_erased_on_a_branch_that_is_left_is_wanted_again(scene):
    said = scene.say()
    erase, _ = scene.erase(said)
    kept = scene.room.say_as_node(scene.node, scene.seat, after=said)
    scene.node.rotate()
    opening = scene.node.open(scene.room.stream, kept)
    scene.receiver.feed(scene.node.records, [kept, opening], scene.world.by_id(), Random(1), scene.world.now)
    assert erase.id not in scene.receiver.verdicts()
    assert (scene.taken_by(said), said.id in scene.erasures.released) == (None, True)
    scene.receiver.take(said)
    assert scene.body(said) is not None


def test_what_retention_drops_leaves_nothing_behind(scene):
    said = scene.say()
    erase, _ = scene.erase(said)
    held = scene.receiver.log
    assert (len(held.values(ERASERS)), set(held.values(AT_REST))) == (1, {erase.id})
    rows = [held.by_ids([erase.id])[erase.id]]
    held.commit(Commit(values=scene.erasures.prune((scene.node.epoch, scene.room.stream), 0, 99, rows)))
    assert (held.values(ERASERS), held.values(AT_REST)) == ({}, {})
