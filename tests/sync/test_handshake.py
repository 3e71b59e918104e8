from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import decode, encode
from foedus.base.limits import HANDSHAKE_TIMEOUT
from foedus.crypto.errors import NotAuthentic
from foedus.crypto.xwing import XWingKey
from foedus.identity.record import SignedRecord
from foedus.sync import transcript
from foedus.sync.effects import Close, Established, Send
from foedus.sync.transitions import Step
from tests.sync.nodes import NEVER_KNOWN, NOW, history, initiator, responder, seed


def run(one, other):
    """Run a whole handshake; return the messages and both Established."""
    [m1] = one.start()
    [m2] = other.handle(m1.message, NOW)
    m3, established_one = one.handle(m2.message, NOW)
    [established_other] = other.handle(m3.message, NOW)
    return (m1.message, m2.message, m3.message), established_one, established_other


def codes(effects):
    assert [type(effect) for effect in effects] == [Close]
    return effects[0].code


def test_both_sides_learn_who_the_other_is_and_share_keys():
    one, other = initiator(expected=history("b")[0].id, rotations=2), responder(rotations=1)
    _, at_one, at_other = run(one, other)
    assert isinstance(at_one, Established)
    assert at_one.peer.node == history("b")[0].id
    assert at_one.peer.newest == history("b", 1)[-1]
    assert at_other.peer.node == history("a")[0].id
    assert at_other.peer.history == history("a", 2)
    assert at_other.receiving.open(at_one.sending.seal(b"there")) == b"there"
    assert at_one.receiving.open(at_other.sending.seal(b"back")) == b"back"
    assert one.step is other.step is Step.ESTABLISHED


def test_the_directions_have_different_keys():
    _, at_one, at_other = run(initiator(), responder())
    with pytest.raises(NotAuthentic):
        at_other.receiving.open(at_other.sending.seal(b"mirrored"))
    assert at_one.sending.count == 0


def test_capabilities_are_negotiated_alike_and_the_offer_is_told():
    mine = {"events": {"major": 1, "credit": 5, "mine": 1}, "old": {"major": 1}}
    theirs = {"events": {"major": 1, "credit": 9}, "old": {"major": 2}, "theirs": {"major": 1}}
    _, at_one, at_other = run(initiator(capabilities=mine), responder(capabilities=theirs))
    assert at_one.peer.capabilities == at_other.peer.capabilities == {"events": {"major": 1, "credit": 5}}
    assert at_one.peer.capabilities_offered == theirs


def test_the_messages_are_those_of_the_protocol():
    (m1, m2, m3), _, _ = run(initiator(), responder())
    assert decode(m1) == {
        "e": XWingKey(seed("ei1")).public,
        "random": seed("ri1"),
        "ticket": None,
        "versions": [1],
    }
    clear, sealed = decode(m2)
    assert decode(clear).keys() == {"ciphertext", "random", "version"}
    assert len(sealed) > len(history("b")[0].encode())
    assert history("a")[0].record_bytes not in m3


def test_every_flipped_byte_of_m1_is_noticed():
    (m1, _, _), _, _ = run(initiator(), responder())
    for changed in flipped(m1):
        check_changed_m1(changed, m1)


def test_every_flipped_byte_of_m2_closes():
    (_, m2, _), _, _ = run(initiator(), responder())
    one = fresh_initiator()
    for changed in flipped(m2):
        one.step = Step.AWAITING_M2  # put back: making a key costs more than the check
        assert codes(one.handle(changed, NOW)) in {"bad_handshake", "not_authentic", "bad_key"}


def test_every_flipped_byte_of_m3_closes():
    (m1, _, _), _, _ = run(initiator(), responder())
    other = responder()
    [m2] = other.handle(m1, NOW)
    one = fresh_initiator()
    m3 = one.handle(m2.message, NOW)[0].message
    for changed in flipped(m3):
        assert codes(other.handle(changed, NOW)) == "not_authentic"
        other.step = Step.AWAITING_M3
    assert isinstance(other.handle(m3, NOW)[0], Established)


def flipped(message: bytes):
    for position in range(len(message)):
        changed = bytearray(message)
        changed[position] ^= 1 << (position % 8)
        yield bytes(changed)


def fresh_initiator():
    fresh = initiator()
    fresh.start()
    return fresh


def waiting_responder(m1: bytes):
    waiting = responder()
    waiting.handle(m1, NOW)
    return waiting


def check_changed_m1(changed: bytes, m1: bytes):
    """A changed key or random is not seen by R, who answers; then I cannot open M2."""
    other = responder()
    effects = other.handle(changed, NOW)
    if isinstance(effects[0], Close):
        return
    one = initiator()
    one.start()
    assert codes(one.handle(effects[0].message, NOW)) == "not_authentic"
    assert changed != m1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_garbage_closes_in_every_state(garbage):
    one, fresh, waiting = fresh_initiator(), responder(), responder()
    waiting.handle(initiator().start()[0].message, NOW)
    for machine in (one, fresh, waiting, initiator()):
        assert codes(machine.handle(garbage, NOW))
        assert machine.step is Step.CLOSED
        assert machine.handle(garbage, NOW) == []
        assert machine.next_deadline() is None


def test_truncated_messages_close():
    (m1, m2, m3), _, _ = run(initiator(), responder())
    for length in range(0, len(m1), 97):
        assert codes(responder().handle(m1[:length], NOW)) == "bad_handshake"
    for length in range(0, len(m2), 997):
        assert codes(fresh_initiator().handle(m2[:length], NOW)) == "bad_handshake"
    for length in range(0, len(m3), 997):
        assert codes(waiting_responder(m1).handle(m3[:length], NOW)) == "not_authentic"


def test_another_node_than_the_expected_gets_no_m3():
    one, other = initiator(expected=history("c")[0].id), responder("b")
    [m1] = one.start()
    [m2] = other.handle(m1.message, NOW)
    assert codes(one.handle(m2.message, NOW)) == "wrong_node"


def test_a_link_to_oneself_is_refused():
    one, other = initiator("a"), responder("a")
    [m1] = one.start()
    [m2] = other.handle(m1.message, NOW)
    assert codes(one.handle(m2.message, NOW)) == "self_link"


def test_a_responder_too_refuses_itself():
    (m1, m2, _), _, _ = run(initiator("a"), responder("b"))
    other = waiting_responder(m1)
    secret, h2 = other._secret, other._h2
    key = transcript.handshake_key(secret, h2, "initiator")
    mine = initiator("b")._local
    m3 = transcript.seal_proof("initiator", mine.keys, {}, mine.history, (m1, other._m2), key)
    assert codes(other.handle(m3, NOW)) == "self_link"
    assert m2 != other._m2


def test_replays_lead_nowhere():
    (m1, m2, m3), _, _ = run(initiator(), responder())
    other = responder(run="2")
    [answer] = other.handle(m1, NOW)
    assert answer.message != m2
    assert codes(other.handle(m3, NOW)) == "not_authentic"
    again = responder(run="3")
    again.handle(m1, NOW)
    assert codes(again.handle(m1, NOW)) == "not_authentic"
    one = initiator(run="2")
    one.start()
    assert codes(one.handle(m2, NOW)) == "not_authentic"


def test_a_thief_of_records_without_keys_is_refused():
    thief = initiator("a")
    thief._local = thief._local._replace(keys=initiator("c")._local.keys)
    other = responder()
    [m1] = thief.start()
    [m2] = other.handle(m1.message, NOW)
    m3, _ = thief.handle(m2.message, NOW)
    assert codes(other.handle(m3.message, NOW)) == "invalid_signature"


def test_a_forged_record_is_refused_unless_it_is_known():
    good = history("a")[0]
    forged = SignedRecord(good.record_bytes, history("c")[0].proof, good.record, good.id)
    for known, outcome in ((NEVER_KNOWN, Close), (lambda epoch: epoch == good.id, Established)):
        one, other = initiator("a"), responder(known=known)
        one._local = one._local._replace(history=(forged,))
        [m1] = one.start()
        [m2] = other.handle(m1.message, NOW)
        m3 = one.handle(m2.message, NOW)[0]
        [effect] = other.handle(m3.message, NOW)
        assert type(effect) is outcome
        if outcome is Close:
            assert effect.code == "bad_identity_record"


def test_one_unknown_record_has_the_whole_history_checked():
    first, second = history("a", 1)
    forged = SignedRecord(second.record_bytes, history("c", 1)[1].proof, second.record, second.id)
    one, other = initiator("a", rotations=1), responder(known=lambda epoch: epoch == first.id)
    one._local = one._local._replace(history=(first, forged))
    [m1] = one.start()
    [m2] = other.handle(m1.message, NOW)
    m3 = one.handle(m2.message, NOW)[0]
    assert codes(other.handle(m3.message, NOW)) == "bad_identity_record"


def test_known_records_must_still_follow_each_other():
    first, second = history("a", 1)
    for shown in ((second,), (second, first), (first, first)):
        one, other = initiator("a", rotations=1), responder(known=lambda _epoch: True)
        one._local = one._local._replace(history=shown)
        [m1] = one.start()
        [m2] = other.handle(m1.message, NOW)
        effects = one.handle(m2.message, NOW)
        assert codes(other.handle(effects[0].message, NOW)) == "bad_handshake"


def test_silence_is_closed_after_ten_seconds():
    for machine in (initiator(), fresh_initiator(), responder()):
        assert machine.next_deadline() == NOW + HANDSHAKE_TIMEOUT
        assert machine.on_deadline(NOW + HANDSHAKE_TIMEOUT - 1) == []
        assert codes(machine.on_deadline(NOW + HANDSHAKE_TIMEOUT)) == "handshake_timeout"
        assert machine.on_deadline(NOW + 2 * HANDSHAKE_TIMEOUT) == []


def test_a_message_that_comes_too_late_is_not_answered():
    one = initiator()
    [m1] = one.start()
    assert codes(responder().handle(m1.message, NOW + HANDSHAKE_TIMEOUT)) == "handshake_timeout"


def test_no_common_version_has_its_own_code():
    [m1] = initiator().start()
    other_version = encode(decode(m1.message) | {"versions": [2, 3]})
    assert codes(responder().handle(other_version, NOW)) == "version"


def test_start_twice_is_the_callers_mistake():
    one = initiator()
    assert isinstance(one.start()[0], Send)
    with pytest.raises(ValueError, match="already awaiting M2"):
        one.start()
    assert one.step is Step.AWAITING_M2


def test_a_low_order_key_is_refused():
    m1 = decode(initiator().start()[0].message)
    low = encode(m1 | {"e": m1["e"][:1184] + bytes(32)})
    assert codes(responder().handle(low, NOW)) == "bad_key"
