from __future__ import annotations

import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import Malformed, NotCanonical, decode, encode, to_plain
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.crypto import ed25519, mldsa
from foedus.identity import record as module
from foedus.identity.keys import public_keys, sign_both
from foedus.identity.record import (
    RECORDS_PER_NODE,
    SIGNED_RECORD_MAX,
    BadRecord,
    IdentityRecord,
    NotYours,
    Proof,
    SignedRecord,
    first_record,
    parse_signed_record,
    recovery_successor,
    successor,
    verify_history,
    verify_record,
)
from foedus.identity.recovery import RecoverySecrets
from tests.identity.nodes import first, keys, recover, recovery, rotate, salt


def altered(signed: SignedRecord, by: str = "", former: str = "", words: str = "", **changes) -> SignedRecord:
    """A record with other fields, signed again by whoever is named."""
    record = msgspec.structs.replace(signed.record, **changes)
    data = encode(to_plain(record))
    message = b"foedus/identity/1\0" + data
    secrets = recovery(words) if words else None
    proof = Proof(
        own=sign_both(keys(by), message),
        former=sign_both(keys(former), message) if former else None,
        recovery=(*secrets.public, *sign_both(secrets, message)) if secrets else None,
    )
    return SignedRecord(data, proof, record, sha256(data))


def reproved(signed: SignedRecord, **changes) -> SignedRecord:
    return msgspec.structs.replace(signed, proof=msgspec.structs.replace(signed.proof, **changes))


def each_kind() -> list[tuple[SignedRecord, SignedRecord | None]]:
    zero = first()
    return [
        (zero, None),
        (rotate(zero, "a", "b"), zero),
        (rotate(zero, "a", "r", "restored"), zero),
        (recover(zero, "c"), zero),
        (recover(zero, "d", new_words="new words"), zero),
    ]


def test_every_kind_of_record_verifies_and_survives_the_wire():
    for signed, previous in each_kind():
        again = parse_signed_record(signed.encode())
        assert again == signed
        assert parse_signed_record(signed.plain()) == signed
        verify_record(again, previous)
        assert len(signed.encode()) < SIGNED_RECORD_MAX


def test_the_id_of_record_0_is_the_node_and_each_id_an_epoch():
    zero, one = first(), rotate(first(), "a", "b")
    assert zero.id == sha256(zero.record_bytes) == zero.node == one.node == one.record.prev
    assert one.id == sha256(one.record_bytes) != one.node


def test_record_bytes_have_exactly_the_keys_of_the_protocol():
    value = decode(first().record_bytes)
    assert set(value) == {"n", "node", "keys", "recovery", "prev", "cause", "salt"}
    assert {name: len(key) for name, key in value["keys"].items()} == {"ed25519": 32, "mldsa65": 1952, "xwing": 1216}
    assert value["node"] is None
    assert value["prev"] is None


def test_signatures_cover_the_label_and_the_bytes():
    signed = first()
    message = b"foedus/identity/1\0" + signed.record_bytes
    assert ed25519.verify(keys("a").ed25519.public, message, signed.proof.own[0])
    assert mldsa.verify(keys("a").mldsa65.public, message, signed.proof.own[1])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_byte_altered_anywhere_is_refused(data):
    signed, previous = data.draw(st.sampled_from(each_kind()))
    encoded = bytearray(signed.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((BadRecord, Malformed, NotCanonical)):
        verify_record(parse_signed_record(bytes(encoded)), previous)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_a_violation(data):
    with pytest.raises((Malformed, NotCanonical)):
        parse_signed_record(data)


def test_what_is_too_long_is_not_even_decoded():
    with pytest.raises(Malformed, match="at most"):
        parse_signed_record(bytes(SIGNED_RECORD_MAX + 1))


def test_an_unknown_key_or_a_missing_one_is_refused():
    value = decode(first().record_bytes)
    proof = first().proof.plain()
    without = {name: item for name, item in value.items() if name != "node"}
    for record in (value | {"extra": 1}, without):
        with pytest.raises(Malformed):
            parse_signed_record([encode(record), proof])
    with pytest.raises(Malformed):
        parse_signed_record([first().record_bytes, proof | {"extra": None}])
    with pytest.raises(Malformed):
        parse_signed_record([first().record_bytes, proof, None])


@pytest.mark.parametrize(
    "change",
    [{"n": 1}, {"node": bytes(32)}, {"prev": bytes(32)}, {"cause": "rotation"}, {"n": 48}, {"n": -1}, {"salt": b"x"}],
)
def test_fields_that_contradict_each_other_are_malformed(change):
    with pytest.raises(Malformed):
        parse_signed_record([encode(decode(first().record_bytes) | change), first().proof.plain()])


def test_record_0_with_foreign_keys_is_refused():
    victim = public_keys(keys("victim"))
    with pytest.raises(BadRecord, match="keys that it names"):
        verify_record(altered(first(), by="a", keys=victim), None)


@pytest.mark.parametrize("half", [0, 1])
def test_one_good_signature_of_two_is_not_enough(half):
    one, other = rotate(first(), "a", "b"), rotate(first(), "a", "c")
    for name in ("own", "former"):
        pair = list(getattr(one.proof, name))
        pair[half] = getattr(other.proof, name)[half]
        with pytest.raises(BadRecord, match="not signed"):
            verify_record(reproved(one, **{name: tuple(pair)}), first())


def test_a_rotation_not_signed_by_the_former_keys_is_refused():
    with pytest.raises(BadRecord, match="keys of the record before"):
        verify_record(altered(rotate(first(), "a", "b"), by="b", former="b"), first())


def test_a_rotation_may_not_change_the_recovery_keys():
    thief = altered(rotate(first(), "a", "b"), by="b", former="a", recovery=recovery("thief").hash)
    with pytest.raises(BadRecord, match="may change the recovery keys"):
        verify_record(thief, first())


def test_a_recovery_with_the_wrong_seed_is_refused_in_writing_and_in_reading():
    with pytest.raises(NotYours):
        recovery_successor(first(), recovery("thief"), keys("c"), salt("c"))
    with pytest.raises(BadRecord, match="recovery keys are not those"):
        verify_record(altered(recover(first(), "c"), by="c", words="thief"), first())


def test_a_recovery_with_the_right_keys_and_a_wrong_signature_is_refused():
    good, other = recover(first(), "c"), recover(first(), "d")
    mixed = (*good.proof.recovery[:2], *other.proof.recovery[2:])
    with pytest.raises(BadRecord, match="not signed by the recovery keys"):
        verify_record(reproved(good, recovery=mixed), first())


def test_new_recovery_keys_hold_from_the_recovery_on():
    renewed = recover(first(), "c", new_words="new words")
    verify_record(recover(renewed, "d", "new words"), renewed)
    with pytest.raises(NotYours):
        recover(renewed, "e", "words")


def test_the_proof_fits_the_cause_exactly():
    one, back = rotate(first(), "a", "b"), recover(first(), "c")
    wrong = [
        (reproved(first(), former=first().proof.own), None),
        (reproved(one, former=None), first()),
        (reproved(one, recovery=back.proof.recovery), first()),
        (reproved(back, recovery=None), first()),
        (reproved(back, former=one.proof.former), first()),
        (altered(one, by="b", former="a", cause="recovery"), first()),
    ]
    for signed, previous in wrong:
        with pytest.raises(BadRecord, match="do not fit the cause"):
            verify_record(signed, previous)


def test_a_record_follows_exactly_the_one_that_it_names():
    one = rotate(first(), "a", "b")
    two = rotate(one, "b", "c")
    wrong = [
        (two, None, "without the one before"),
        (two, first(), "another record"),
        (first(), first(), "another record"),
        (altered(two, by="c", former="b", node=bytes(32)), one, "another node"),
        (altered(two, by="c", former="b", n=3), one, "its number"),
    ]
    for signed, previous, why in wrong:
        with pytest.raises(BadRecord, match=why):
            verify_record(signed, previous)


def test_a_history_holds_from_record_0_in_order():
    one = rotate(first(), "a", "b")
    history = [first(), one, rotate(one, "b", "c", "restored"), recover(rotate(one, "b", "c", "restored"), "d")]
    verify_history(history)
    for wrong in ([], history[1:], [history[0], history[2]], history[::-1], [history[0], history[0]]):
        with pytest.raises(BadRecord):
            verify_history(wrong)


def test_only_who_holds_the_former_keys_writes_a_successor():
    with pytest.raises(NotYours):
        successor(first(), keys("b"), keys("c"), "rotation", salt("c"))


def test_a_node_has_at_most_40_records(monkeypatch):
    assert RECORDS_PER_NODE == 40
    monkeypatch.setattr(module, "RECORDS_PER_NODE", 2)
    one = rotate(first(), "a", "b")
    with pytest.raises(UsageError, match="at most 2"):
        successor(one, keys("b"), keys("c"), "rotation", salt("full"))
    with pytest.raises(BadRecord, match="1 to 2"):
        verify_history([first(), one, one])


def test_a_builder_refuses_a_salt_of_the_wrong_length():
    with pytest.raises(Malformed):
        first_record(keys("a"), recovery().hash, b"short")


def test_an_impossible_record_cannot_be_made():
    with pytest.raises(ValueError, match="record 0"):
        IdentityRecord(0, bytes(32), first().record.keys, bytes(32), None, "first", bytes(32))


def test_recovery_secrets_follow_from_the_seed_alone_and_are_not_shown():
    seed = bytes(range(32))
    one, same, other = RecoverySecrets(seed), RecoverySecrets(seed), RecoverySecrets(bytes(32))
    assert one.public == same.public == (one.ed25519.public, one.mldsa65.public)
    assert one.hash == same.hash == sha256(*one.public) != other.hash
    assert one.ed25519.seed != one.mldsa65.seed
    assert seed.hex() not in repr(one)
    assert one.ed25519.seed.hex() not in repr(one)
    with pytest.raises(ValueError, match="32 bytes"):
        RecoverySecrets(b"short")


def test_recovery_seeds_are_hkdf_as_the_protocol_says():
    seed = bytes(range(32))

    def by_hand(info: bytes) -> bytes:
        extracted = hmac.digest(bytes(32), seed, hashlib.sha256)
        return hmac.digest(extracted, info + b"\x01", hashlib.sha256)

    secrets = RecoverySecrets(seed)
    assert secrets.ed25519.seed == by_hand(b"foedus recovery ed25519/1")
    assert secrets.mldsa65.seed == by_hand(b"foedus recovery mldsa65/1")
