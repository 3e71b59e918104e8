"""Section 4 of docs/protocol.md, reason by reason."""

from __future__ import annotations

import pytest
from msgspec import structs

from foedus.base.clock import Hlc
from foedus.base.ids import sha256
from foedus.base.limits import CLOCK_AHEAD_MAX, MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key, verify_many
from foedus.log import streams
from foedus.log.admission import Admitted, Deferred, Duplicate, Forked, Refused, signature_checks
from foedus.log.event import encode_event, event_signing_bytes, parse_event
from foedus.log.port import Commit, Verdict
from tests.log.builder import Device, World
from tests.log.delivery import Receiver


def stub(parsed):
    return parsed._replace(envelope=parsed.envelope.without_body())


class Scene:
    """A host with a room, a node with one participant who is its member, and a node that receives everything."""

    def __init__(self):
        self.world = World("scene", signed=False)
        self.host = self.world.node("host")
        self.anna = self.world.node("anna")
        self.ann = self.anna.participant("ann")
        self.room = self.host.room()
        self.add = self.room.add(self.anna, self.ann)
        self.start = list(self.world.events)

    def receiver(self):
        receiver = Receiver(self.world.records())
        receiver.take_all(self.start)
        return receiver


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def receiver(scene):
    return scene.receiver()


def verdict(receiver, parsed):
    return receiver.verdicts()[parsed.id]


ACCEPTED = ("accepted", "")


def rejected(reason):
    return ("rejected", reason)


# --- the chain verdict -----------------------------------------------------------------------


def test_a_member_speaks(scene, receiver):
    said = scene.room.say(scene.ann, scene.add)
    outcome = receiver.take(said)
    assert isinstance(outcome, Admitted)
    assert outcome.position == (scene.anna.epoch, scene.room.stream, 1, said.id)
    assert verdict(receiver, said) == ACCEPTED
    assert receiver.admission.is_held(said)


def test_an_event_of_an_unknown_node_waits_for_its_record(scene):
    stranger = World("stranger", signed=False).node("stranger")
    event = stranger.write("node", "node.profile", {"name": "s", "endpoints": []})
    assert Receiver(scene.world.records()).take(event) == Deferred("unknown_peer", epoch=stranger.epoch)


def test_a_gap_waits_for_what_is_missing(scene, receiver):
    first, second = scene.room.say(scene.ann, scene.add), scene.room.say(scene.ann, scene.add)
    assert receiver.take(second) == Deferred("missing_prev")
    receiver.take(first)
    assert isinstance(receiver.take(second), Admitted)


def test_an_event_on_another_branch_asks_for_the_one_before_it(scene, receiver):
    first = scene.room.say(scene.ann, scene.add)
    receiver.take(first)
    scene.anna.heads.clear()
    other = scene.room.say(scene.ann, scene.add)
    second = scene.room.say(scene.ann, scene.add)
    assert receiver.take(second) == Deferred("missing_prev", want=(other.id,))
    assert isinstance(receiver.take(other), Forked)


def test_a_clock_that_does_not_grow_is_refused(scene, receiver):
    first = scene.room.say(scene.ann, scene.add)
    receiver.take(first)
    assert receiver.take(scene.room.say(scene.ann, scene.add, hlc=first.hlc)) == Refused("hlc_not_growing")


def test_a_clock_too_far_ahead_waits_until_it_is_not(scene, receiver):
    said = scene.room.say(scene.ann, scene.add)
    now = said.hlc.us - CLOCK_AHEAD_MAX
    assert receiver.take(said, now - 1) == Deferred("excessive_drift")
    assert isinstance(receiver.take(said, now), Admitted)


@pytest.mark.parametrize(
    "stream", ["", "nodes", "room:xyz", "participant:did:key:z6Mk", "council:" + "0" * 64, "x" * 500]
)
def test_a_stream_of_unknown_form_is_refused(scene, receiver, stream):
    assert receiver.take(scene.anna.write(stream, "message.text", {})) == Refused("malformed_event")


def test_a_pair_of_two_others_is_refused(scene, receiver):
    third = scene.world.node("third")
    receiver.learn(third.records[0])
    outside = third.write(streams.pair(scene.host.id, scene.anna.id), "agreement.end", {"agreement": bytes(32)})
    inside = third.write(streams.pair(scene.host.id, third.id), "agreement.end", {"agreement": bytes(32)})
    assert receiver.take(outside) == Refused("not_permitted")
    assert isinstance(receiver.take(inside), Admitted)


def test_a_node_acts_in_its_own_name_only(scene, receiver):
    event = scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []}, author=scene.host.id)
    assert receiver.take(event) == Refused("malformed_event")


def test_a_first_event_of_epoch_0_follows_nothing(scene, receiver):
    event = scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []}, after=scene.add)
    assert receiver.take(event) == Refused("malformed_event")


def test_a_later_event_names_the_one_before(scene, receiver):
    scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []})
    orphan = scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []}, after=None, seq=2)
    receiver.take(scene.world.events[-2])
    assert receiver.take(orphan) == Refused("malformed_event")


def test_an_opening_names_an_event_of_its_own_stream_and_past(scene, receiver):
    scene.anna.rotate()
    receiver.learn(scene.anna.records[1])
    for elsewhere in (scene.add, scene.ann.first):
        assert receiver.take(scene.anna.open("node", elsewhere)) == Refused("malformed_event")


def test_a_wrong_body_refuses_the_envelope_and_not_the_event(scene, receiver):
    said = scene.room.say(scene.ann, scene.add)
    forged = said._replace(envelope=said.envelope._replace(body=b"\xa1dtextbno"))
    assert receiver.take(forged) == Refused("digest_mismatch")
    assert isinstance(receiver.take(stub(said)), Admitted)
    assert receiver.take(forged) == Refused("digest_mismatch")
    assert isinstance(receiver.take(said), Duplicate)
    assert receiver.log.by_ids([said.id])[said.id].envelope == said.envelope


def test_a_held_event_is_a_duplicate_and_moves_nothing(scene, receiver):
    said = scene.room.say(scene.ann, scene.add)
    receiver.take(said)
    before = receiver.snapshot()
    assert receiver.take(said) == Duplicate(Commit())
    assert receiver.snapshot() == before


# --- signatures ------------------------------------------------------------------------------


def test_both_signatures_are_checked():
    world = World("signed")
    node = world.node("anna")
    who = node.participant("ann")
    checks = signature_checks(who.first, node.keys.ed25519.public)
    assert verify_many(checks) == [True, True]
    assert [key for key, _, _ in checks] == [node.keys.ed25519.public, who.devices[0].public]
    own = node.write("node", "node.profile", {"name": "a", "endpoints": []})
    assert verify_many(signature_checks(own, node.keys.ed25519.public)) == [True]


def test_a_signature_of_another_node_or_device_fails():
    world = World("signed")
    node, other = world.node("anna"), world.node("bert")
    who = node.participant("ann")
    who.devices[0].key = Ed25519Key(b"\x05" * 32)
    forged = node.write(who.stream, "x", {}, device=who.devices[0])
    assert verify_many(signature_checks(forged, node.keys.ed25519.public)) == [True, False]
    assert verify_many(signature_checks(who.first, other.keys.ed25519.public)) == [False, True]


def test_an_act_moved_to_another_chain_fails_its_device_signature():
    """A node cannot order what a device signed for one stream or epoch in another."""
    world = World("signed")
    node = world.node("anna")
    who = node.participant("ann")
    room = node.room()
    said = room.say(who, room.add(node, who))
    for epoch, stream in ((node.epoch, streams.room(bytes(32))), (bytes(32), room.stream)):
        moved = structs.replace(said.event, epoch=epoch, stream=stream)
        data = encode_event(moved)
        sig = node.keys.ed25519.sign(event_signing_bytes(data))
        parsed = parse_event(said.envelope._replace(event=data, sig=sig))
        assert verify_many(signature_checks(parsed, node.keys.ed25519.public)) == [True, False]


# --- authority: rules 1 to 4 -----------------------------------------------------------------


def test_a_nonce_used_again_is_rejected_for_good(scene, receiver):
    said = [scene.room.say(scene.ann, scene.add, nonce=b"n" * 16) for _ in range(3)]
    receiver.take_all(said)
    assert [verdict(receiver, each) for each in said] == [
        ACCEPTED,
        rejected("replayed_nonce"),
        rejected("replayed_nonce"),
    ]
    receiver.take(scene.room.remove(scene.anna, scene.ann))
    assert verdict(receiver, said[0]) == rejected("not_permitted")
    assert verdict(receiver, said[1]) == rejected("replayed_nonce")


def test_a_nonce_is_used_up_by_a_rejected_act_too(scene, receiver):
    late = scene.room.say(scene.ann, scene.add, nonce=b"n" * 16, at=scene.world.now - 11 * MINUTE)
    again = scene.room.say(scene.ann, scene.add, nonce=b"n" * 16)
    receiver.take_all([late, again])
    assert verdict(receiver, late) == rejected("excessive_drift")
    assert verdict(receiver, again) == rejected("replayed_nonce")


def test_two_devices_may_choose_the_same_nonce_and_one_may_in_two_chains(scene, receiver):
    second = scene.ann.device()
    one = scene.room.say(scene.ann, scene.add, nonce=b"n" * 16)
    other = scene.room.say(second, scene.add, nonce=b"n" * 16)
    elsewhere = scene.ann.node.write(
        scene.ann.stream, "x", {}, device=second, auth=(second.enrolment,), nonce=b"n" * 16
    )
    receiver.take_all([scene.world.events[len(scene.start)], one, other, elsewhere])
    assert [verdict(receiver, each) for each in (one, other, elsewhere)] == [ACCEPTED] * 3


def test_a_nonce_used_again_in_a_control_stream_is_rejected(scene, receiver):
    device = scene.ann.devices[0]
    twice = [
        scene.anna.write(scene.ann.stream, "x", {}, device=device, auth=(device.enrolment,), nonce=b"n" * 16)
        for _ in "ab"
    ]
    receiver.take_all(twice)
    assert [verdict(receiver, each) for each in twice] == [ACCEPTED, rejected("replayed_nonce")]


def test_a_replayed_revocation_has_no_effect(scene, receiver):
    device, first = scene.ann.device(), scene.ann.devices[0]
    said = scene.room.say(device, scene.add)
    body = {"device": device.public, "cuts": []}
    auth = (first.enrolment,)
    acts = [
        scene.anna.write(scene.ann.stream, "x", {}, device=first, auth=auth, nonce=b"n" * 16),
        scene.anna.write(scene.ann.stream, "device.revoke", body, device=first, auth=auth, nonce=b"n" * 16),
    ]
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert [verdict(receiver, each) for each in acts] == [ACCEPTED, rejected("replayed_nonce")]
    assert verdict(receiver, said) == ACCEPTED
    assert receiver.loaded().folds() == receiver.folds()


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_act_far_from_its_order_is_rejected(scene, receiver, sign):
    hlc = Hlc(scene.world.now + SECOND, 0)
    close = scene.room.say(scene.ann, scene.add, hlc=hlc, at=hlc.us + sign * 10 * MINUTE)
    far = scene.room.say(scene.ann, scene.add, hlc=hlc.following(), at=hlc.us + sign * (10 * MINUTE + 1))
    receiver.take_all([close, far])
    assert [verdict(receiver, each) for each in (close, far)] == [ACCEPTED, rejected("excessive_drift")]


def test_a_rejected_act_blocks_nothing_behind_it(scene, receiver):
    bad = scene.room.say(scene.ann, scene.add, at=0)
    good = scene.room.say(scene.ann, scene.add)
    receiver.take_all([bad, good])
    assert verdict(receiver, bad) == rejected("excessive_drift")
    assert verdict(receiver, good) == ACCEPTED


# --- authority: devices ----------------------------------------------------------------------


def test_an_act_waits_for_the_enrolment_that_it_cites(scene):
    receiver = Receiver(scene.world.records())
    said = scene.room.say(scene.ann, scene.add)
    receiver.take(said)
    assert verdict(receiver, said) == ("pending", "auth")
    assert set(receiver.admission.authority.missing_for(said.event)) == {scene.ann.first.id, scene.add.id}
    receiver.take_all(scene.start)
    assert verdict(receiver, said) == ACCEPTED


def test_an_act_that_cites_no_enrolment_is_rejected(scene, receiver):
    said = scene.room.say(scene.ann, scene.add, auth=(scene.add.id,))
    receiver.take(said)
    assert verdict(receiver, said) == rejected("unknown_device")


def test_an_act_that_cites_what_is_held_and_serves_nothing_is_rejected(scene, receiver):
    first = scene.room.say(scene.ann, scene.add)
    second = scene.room.say(scene.ann, scene.add, auth=(first.id, scene.room.create.id))
    receiver.take_all([first, second])
    assert verdict(receiver, second) == rejected("unknown_device")


def test_a_cited_message_ends_the_waiting_when_it_comes(scene, receiver):
    bert = scene.world.node("bert")
    receiver.learn(bert.records[0])
    first = scene.room.say_as_node(bert, scene.add)
    second = scene.room.say(scene.ann, scene.add, auth=(first.id,))
    receiver.take(second)
    assert verdict(receiver, second) == ("pending", "auth")
    receiver.take(first)
    assert verdict(receiver, second) == rejected("unknown_device")


def test_the_device_of_a_participant_of_another_node_is_refused(scene, receiver):
    """Ann's device signs, but another member's node orders it: her enrolment does not speak there."""
    bert = scene.world.node("bert")
    receiver.learn(bert.records[0])
    add = scene.room.add(bert)
    said = scene.room.say(scene.ann, add, node=bert)
    receiver.take_all([add, said])
    assert verdict(receiver, said) == rejected("unknown_device")


def test_an_author_who_is_not_the_enrolled_one_is_rejected(scene, receiver):
    said = scene.room.say(scene.ann, scene.add, author="did:key:z6Mk" + "1" * 44)
    strange = scene.room.say(scene.ann, scene.add, author="\x00" * 1000)
    receiver.take_all([said, strange])
    assert verdict(receiver, said) == rejected("unknown_device")
    assert verdict(receiver, strange) == rejected("unknown_device")


def test_a_further_device_speaks_after_its_enrolment(scene, receiver):
    device = scene.ann.device()
    said = scene.room.say(device, scene.add)
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert verdict(receiver, said) == ACCEPTED


def test_a_further_device_must_agree(scene, receiver):
    wrong = scene.ann.device(fields={"possession": bytes(64)})
    missing = scene.ann.device(fields={"possession": None})
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert receiver.verdicts()[wrong.enrolment] == rejected("invalid_signature")
    assert receiver.verdicts()[missing.enrolment] == rejected("not_permitted")


def test_a_revoked_device_speaks_up_to_its_cut(scene, receiver):
    device = scene.ann.device()
    before = [scene.room.say(device, scene.add) for _ in range(2)]
    cut = scene.anna.cut(scene.room.stream)
    after = scene.room.say(device, scene.add)
    own = scene.room.say(scene.ann, scene.add)
    scene.ann.revoke(device, [cut])
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert [verdict(receiver, said) for said in before] == [ACCEPTED, ACCEPTED]
    assert verdict(receiver, after) == rejected("unknown_device")
    assert verdict(receiver, own) == ACCEPTED


def test_a_chain_that_a_revocation_does_not_name_has_cut_0(scene, receiver):
    device = scene.ann.device()
    said = scene.room.say(device, scene.add)
    scene.ann.revoke(device, [])
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert verdict(receiver, said) == rejected("unknown_device")


def test_a_revoked_device_neither_enrols_nor_revokes(scene, receiver):
    device = scene.ann.device()
    scene.ann.revoke(device, [])
    refused = [scene.ann.revoke(scene.ann.devices[0], [], by=device).id, scene.ann.device(by=device).enrolment]
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert [receiver.verdicts()[each] for each in refused] == [rejected("unknown_device")] * 2


def test_the_first_enrolment_is_by_the_key_that_names_the_participant(scene, receiver):
    other = scene.anna.participant("ben")
    stolen = other.node.write(
        scene.ann.stream, "device.enrol", other.body(other.devices[0], None), device=other.devices[0]
    )
    elsewhere = scene.host.write(
        other.stream, "device.enrol", other.body(other.devices[0], None), device=other.devices[0]
    )
    receiver.take_all([other.first, stolen, elsewhere])
    assert verdict(receiver, other.first) == ACCEPTED
    assert verdict(receiver, stolen) == rejected("not_permitted")
    assert verdict(receiver, elsewhere) == rejected("unknown_device")  # its node is not the one that wrote it


@pytest.mark.parametrize(
    ("kind", "custody", "expected"),
    [
        ("agent", "node", ACCEPTED),
        ("agent", "device", ACCEPTED),
        ("human", "device", ACCEPTED),
        ("human", "node", rejected("unknown_device")),
    ],
)
def test_a_humans_key_is_never_in_the_nodes_custody(scene, receiver, kind, custody, expected):
    who = scene.anna.participant("eve", kind=kind, custody=custody)
    receiver.take(who.first)
    assert verdict(receiver, who.first) == expected


def test_a_human_gets_no_custodial_device_under_the_name_of_an_agent(scene, receiver):
    human = scene.anna.participant("eve", kind="human")
    device = human.device(fields={"kind": "agent", "custody": "node"})
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert receiver.verdicts()[device.enrolment] == rejected("not_permitted")


def test_the_node_adds_no_device(scene, receiver):
    body = scene.ann.body(scene.ann.devices[0], None)
    event = scene.anna.write(scene.ann.stream, "device.enrol", body)
    receiver.take(event)
    assert verdict(receiver, event) == rejected("not_permitted")


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"\xa0", b"\x80", b"\x81" * 60_000, b"\xa1dtext" + b"\x60", b"\xf6", b"\xfb" + bytes(8)]
)
@pytest.mark.parametrize(
    "kind", ["device.enrol", "device.revoke", "member.add", "member.remove", "room.create", "epoch.open"]
)
def test_a_body_of_the_wrong_shape_is_rejected_and_harms_nothing(scene, receiver, kind, body):
    first = scene.ann.devices[0]
    by_device = scene.anna.write(scene.ann.stream, kind, body, device=first, auth=(first.enrolment,))
    by_host = scene.host.write(scene.room.members, kind, body)
    said = scene.room.say(scene.ann, scene.add)
    receiver.take_all([by_device, by_host, said])
    expected = {rejected("malformed_event"), rejected("not_permitted")} | (
        {ACCEPTED} if kind == "epoch.open" else set()
    )
    assert {verdict(receiver, by_device), verdict(receiver, by_host)} <= expected
    assert verdict(receiver, said) == ACCEPTED


# --- authority: rooms ------------------------------------------------------------------------


def test_only_the_host_writes_memberships(scene, receiver):
    add = {"node": scene.anna.id, "participant": None, "heads": [], "role": None, "title": None}
    event = scene.anna.write(scene.room.members, "member.add", add)
    device = scene.ann.devices[0]
    signed = scene.anna.write(scene.room.members, "member.add", add, device=device, auth=(device.enrolment,))
    said = scene.room.say(scene.ann, event)
    receiver.take_all([event, signed, said])
    assert [verdict(receiver, each) for each in (event, signed, said)] == [rejected("not_permitted")] * 3


def test_a_room_belongs_to_the_host_whose_body_has_its_id(scene, receiver):
    thief = scene.anna.write(scene.room.members, "room.create", scene.room.create.envelope.body)
    again = scene.host.write(scene.room.members, "room.create", scene.room.create.envelope.body)
    other = scene.host.write(
        scene.room.members, "room.create", {"host": scene.host.id, "name": "x", "random": bytes(32)}
    )
    receiver.take_all([thief, again, other])
    assert [verdict(receiver, each) for each in (thief, again, other)] == [rejected("not_permitted")] * 3
    assert receiver.admission.authority.rooms[scene.room.id].host == scene.host.id


def test_a_foreign_event_before_the_creation_changes_nothing_after_it(scene):
    receiver = Receiver(scene.world.records())
    early = scene.anna.write(
        scene.room.members,
        "member.add",
        {"node": scene.anna.id, "participant": None, "heads": [], "role": None, "title": None},
    )
    receiver.take_all([stub(early), *scene.start])
    assert verdict(receiver, early) == rejected("not_permitted")
    assert verdict(receiver, scene.add) == ACCEPTED


def test_an_act_without_membership_is_rejected(scene, receiver):
    said = scene.room.say(scene.ann, scene.add, auth=(scene.ann.first.id,))
    receiver.take(said)
    assert verdict(receiver, said) == rejected("not_permitted")


def test_a_membership_covers_its_participant_only(scene, receiver):
    ben = scene.anna.participant("ben")
    said = scene.room.say(ben, scene.add)
    receiver.take_all([ben.first, said])
    assert verdict(receiver, said) == rejected("not_permitted")


def test_a_membership_without_participant_covers_all_of_its_node(scene, receiver):
    ben = scene.anna.participant("ben")
    everyone = scene.room.add(scene.anna)
    said = scene.room.say(ben, everyone)
    receiver.take_all([ben.first, everyone, said])
    assert verdict(receiver, said) == ACCEPTED


def test_one_of_several_cited_memberships_suffices(scene, receiver):
    remove = scene.room.remove(scene.anna, scene.ann)
    again = scene.room.add(scene.anna, scene.ann)
    said = scene.room.say(scene.ann, scene.add, auth=(scene.ann.first.id, scene.add.id, again.id))
    receiver.take_all([remove, again, said])
    assert verdict(receiver, said) == ACCEPTED


def test_a_membership_of_another_room_does_not_serve(scene, receiver):
    other = scene.host.room("other")
    add = other.add(scene.anna, scene.ann)
    said = scene.room.say(scene.ann, add)
    receiver.take_all([other.create, add, said])
    assert verdict(receiver, said) == rejected("not_permitted")


def test_a_node_speaks_and_leaves_on_any_membership_of_it(scene, receiver):
    said = scene.room.say_as_node(scene.anna, scene.add)
    leave = scene.anna.write(scene.room.stream, "room.leave", {}, auth=(scene.add.id,))
    outsider = scene.host.write(scene.room.stream, "room.leave", {}, auth=(scene.add.id,))
    receiver.take_all([said, leave, outsider])
    assert [verdict(receiver, each) for each in (said, leave)] == [ACCEPTED, ACCEPTED]
    assert verdict(receiver, outsider) == rejected("not_permitted")


def test_a_device_does_not_leave_in_the_name_of_its_node(scene, receiver):
    device = scene.ann.devices[0]
    auth = (device.enrolment, scene.add.id)
    acts = [
        scene.anna.write(scene.room.stream, kind, {}, device=device, auth=auth) for kind in ("room.leave", "epoch.open")
    ]
    receiver.take_all(acts)
    assert [verdict(receiver, each) for each in acts] == [rejected("not_permitted")] * 2


def test_a_removal_cuts_what_comes_later_with_old_clocks(scene, receiver):
    before = scene.room.say(scene.ann, scene.add)
    remove = scene.room.remove(scene.anna, scene.ann, [scene.anna.cut(scene.room.stream)])
    after = scene.room.say(scene.ann, scene.add, hlc=before.hlc.following())
    receiver.take_all([before, remove, after])
    assert [verdict(receiver, each) for each in (before, after)] == [ACCEPTED, rejected("not_permitted")]
    assert receiver.admission.authority.rooms[scene.room.id].present() == set()


def test_a_removal_without_participant_withdraws_all_of_the_node(scene, receiver):
    everyone = scene.room.add(scene.anna)
    said = [scene.room.say(scene.ann, add) for add in (scene.add, everyone)]
    remove = scene.room.remove(scene.anna)
    receiver.take_all([everyone, *said, remove])
    assert [verdict(receiver, each) for each in said] == [rejected("not_permitted")] * 2


def test_who_is_added_again_starts_after_the_named_heads(scene, receiver):
    first = scene.room.say(scene.ann, scene.add)
    remove = scene.room.remove(scene.anna, scene.ann)
    between = scene.room.say(scene.ann, scene.add)
    again = scene.room.add(scene.anna, scene.ann, heads=[scene.anna.cut(scene.room.stream)])
    cheat = [first, remove, between, again]
    after = scene.room.say(scene.ann, again)
    receiver.take_all([*cheat, after])
    assert [verdict(receiver, each) for each in (first, between)] == [rejected("not_permitted")] * 2
    assert verdict(receiver, after) == ACCEPTED


def test_a_membership_taken_up_in_the_past_does_not_cover_it(scene, receiver):
    early = scene.room.say(scene.ann, scene.add, auth=(scene.ann.first.id, b"\x00" * 32))
    again = scene.room.add(scene.anna, scene.ann, heads=[scene.anna.cut(scene.room.stream)])
    said = scene.room.say(scene.ann, again, auth=(scene.ann.first.id, again.id))
    receiver.take_all([early, again, said])
    assert verdict(receiver, early) == ("pending", "auth")
    assert verdict(receiver, said) == ACCEPTED


def test_events_up_to_the_named_heads_stay_out_even_if_they_cite_the_membership(scene, receiver):
    heads = [[scene.anna.chain_id(scene.room.stream), 2, bytes(32)]]
    again = scene.room.add(scene.anna, scene.ann, heads=heads)
    said = [scene.room.say(scene.ann, again) for _ in range(3)]
    receiver.take_all([again, *said])
    assert [verdict(receiver, each) for each in said] == [rejected("not_permitted")] * 2 + [ACCEPTED]


def test_the_first_removal_names_the_cuts_also_when_its_body_comes_last(scene, receiver):
    said = [scene.room.say(scene.ann, scene.add) for _ in range(3)]
    chain = scene.anna.chain_id(scene.room.stream)
    first = scene.room.remove(scene.anna, scene.ann, [[chain, 2, said[1].id]])
    second = scene.room.remove(scene.anna, scene.ann, [[chain, 1, said[0].id]])
    receiver.take_all([*said, stub(first), second])
    assert [verdict(receiver, each) for each in said] == [ACCEPTED] + [rejected("not_permitted")] * 2
    receiver.take(first)
    assert [verdict(receiver, each) for each in said] == [ACCEPTED, ACCEPTED, rejected("not_permitted")]


# --- bodies that come late -------------------------------------------------------------------


def test_a_withdrawal_takes_effect_when_its_body_comes(scene, receiver):
    said = scene.room.say(scene.ann, scene.add)
    remove = scene.room.remove(scene.anna, scene.ann)
    receiver.take_all([said, stub(remove)])
    assert verdict(receiver, remove) == ("pending", "body")
    assert verdict(receiver, said) == ACCEPTED
    assert isinstance(receiver.take(remove), Duplicate)
    assert verdict(receiver, remove) == ACCEPTED
    assert verdict(receiver, said) == rejected("not_permitted")


def test_everything_waits_for_the_bodies_of_what_it_stands_on(scene):
    receiver = Receiver(scene.world.records())
    said = scene.room.say(scene.ann, scene.add)
    receiver.take_all([stub(each) for each in scene.start])
    receiver.take(stub(said))
    assert verdict(receiver, said) == ("pending", "auth")
    for each in reversed(scene.start):
        receiver.take(each)
    assert {receiver.verdicts()[each.id] for each in (*scene.start, said)} == {ACCEPTED}
    receiver.take(said)
    assert receiver.log.by_ids([said.id])[said.id].envelope.body is not None


# --- kinds that nobody knows -----------------------------------------------------------------


def test_unknown_kinds_are_admitted_and_known_ones_stay_in_their_streams(scene, receiver):
    device = scene.ann.devices[0]
    auth = (device.enrolment, scene.add.id)
    good = [
        scene.anna.write("node", "x.new", {}),
        scene.host.write(scene.room.members, "x.new", {}),
        scene.anna.write(scene.ann.stream, "x.new", {}, device=device, auth=auth),
        scene.anna.write(scene.room.stream, "x.new", {}, device=device, auth=auth),
        scene.anna.write(streams.pair(scene.anna.id, scene.host.id), "x.new", {}),
    ]
    bad = [
        scene.anna.write("node", "message.text", {"text": "hi"}),
        scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []}, device=device, auth=auth),
        scene.anna.write(
            scene.room.stream,
            "member.add",
            {"node": scene.anna.id, "participant": None, "heads": [], "role": None, "title": None},
        ),
        scene.anna.write(streams.pair(scene.anna.id, scene.host.id), "node.profile", {"name": "a", "endpoints": []}),
    ]
    receiver.take_all([*good, *bad])
    assert [verdict(receiver, each) for each in good] == [ACCEPTED] * len(good)
    assert [verdict(receiver, each) for each in bad] == [rejected("not_permitted")] * len(bad)


def test_the_door_withholds_without_changing_the_verdict(scene, receiver):
    receiver.admission.withhold = lambda _parsed, node, _accepted: "clause" if node == scene.anna.id else ""
    outcome = receiver.take(scene.room.say(scene.ann, scene.add))
    assert outcome.entry.withheld == "clause"
    assert outcome.entry.verdict is Verdict.ACCEPTED


# --- the recovery key of a participant -------------------------------------------------------------

RECOVERY = Ed25519Key(b"\x33" * 32)


def recovering(scene, name="ann2"):
    """A participant whose first enrolment names a recovery key, and that key as if it were a device."""
    who = scene.anna.participant(name, fields={"recovery": sha256(RECOVERY.public)})
    paper = Device(who, "paper")
    paper.key, paper.public, paper.enrolment = RECOVERY, RECOVERY.public, bytes(32)
    return who, paper


def test_the_recovery_key_enrols_and_revokes_devices(scene, receiver):
    who, paper = recovering(scene)
    fresh = who.device(by=paper)
    revoked = who.revoke(who.devices[0], [], by=paper)
    after = who.device(by=who.devices[0])
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert [verdict(receiver, event) for event in (who.first, revoked)] == [ACCEPTED, ACCEPTED]
    assert receiver.verdicts()[fresh.enrolment] == ACCEPTED
    assert receiver.verdicts()[after.enrolment] == rejected("unknown_device")


def test_the_recovery_key_says_nothing_else(scene, receiver):
    who, paper = recovering(scene)
    said = scene.room.say(paper, scene.add)
    note = scene.anna.write(who.stream, "note", {}, device=paper, auth=())
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert verdict(receiver, note) == rejected("unknown_device")
    assert verdict(receiver, said)[0] is not Verdict.ACCEPTED


def test_only_the_first_enrolment_names_the_recovery_key(scene, receiver):
    who = scene.anna.participant("ann3")
    who.device(fields={"recovery": sha256(RECOVERY.public)})
    paper = Device(who, "paper")
    paper.key, paper.public, paper.enrolment = RECOVERY, RECOVERY.public, bytes(32)
    refused = who.revoke(who.devices[0], [], by=paper)
    receiver.take_all(scene.world.events[len(scene.start) :])
    assert verdict(receiver, refused) == rejected("unknown_device")
