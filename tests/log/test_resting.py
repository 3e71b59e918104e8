"""What ended takes no room of what peers hold of a node, and is found where an act from before still stands on it."""

from __future__ import annotations

import pytest

from foedus.base.limits import MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log import control, rests
from foedus.log.admission import OVER_QUOTA, Deferred
from foedus.log.documents import scope
from foedus.log.participants import Participant
from tests.log.builder import Device, World
from tests.log.delivery import Receiver

GRANTS = 40


class Scene:
    """A person at a node who grants for a minute at a time, to the device of an agent there."""

    def __init__(self):
        self.world = World("resting", signed=False)
        self.node = self.world.node("node")
        self.ada = self.node.participant("ada", "human")
        self.bot = self.node.participant("bot")
        self.room = self.node.room()
        self.seat = self.room.add(self.node)
        self.receiver = Receiver(self.world.records())

    def grant(self, lasts_s=60):
        return self.ada.grant(self.bot.devices[0], expires=self.world.now // SECOND + lasts_s)

    def say(self, *cited):
        return self.room.say(self.bot, self.seat, auth=(self.bot.devices[0].enrolment, self.seat.id, *cited))

    def later(self, minutes=30):
        self.world.now += minutes * MINUTE

    def take(self, events=None):
        return self.receiver.take_all(self.world.events if events is None else events)

    def then(self, reloaded):
        return self.receiver.loaded() if reloaded else self.receiver

    def held(self, receiver=None) -> Participant:
        admission = (receiver or self.receiver).admission
        return admission.authority.participants[self.node.id, self.ada.did]

    def verdict(self, parsed, receiver=None):
        return (receiver or self.receiver).verdicts()[parsed.id]


@pytest.fixture
def scene(monkeypatch):
    monkeypatch.setattr(rests, "REST_EVERY", 1)
    return Scene()


def test_grants_that_expired_leave_the_room_that_peers_have_for_a_node(scene, monkeypatch):
    monkeypatch.setattr(control, "CONTROL_BYTES_PER_NODE_MAX", 30_000)
    monkeypatch.setattr(control, "CONTROL_EVENTS_PER_STREAM_MAX", 20)
    for _ in range(GRANTS):
        scene.grant()
        scene.later()
    outcomes = scene.take()
    assert Deferred(OVER_QUOTA) not in outcomes
    assert len(scene.held().grants) <= 2
    assert scene.receiver.admission.authority.controls.bytes_of(scene.node.id) < 15_000
    again = scene.receiver.loaded()
    assert len(again.admission.authority.participants[scene.node.id, scene.ada.did].grants) <= 2


def test_grants_in_force_stay_within_the_bound(scene, monkeypatch):
    monkeypatch.setattr(control, "CONTROL_EVENTS_PER_STREAM_MAX", 20)
    for _ in range(GRANTS):
        scene.grant(lasts_s=10**9)
        scene.later()
    assert Deferred(OVER_QUOTA) in scene.take()


def test_room_is_made_where_a_node_is_full_before_it_is_refused(scene, monkeypatch):
    monkeypatch.setattr(rests, "REST_EVERY", 10**9)
    monkeypatch.setattr(control, "CONTROL_EVENTS_PER_STREAM_MAX", 20)
    for _ in range(GRANTS):
        scene.grant()
        scene.later()
    assert Deferred(OVER_QUOTA) not in scene.take()


@pytest.mark.parametrize("reloaded", [False, True])
def test_an_act_from_before_stands_on_a_grant_that_rests(scene, reloaded):
    grant = scene.grant()
    said = scene.say(grant.id)
    scene.later()
    late, _ = scene.say(grant.id), scene.grant()
    scene.take([event for event in scene.world.events if event.event.stream != scene.room.stream])
    assert grant.id not in scene.held().grants
    receiver = scene.then(reloaded)
    receiver.take_all([said, late])
    assert scene.verdict(said, receiver) == ("accepted", "")
    assert scene.verdict(late, receiver) == ("rejected", "expired_grant")
    assert [held.id for held in receiver.admission.authority.grants_of(said.event.act)] == [grant.id]


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_revocation_that_rests_still_cuts(scene, reloaded):
    grant = scene.ada.grant(scene.bot.devices[0])
    before = scene.say(grant.id)
    scene.ada.withdraw(grant, [scene.node.cut(scene.room.stream)])
    beyond = scene.say(grant.id)
    for _ in range(3):
        scene.later()
        scene.grant()
    scene.take([event for event in scene.world.events if event.event.stream != scene.room.stream])
    assert scene.held().withdrawals == {}
    assert grant.id not in scene.held().grants
    receiver = scene.then(reloaded)
    receiver.take_all([before, beyond])
    assert scene.verdict(before, receiver) == ("accepted", "")
    assert scene.verdict(beyond, receiver) == ("rejected", "revoked_grant")


def open_session(scene, key):
    body = {"key": key.public, "room": scope(scene.room.id), "document": scope(scene.room.id, "d")}
    device = scene.bot.devices[0]
    until = {"until": scene.world.now + MINUTE}
    return scene.node.write(scene.bot.stream, "document.session", body | until, device=device, auth=(device.enrolment,))


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_session_that_rests_signed_what_it_signed_and_is_not_opened_again(scene, reloaded):
    key = Ed25519Key(bytes([9]) * 32)
    opened = open_session(scene, key)
    hand = Device(scene.bot, "session")
    hand.key, hand.public = key, key.public
    body = {"document": "d", "part": 0, "parts": 1, "update": b"\x00\x00"}
    auth = (opened.id, scene.seat.id)
    said = scene.node.write(scene.room.stream, "document.update", body, device=hand, auth=auth)
    scene.later()
    again, _ = open_session(scene, key), scene.grant()
    scene.take([event for event in scene.world.events if event.event.stream != scene.room.stream])
    who = scene.receiver.admission.authority.participants[scene.node.id, scene.bot.did]
    assert who.sessions == {}
    receiver = scene.then(reloaded)
    receiver.take(said)
    assert scene.verdict(said, receiver) == ("accepted", "")
    assert scene.verdict(again, receiver) == ("rejected", "not_permitted")


def test_a_nonce_of_what_rests_stays_used(scene):
    device = scene.ada.devices[0]
    first = scene.grant()
    scene.later()
    scene.grant()
    scene.take()
    assert first.id not in scene.held().grants
    copy = {"ucan": b"x"}
    replay = scene.node.write(
        scene.ada.stream, "grant.create", copy, device=device, auth=(device.enrolment,), nonce=first.event.act.nonce
    )
    scene.take([replay])
    event = scene.receiver.admission.authority.controls.get(replay.id)
    assert (event.reason, scene.verdict(replay)) == ("replayed_nonce", ("rejected", "replayed_nonce"))


def test_what_rests_beyond_a_fork_is_rejected_as_if_it_were_at_hand(scene):
    first, second = scene.grant(), scene.grant()
    said = scene.say(second.id)
    scene.later()
    scene.grant()
    scene.take()
    assert scene.held().grants.keys().isdisjoint({first.id, second.id})
    assert scene.verdict(said) == ("accepted", "")
    fork = scene.node.write(scene.ada.stream, "x.other", {}, after=first)
    scene.take([fork])
    assert scene.verdict(first) == ("accepted", "")
    assert scene.verdict(second) == ("rejected", "equivocation")
    assert scene.verdict(said) == ("rejected", "invalid_grant")
    assert scene.receiver.loaded().verdicts() == scene.receiver.verdicts()
