from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import Malformed, NotCanonical, decode, encode
from foedus.base.limits import CURSORS_PER_FRAME
from foedus.identity.record import parse_signed_record
from foedus.sync.frames.blobs import Chunk, HaveBlob, NoChunks, WantChunks
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.codec import FRAME_PLAINTEXT_MAX, TYPES, decode_frame, encode_frame, frame_type
from foedus.sync.frames.events import (
    Ack,
    AckPosition,
    ChainPosition,
    Cursors,
    Events,
    Missing,
    Proof,
    Pruned,
    Records,
    Want,
    WantRecords,
)
from foedus.sync.frames.keeping import Bye, Ping, Pong
from foedus.sync.frames.members import CouncilSays, Presences
from foedus.sync.frames.peering import (
    Acceptance,
    Accepted,
    Application,
    Confirmation,
    Confirmed,
    Declined,
    Ended,
    Introduction,
    Pending,
    Ready,
    Refused,
    Request,
    TierChanged,
)
from foedus.sync.frames.questions import Answered, Cancel, Query, QueryReport, Reach, Reached, Results, SignedResult
from tests.sync.nodes import history

ID = bytes(range(32))
SIGNATURE = bytes(64)
RECORD = history("a")[0].plain()

EXAMPLES = [
    (Ready(Introduction("Ada", "CORE")), ["ready", {"name": "Ada", "tier": "CORE"}]),
    (Pending(), ["pending"]),
    (Refused("superseded", (RECORD,)), ["refused", "superseded", [RECORD]]),
    (
        Request(Application("Ada", "hello", ("wss://a.example",), b"draft", SIGNATURE)),
        [
            "request",
            {
                "name": "Ada",
                "note": "hello",
                "endpoints": ["wss://a.example"],
                "agreement": b"draft",
                "signature": SIGNATURE,
            },
        ],
    ),
    (
        Accepted(Acceptance("Bob", "CORE", b"final", SIGNATURE)),
        ["accepted", {"name": "Bob", "tier": "CORE", "agreement": b"final", "signature": SIGNATURE}],
    ),
    (Confirmed(Confirmation(SIGNATURE)), ["confirmed", {"signature": SIGNATURE}]),
    (Declined(), ["declined"]),
    (TierChanged("SANDBOX"), ["tier", "SANDBOX"]),
    (Ended("goodbye"), ["ended", "goodbye"]),
    (Cursors((ChainPosition(ID, "node", 3, ID),), more=False), ["cursors", [[ID, "node", 3, ID]], False]),
    (Records((RECORD,)), ["records", [RECORD]]),
    (WantRecords((ID,)), ["want_records", [ID]]),
    (Events(b"batch"), ["events", b"batch"]),
    (Ack((AckPosition(ID, "node", 3),), 77), ["ack", [[ID, "node", 3]], 77]),
    (Want((ID,)), ["want", [ID]]),
    (Missing((ID,)), ["missing", [ID]]),
    (Proof(b"one", b"other"), ["proof", b"one", b"other"]),
    (Pruned(ID, "room:x", 1, b"body"), ["pruned", ID, "room:x", 1, b"body"]),
    (
        Query(b"question", None, SIGNATURE, (b"envelope",), (ID,), 5),
        ["query", b"question", None, SIGNATURE, [b"envelope"], [ID], 5],
    ),
    (Results(ID, (SignedResult(b"result", SIGNATURE),)), ["results", ID, [[b"result", SIGNATURE]]]),
    (
        Answered(ID, (QueryReport(None, "silent", "", 2),)),
        ["answered", ID, [[None, "silent", "", 2]]],
    ),
    (Cancel(ID), ["cancel", ID]),
    (Reach((Reached(ID, 0),)), ["reach", [[ID, 0]]]),
    (Call(b"call", None, SIGNATURE, 5), ["call", b"call", None, SIGNATURE, 5]),
    (CallProgress(ID, 1, b"{}"), ["call_progress", ID, 1, b"{}"]),
    (CallEnded(ID, b"receipt", SIGNATURE, None), ["call_ended", ID, b"receipt", SIGNATURE, None]),
    (CallRefused(ID, "grant.uses", "no more"), ["call_refused", ID, "grant.uses", "no more"]),
    (CallSigned(ID, SIGNATURE), ["call_signed", ID, SIGNATURE]),
    (CallCancel(ID), ["call_cancel", ID]),
    (WantChunks(ID, (0, 7)), ["want_chunks", ID, [0, 7]]),
    (Chunk(ID, 7, b"data"), ["chunk", ID, 7, b"data"]),
    (NoChunks(ID, (0,)), ["no_chunks", ID, [0]]),
    (HaveBlob(ID), ["have_blob", ID]),
    (Presences(b"statement", SIGNATURE), ["presences", b"statement", SIGNATURE]),
    (CouncilSays(ID, b"message"), ["council", ID, b"message"]),
    (Ping(1), ["ping", 1]),
    (Pong(1, 1_700_000_000_000_000), ["pong", 1, 1_700_000_000_000_000]),
    (Bye("rekey"), ["bye", "rekey"]),
]


@pytest.mark.parametrize(("frame", "plain"), EXAMPLES, ids=[plain[0] for _, plain in EXAMPLES])
def test_a_frame_is_the_list_of_the_protocol_and_comes_back(frame, plain):
    data = encode_frame(frame)
    assert decode(data) == plain
    assert decode_frame(data) == frame
    assert frame_type(frame) == plain[0]


def test_every_type_has_an_example():
    assert {plain[0] for _, plain in EXAMPLES} == TYPES


@pytest.mark.parametrize("plain", [plain for _, plain in EXAMPLES], ids=[plain[0] for _, plain in EXAMPLES])
def test_more_or_fewer_items_or_another_type_is_malformed(plain):
    wrong = [[*plain, 0], *([[plain[0], *rest] for rest in ([3.5], [None], [b"", b"", b"", b""], [{"a": 1}], [True])])]
    if len(plain) > 1:
        wrong.append(plain[:-1])
    for value in wrong:
        with pytest.raises((Malformed, NotCanonical)):
            decode_frame(encode(value) if 3.5 not in value else b"\x82\x64ping\xfb@\x0c\0\0\0\0\0\0")


def test_unknown_frames_have_their_own_code():
    with pytest.raises(Malformed) as caught:
        decode_frame(encode(["vote", 1]))
    assert caught.value.code == "unknown_frame"
    for value in ([], {}, [1], [b"ping", 1], "ping", None):
        with pytest.raises(Malformed) as caught:
            decode_frame(encode(value))
        assert caught.value.code == "malformed_frame"


def test_an_integer_in_more_bytes_than_it_needs_is_refused():
    assert decode_frame(b"\x82\x64ping\x01") == Ping(1)
    with pytest.raises(NotCanonical):
        decode_frame(b"\x82\x64ping\x18\x01")


def test_bounds():
    largest = Events(bytes(FRAME_PLAINTEXT_MAX - 13))
    assert len(encode_frame(largest)) == FRAME_PLAINTEXT_MAX
    with pytest.raises(ValueError, match="does not fit"):
        encode_frame(Events(bytes(FRAME_PLAINTEXT_MAX - 12)))
    with pytest.raises(Malformed) as caught:
        decode_frame(bytes(FRAME_PLAINTEXT_MAX + 1))
    assert caught.value.code == "frame_too_large"
    positions = [[ID, "node", 1, ID]] * (CURSORS_PER_FRAME + 1)
    with pytest.raises(Malformed):
        decode_frame(encode(["cursors", positions, False]))
    assert len(decode_frame(encode(["cursors", positions[1:], True])).positions) == CURSORS_PER_FRAME


def test_what_a_peer_would_refuse_is_not_sent():
    for frame in (Bye("Not A Code"), Want((b"short",)), TierChanged(""), Ping(-1)):
        with pytest.raises(ValueError, match=r"Expected"):
            encode_frame(frame)


def test_records_in_frames_are_those_of_identity():
    frame = decode_frame(encode_frame(Records((RECORD,))))
    assert parse_signed_record(frame.records[0]) == history("a")[0]


@settings(max_examples=400)
@given(st.binary(max_size=120))
def test_garbage_is_refused_with_a_code_and_nothing_else(data):
    try:
        frame = decode_frame(data)
    except (Malformed, NotCanonical):
        return
    assert encode_frame(frame) == data


@settings(max_examples=400)
@given(st.sampled_from([frame for frame, _ in EXAMPLES]), st.data())
def test_a_changed_byte_gives_another_frame_or_a_refusal(frame, data):
    encoded = bytearray(encode_frame(frame))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_frame(bytes(encoded))
    except (Malformed, NotCanonical):
        return
    assert other != frame
    assert encode_frame(other) == bytes(encoded)
