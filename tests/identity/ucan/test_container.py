from __future__ import annotations

import base64
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import NotCanonical
from foedus.identity.ucan import decode_container, encode_container
from foedus.identity.ucan.container import CONTAINER_BYTES_MAX, CONTAINER_TOKENS_MAX
from foedus.identity.ucan.errors import MalformedUcan
from foedus.identity.ucan.ipld import encode

TOKENS = [b"a" * 100, b"b", bytes(range(256))]
PLAIN = encode({"ctn-v1": sorted(TOKENS)})
URL = base64.urlsafe_b64encode


@given(st.lists(st.binary(max_size=50), max_size=CONTAINER_TOKENS_MAX), st.booleans())
def test_tokens_come_back_each_once(tokens, text):
    data = encode_container(tokens, text=text)
    assert decode_container(data) == sorted(set(tokens))
    assert data[:1] == (b"C" if text else b"@")
    assert not text or data.isascii()


@pytest.mark.parametrize(
    "data",
    [
        b"@" + PLAIN,
        b"B" + base64.b64encode(PLAIN),
        b"C" + URL(PLAIN).rstrip(b"="),
        b"M" + gzip.compress(PLAIN),
        b"O" + base64.b64encode(gzip.compress(PLAIN)),
        b"P" + URL(gzip.compress(PLAIN)).rstrip(b"="),
    ],
)
def test_all_six_ways_are_read(data):
    assert decode_container(data) == sorted(TOKENS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"A" + PLAIN,
        PLAIN,
        b"B" + URL(bytes([251] * 30)),
        b"B" + base64.b64encode(PLAIN).rstrip(b"=")[:-1],
        b"B" + base64.b64encode(PLAIN) + b"\n",
        b"C" + base64.b64encode(b"\xfb\xff" + PLAIN),
        b"C!!!!",
        b"M" + PLAIN,
        b"M" + gzip.compress(PLAIN)[:-1],
        b"M" + gzip.compress(PLAIN) + b"x",
        b"M" + gzip.compress(PLAIN) * 2,
        b"M" + gzip.compress(bytes(100 * 1_048_576)),  # 100 KB that want to be 100 MB
        b"@" + encode({}),
        b"@" + encode([]),
        b"@" + encode({"ctn-v1": [], "ctn-v2": []}),
        b"@" + encode({"ctn-v1": b""}),
        b"@" + encode({"ctn-v1": ["text"]}),
        b"@" + encode({"ctn-v1": [b""] * (CONTAINER_TOKENS_MAX + 1)}),
        b"@" + encode({"ctn-v1": [bytes(CONTAINER_BYTES_MAX)]}),
        b"@" + bytes(10 * CONTAINER_BYTES_MAX),
    ],
    ids=range(21),
)
def test_what_is_no_container_is_refused(data):
    with pytest.raises(MalformedUcan):
        decode_container(data)


@given(st.binary(max_size=100), st.sampled_from(b"@BCMOP"))
def test_any_bytes_are_answered(data, form):
    try:
        decode_container(bytes([form]) + data)
    except (MalformedUcan, NotCanonical):
        return


def test_too_much_is_not_written():
    with pytest.raises(MalformedUcan):
        encode_container([bytes([number]) for number in range(CONTAINER_TOKENS_MAX + 1)])
    with pytest.raises(MalformedUcan):
        encode_container([bytes(CONTAINER_BYTES_MAX)])
