from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import Malformed, NotCanonical, decode, encode
from foedus.base.errors import PeerViolation
from foedus.crypto import ed25519
from foedus.identity.did import did_of
from foedus.identity.manifest import (
    MANIFEST_BYTES_MAX,
    MANIFEST_JSON_MAX,
    Agent,
    BadManifest,
    Manifest,
    SignedManifest,
    build_manifest,
    is_newer,
    read_manifest,
    to_json,
    verify_manifest,
)
from foedus.identity.record import BadRecord
from tests.identity.nodes import first, keys, rotate

HISTORY = (first(), rotate(first(), "a", "b"))


def manifest(**changes) -> Manifest:
    fields = {
        "v": 1,
        "name": "Anna",
        "node": first().node,
        "did": did_of(keys("b").ed25519.public),
        "version": "0.1.0",
        "endpoints": ("wss://anna.example:8102/api/federation/link",),
        "capabilities": {"events": {"major": 1}, "blobs": {"major": 1, "chunk": 65_536}},
        "agents": (Agent(did_of(bytes(32)), "librarian"),),
        "federation": {"require_mutual": True, "auto_accept_known": False, "requests": 256, "contact": "a@b.example"},
        "serial": 7,
        "at": 1_800_000_000_000_000,
    }
    return Manifest(**fields | changes)


def built() -> SignedManifest:
    return build_manifest(manifest(), keys("b").ed25519, HISTORY)


def test_a_reader_of_the_json_gets_what_was_signed():
    again = read_manifest(to_json(built()))
    assert again == built()
    assert again.manifest == manifest()
    assert again.records == HISTORY


def test_the_signature_covers_the_label_and_the_bytes():
    signed = built()
    assert ed25519.verify(keys("b").ed25519.public, b"foedus/manifest/1\0" + signed.manifest_bytes, signed.signature)
    assert verify_manifest(signed.manifest_bytes, signed.signature, keys("b").ed25519.public) == manifest()
    with pytest.raises(BadManifest, match="not signed"):
        verify_manifest(signed.manifest_bytes, signed.signature, keys("a").ed25519.public)


def test_people_can_read_the_json_but_programs_believe_the_signed_part_alone():
    view = json.loads(to_json(built()))
    assert view["name"] == "Anna"
    assert view["node"] == first().node.hex()
    assert view["endpoints"] == list(manifest().endpoints)
    view |= {"name": "Mallory", "endpoints": ["wss://mallory.example"], "more": 1}
    assert read_manifest(json.dumps(view).encode()).manifest.name == "Anna"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_character_altered_in_the_signed_part_is_refused(data):
    view = json.loads(to_json(built()))
    signed = view["signed"]
    holder, key = data.draw(
        st.sampled_from([(signed, "manifest"), (signed, "signature"), (signed["records"], 0), (signed["records"], 1)]),
    )
    text = holder[key]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABab01-_=+/ ").filter(lambda c: c != text[place]))
    holder[key] = text[:place] + letter + text[place + 1 :]
    with pytest.raises((BadManifest, BadRecord, Malformed, NotCanonical)):
        read_manifest(json.dumps(view).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"signed":{}}', b"[" * 100_000, bytes(MANIFEST_JSON_MAX + 1)]
)
def test_what_is_not_a_manifest_is_refused(data):
    with pytest.raises(BadManifest):
        read_manifest(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_refused_as_a_violation(data):
    with pytest.raises(PeerViolation):
        read_manifest(data)


def test_a_manifest_of_a_superseded_key_is_refused():
    with pytest.raises(BadManifest, match="not signed"):
        build_manifest(manifest(), keys("a").ed25519, HISTORY)


def test_the_names_inside_are_those_of_the_records():
    for wrong in (manifest(node=bytes(32)), manifest(did=did_of(keys("a").ed25519.public))):
        with pytest.raises(BadManifest, match="names another"):
            build_manifest(wrong, keys("b").ed25519, HISTORY)
        data = msgspec.structs.replace(built(), manifest=wrong)
        assert read_manifest(to_json(data)).manifest == manifest()


@pytest.mark.parametrize("change", [{"node": bytes(32)}, {"did": did_of(keys("a").ed25519.public)}])
def test_a_reader_checks_the_names_too(change):
    data = encode(decode(built().manifest_bytes) | change)
    signature = keys("b").ed25519.sign(b"foedus/manifest/1\0" + data)
    with pytest.raises(BadManifest, match="names another"):
        read_manifest(to_json(SignedManifest(manifest(), data, signature, HISTORY)))


def test_a_manifest_of_another_node_is_refused():
    foreign = build_manifest(
        manifest(node=first("z").node, did=did_of(keys("z").ed25519.public)),
        keys("z").ed25519,
        (first("z"),),
    )
    with pytest.raises(BadManifest, match="not signed"):
        read_manifest(to_json(msgspec.structs.replace(foreign, records=HISTORY)))


def test_a_history_that_does_not_hold_is_refused():
    for records in ((), HISTORY[1:], HISTORY[::-1]):
        with pytest.raises(BadRecord):
            read_manifest(to_json(msgspec.structs.replace(built(), records=records)))
    with pytest.raises(BadManifest):
        build_manifest(manifest(), keys("b").ed25519, ())


def test_values_out_of_bounds_are_never_signed():
    wrong = [
        {"name": ""},
        {"name": "x" * 129},
        {"endpoints": ("x",) * 9},
        {"did": "did:web:x"},
        {"serial": -1},
        {"v": 2},
    ]
    wrong += [{"federation": {"x": 1.5}}, {"capabilities": {"x": {"major": "1"}}}, {"agents": ({"did": "x"},)}]
    for change in wrong:
        with pytest.raises((Malformed, ValueError)):
            build_manifest(manifest(**change), keys("b").ed25519, HISTORY)


def test_the_signed_part_is_bounded():
    many = {f"{number:060}": {f"{n:060}": n for n in range(32)} for number in range(64)}
    with pytest.raises(BadManifest, match=str(MANIFEST_BYTES_MAX)):
        build_manifest(manifest(capabilities=many), keys("b").ed25519, HISTORY)


def test_a_serial_never_goes_back():
    assert is_newer(None, 0)
    assert is_newer(7, 8)
    assert not is_newer(7, 7)
    assert not is_newer(7, 6)
