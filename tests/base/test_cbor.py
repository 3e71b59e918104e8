"""Canonical bytes: one encoding per value, and whatever the bytes, never another error."""

import subprocess
import sys

import libipld
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base import cbor
from foedus.base.cbor import (
    Malformed,
    NotCanonical,
    check_items,
    decode,
    decode_as,
    encode,
    frame,
    split_frames,
    to_plain,
)
from foedus.base.limits import NESTING_MAX

SCALARS = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=20) | st.binary(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: int
    b: bytes


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@given(VALUES)
def test_what_is_encoded_comes_back(value):
    assert decode(encode(value)) == value


@given(VALUES, st.data())
def test_an_altered_byte_is_another_value_or_refused(value, data):
    encoded = bytearray(encode(value))
    index = data.draw(st.integers(0, len(encoded) - 1))
    encoded[index] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(encoded))
    except NotCanonical:
        return
    assert encode(other) == bytes(encoded)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data):
    try:
        value = decode(data)
    except NotCanonical:
        return
    assert encode(value) == data


NOT_CANONICAL = {
    "an integer in more bytes than it needs": b"\x18\x01",
    "a length in more bytes than it needs": b"\x58\x01a",
    "unsorted keys": b"\xa2\x61b\x01\x61a\x02",
    "a key twice": b"\xa2\x61a\x01\x61a\x02",
    "a key that is not text": b"\xa1\x01\x01",
    "a float": b"\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00",
    "a short float": b"\xfa\x3f\xc0\x00\x00",
    "a float inside": b"\x81\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00",
    "an indefinite length": b"\x9f\xff",
    "undefined": b"\xf7",
    "two values": b"\x01\x01",
    "nothing": b"",
    "half a value": b"\x82\x01",
    "a length beyond the end": b"\x5b\x00\x00\x00\xff\x00\x00\x00\x00",
    "text that is not UTF-8": b"\x61\xff",
    "very deep nesting": b"\x81" * 100_000 + b"\x01",
}


@pytest.mark.parametrize("data", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_what_is_not_canonical_is_refused(data):
    with pytest.raises(NotCanonical):
        decode(data)
    with pytest.raises((NotCanonical, Malformed)):
        decode_as(data, list[int])


LOOK_LIKE_LINKS = (
    b"\x01\x71\x12\x20" + bytes(32),
    b"\x12\x20" + bytes(32),
    b"\x01\x55\x00\x1c" + bytes(28),
    b"\x01\x55\x00\x00",
)


@pytest.mark.parametrize("value", LOOK_LIKE_LINKS)
def test_bytes_that_look_like_a_link_are_bytes(value):
    plain = bytes([0x58, len(value)]) + value if len(value) > 23 else bytes([0x40 | len(value)]) + value
    assert encode(value) == plain
    assert decode(plain) == value
    assert encode({"b": value, "aa": [value, -1, 300, None, True, "é"]})[3:].startswith(plain)
    assert libipld.encode_dag_cbor(value) != plain, "libipld has changed: _encode_plainly may go"


@pytest.mark.parametrize("value", LOOK_LIKE_LINKS)
def test_a_link_is_refused(value):
    with pytest.raises(NotCanonical):
        decode(libipld.encode_dag_cbor(value))


@given(VALUES)
def test_the_plain_encoder_agrees_with_the_fast_one(value):
    fast = libipld.encode_dag_cbor(value)
    if b"\xd8\x2a" not in fast:
        assert cbor._encode_plainly(value) == fast


def test_nesting_is_bounded():
    assert decode(encode(nested(NESTING_MAX))) == nested(NESTING_MAX)
    with pytest.raises(NotCanonical):
        decode(encode(nested(NESTING_MAX + 1)))


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, {"a": 1, "b": b"", "c": 1}, {"a": 1.5, "b": b""}, {"a": True, "b": b""}, {"a": 1, "b": "YQ"}, [1, b""]],
)
def test_another_shape_is_malformed(value):
    with pytest.raises(Malformed):
        decode_as(encode(value), Pair)


def test_text_is_never_taken_for_bytes():
    assert decode_as(encode({"a": 1, "b": b"YQ=="}), Pair) == Pair(1, b"YQ==")
    with pytest.raises(Malformed):
        decode_as(encode({"a": 1, "b": "YQ=="}), Pair)


def test_a_struct_with_tuples_is_encoded():
    class Many(msgspec.Struct):
        items: tuple[Pair, ...]

    assert decode(encode(to_plain(Many((Pair(1, b"x"),))))) == {"items": [{"a": 1, "b": b"x"}]}


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_a_batch_comes_apart_as_it_was_put_together(parts):
    assert split_frames(b"".join(frame(part) for part in parts), 10) == parts


@given(st.binary(max_size=40))
def test_any_bytes_are_a_batch_or_refused(data):
    try:
        parts = split_frames(data, 5)
    except Malformed:
        return
    assert b"".join(frame(part) for part in parts) == data


def test_a_batch_is_bounded():
    with pytest.raises(Malformed):
        split_frames(frame(b"") * 6, 5)


def test_threads_may_decode_a_learnt_type_for_the_first_time_at_once():
    """msgspec crashes the interpreter otherwise (about one time in ten with these numbers, so it gets a process)."""
    script = """
import sys, threading
from typing import NamedTuple
from msgspec import Struct
from foedus.base.cbor import convert, learn
sys.setswitchinterval(1e-6)
for _ in range(300):
    names = {**globals()}
    exec('''
class Time(NamedTuple):
    us: int
    counter: int
class Act(Struct, frozen=True, forbid_unknown_fields=True):
    at: int
    auth: tuple[bytes, ...]
class Event(Struct, frozen=True, forbid_unknown_fields=True):
    act: Act
    time: Time
''', names)
    shape = names["Event"]
    learn(shape)
    start = threading.Barrier(4)
    def decode():
        start.wait()
        convert({"act": {"at": 1, "auth": [b"x"]}, "time": [1, 2]}, shape)
    threads = [threading.Thread(target=decode) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


@given(VALUES)
def test_items_are_counted_without_decoding(value):
    data = encode(value)
    count = items_in(value)
    check_items(data, count)
    with pytest.raises(Malformed):
        check_items(data, count - 1)


def items_in(value):
    if isinstance(value, dict):
        return 1 + len(value) + sum(items_in(item) for item in value.values())
    return 1 + (sum(items_in(item) for item in value) if isinstance(value, list) else 0)


@given(st.binary(max_size=200))
def test_counting_items_ends_whatever_the_bytes(data):
    check_items(data, 200)


def test_two_bytes_that_look_like_a_tag_cost_no_plain_encoding(monkeypatch):
    monkeypatch.setattr(cbor, "_encode_plainly", lambda _value: b"plainly")
    assert cbor.encode([b"\xd8\x2a" * 20, b"\xd8\x2a\x58\x25\x00\x02"]) != b"plainly"
    link = b"\x01\x55\x12\x20" + bytes(32)
    assert cbor.encode([b"\xd8\x2a", link]) == b"plainly"
