"""Envelopes, proofs and checkpoints: what is not exactly what was signed is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from foedus.base.cbor import Malformed, NotCanonical, encode
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import (
    AUTH_MAX,
    BODY_MAX,
    CHECKPOINT_EVENTS,
    CHECKPOINT_INTERVAL,
    ENVELOPE_MAX,
    EVENT_MAX,
    REFS_MAX,
)
from foedus.crypto import ed25519
from foedus.log import streams
from foedus.log.admission import signature_checks
from foedus.log.checkpoints import is_due, is_valid, read_checkpoint, stream_for
from foedus.log.event import Envelope, TooLarge, act_plain, digest_matches, parse_envelope
from foedus.log.evidence import check_proof, decode_proof, encode_proof, make_proof
from foedus.log.streams import chain_id
from tests.log.builder import World
from tests.log.delivery import Receiver

WORLD = World("envelopes")
ANNA = WORLD.node("anna")
ANN = ANNA.participant("ann")
ROOM = ANNA.room()
ADD = ROOM.add(ANNA)
SAID = ROOM.say(ANN, ADD)
KEY = ANNA.keys.ed25519.public


def is_genuine(data: bytes) -> bool:
    """Whether all checks before admission pass, and it is the event that was written."""
    try:
        parsed = parse_envelope(data)
    except FoedusError:
        return False
    if not digest_matches(parsed.envelope, parsed.event.act):
        return False
    return all(ed25519.verify_many(signature_checks(parsed, KEY)))


def test_an_envelope_comes_back_as_it_was_written():
    assert parse_envelope(SAID.envelope.encode()) == SAID
    stub = SAID.envelope.without_body()
    assert parse_envelope(stub.encode()).envelope == stub
    assert SAID.id == sha256(SAID.envelope.event)
    assert is_genuine(SAID.envelope.encode())


def test_any_altered_byte_is_refused():
    data = SAID.envelope.encode()
    for index in range(len(data)):
        for flip in (0x01, 0x80):
            altered = bytearray(data)
            altered[index] ^= flip
            assert not is_genuine(bytes(altered)), index


@given(st.data())
@settings(max_examples=200)
def test_missing_added_and_exchanged_bytes_are_refused(data):
    good = SAID.envelope.encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    altered = good[:start] + data.draw(st.binary(max_size=8)) + good[end:]
    assert altered == good or not is_genuine(altered)


@given(st.binary(max_size=300))
def test_junk_is_refused_by_our_own_errors(data):
    with pytest.raises((NotCanonical, Malformed, TooLarge)):
        parse_envelope(data)


@pytest.mark.parametrize(
    "data", [b"\x81" * ENVELOPE_MAX, b"\xa1a0" * 10_000, b"\x9f" * 100, b"\xd8\x2a" * 1_000, b"\xfb" + bytes(8)]
)
def test_deep_and_strange_encodings_are_refused(data):
    with pytest.raises((NotCanonical, Malformed)):
        parse_envelope(data)


def test_what_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(TooLarge):
        parse_envelope(bytes(ENVELOPE_MAX + 1))
    with pytest.raises(TooLarge):
        parse_envelope(encode([bytes(EVENT_MAX + 1), bytes(64), None]))
    with pytest.raises(TooLarge):
        parse_envelope(encode([SAID.envelope.event, bytes(64), [bytes(32), bytes(BODY_MAX + 1)]]))


def plain():
    event = SAID.event
    return {
        "v": 1,
        "act": act_plain(event.act),
        "hlc": list(event.hlc),
        "seq": event.seq,
        "asig": event.asig,
        "prev": event.prev,
        "epoch": event.epoch,
        "stream": event.stream,
    }


def parse_plain(value):
    return parse_envelope(encode([encode(value), bytes(64), None]))


WRONG = {
    "v": [0, 2, None, "1", True],
    "hlc": [[1], [1, 2, 3], [-1, 0], [1, 1 << 16], [1 << 62, 0], "1", None],
    "seq": [0, -1, 1 << 53, "1", None, True],
    "asig": [None, b"", bytes(63), bytes(65), "x"],
    "prev": [b"", bytes(31), "x", 1],
    "epoch": [None, b"", bytes(33)],
    "stream": [None, b"node", 1],
    "act": [None, {}, []],
    "more": [1],
}
WRONG_ACT = {
    "at": [-1, 1 << 62, None, "1", True],
    "auth": [None, [bytes(32)] * (AUTH_MAX + 1), [bytes(31)], ["x"]],
    "kind": ["", "k" * 65, None, b"k"],
    "refs": [None, [bytes(32)] * (REFS_MAX + 1)],
    "nonce": [b"", bytes(15), bytes(17), None],
    "author": [None, bytes(32), 1, [], {}],
    "device": [None, bytes(31), "x"],
    "digest": [None, bytes(31)],
    "more": [1],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_an_event_of_another_shape_is_malformed(field, value):
    parse_plain(plain())
    with pytest.raises(Malformed):
        parse_plain(plain() | {field: value})


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG_ACT.items() for value in values]
)
def test_an_act_of_another_shape_is_malformed(field, value):
    event = plain()
    event["act"] = event["act"] | {field: value}
    with pytest.raises(Malformed):
        parse_plain(event)


@pytest.mark.parametrize("field", [*WRONG][:-1])
def test_no_field_may_be_missing(field):
    event = plain()
    del event[field]
    with pytest.raises(Malformed):
        parse_plain(event)


# --- proofs ----------------------------------------------------------------------------------


def fork():
    other = ROOM.say(ANN, ADD, "other", after=None)
    return SAID, other


def test_a_proof_convicts_and_comes_back_as_it_was():
    one, other = sorted(fork(), key=lambda parsed: parsed.id)
    proof = make_proof(other, one)
    back = decode_proof(encode_proof(proof))
    assert [parsed.id for parsed in back] == [one.id, other.id]
    check_proof(*back, KEY)


def test_what_does_not_convict_is_refused():
    one, other = sorted(fork(), key=lambda parsed: parsed.id)
    later = ROOM.say(ANN, ADD)
    forged = other._replace(envelope=other.envelope._replace(sig=bytes(64)))
    for pair in [(other, one), (one, one), (SAID, later), (later, SAID), (one, forged)]:
        with pytest.raises(Malformed):
            check_proof(*pair, KEY)
    with pytest.raises(Malformed):
        check_proof(one, other, WORLD.node("other").keys.ed25519.public)


@given(st.binary(max_size=200))
def test_a_proof_of_junk_is_refused_by_our_own_errors(data):
    with pytest.raises((NotCanonical, Malformed, TooLarge)):
        decode_proof(data)


# --- checkpoints -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint():
    receiver = Receiver(WORLD.records())
    receiver.take_all([ANN.first, ROOM.create, ADD, SAID])
    chain = receiver.admission.chains.get((ANNA.epoch, ROOM.stream))
    ANNA.heads[ANNA.epoch, ROOM.stream] = SAID
    return receiver, chain, ANNA.checkpoint(chain, ROOM.stream)


def test_a_checkpoint_tells_head_and_count_under_both_keys(checkpoint):
    receiver, _, event = checkpoint
    keys = ANNA.record().record.keys
    statement = read_checkpoint(event.envelope.body, keys.ed25519, keys.mldsa65)
    assert (statement.chain, statement.epoch) == (chain_id(ANNA.epoch, ROOM.stream), ANNA.epoch)
    assert (statement.seq, statement.id, statement.count) == (1, SAID.id, 1)
    assert is_valid(event.envelope.body, ANNA.epoch, keys.ed25519, keys.mldsa65)
    assert not is_valid(event.envelope.body, bytes(32), keys.ed25519, keys.mldsa65)
    receiver.take(event)
    assert receiver.verdicts()[event.id] == ("accepted", "")


@pytest.mark.parametrize("place", [30, 200, 2_000, -10])
def test_an_altered_checkpoint_is_not_valid(checkpoint, place):
    _, _, event = checkpoint
    keys = ANNA.record().record.keys
    body = bytearray(event.envelope.body)
    body[place] ^= 1
    assert not is_valid(bytes(body), ANNA.epoch, keys.ed25519, keys.mldsa65)


def test_a_checkpoint_needs_both_signatures(checkpoint):
    _, _, event = checkpoint
    keys, other = ANNA.record().record.keys, WORLD.node("other").record().record.keys
    assert not is_valid(event.envelope.body, ANNA.epoch, other.ed25519, keys.mldsa65)
    assert not is_valid(event.envelope.body, ANNA.epoch, keys.ed25519, other.mldsa65)


def test_where_checkpoints_stand_and_when_they_are_due():
    assert stream_for(ANN.stream) == stream_for("node") == "node"
    for stream in (ROOM.stream, ROOM.members, streams.pair(ANNA.id, bytes(32))):
        assert stream_for(stream) == stream
    assert is_due(CHECKPOINT_EVENTS, 0, 0)
    assert is_due(1, 0, CHECKPOINT_INTERVAL)
    assert not is_due(0, 0, CHECKPOINT_INTERVAL)
    assert not is_due(CHECKPOINT_EVENTS - 1, 0, CHECKPOINT_INTERVAL - 1)


# --- names -----------------------------------------------------------------------------------


def test_names_of_streams():
    assert streams.parse("node") == ("node", "")
    assert streams.parse(ANN.stream) == ("participant", ANN.did)
    assert streams.parse(ROOM.members) == ("members", ROOM.id.hex())
    assert streams.parse(streams.pair(bytes(32), b"\x01" * 32)).kind == "pair"
    same, unsorted = f"pair:{'0' * 64}:{'0' * 64}", f"pair:{'1' * 64}:{'0' * 64}"
    for name in (
        same,
        unsorted,
        "room:" + "A" * 64,
        "node\n",
        "room:" + "0" * 63,
        "participant:did:key:z6Mk" + "0" * 44,
    ):
        with pytest.raises(Malformed):
            streams.parse(name)


def test_a_stub_keeps_everything_but_the_body():
    stub = SAID.envelope.without_body()
    assert stub == Envelope(SAID.envelope.event, SAID.envelope.sig, None, None)
    assert digest_matches(stub, SAID.event.act)
    assert structs.astuple(parse_envelope(stub.encode()).event) == structs.astuple(SAID.event)
