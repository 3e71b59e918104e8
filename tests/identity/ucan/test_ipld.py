from __future__ import annotations

import libipld
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foedus.base import cbor
from foedus.base.cbor import NotCanonical
from foedus.base.limits import NESTING_MAX
from foedus.identity.ucan.ipld import Link, cid_of, cid_text, decode, encode, is_token_cid

CID = cid_of(b"x")
SCALARS = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=30) | st.binary(max_size=30)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5))
LINKS = st.binary(max_size=40).map(lambda data: Link(cid_of(data)))
ALL = st.recursive(
    SCALARS | LINKS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
)


@given(PLAIN)
def test_without_links_and_floats_the_bytes_are_those_of_base_cbor(value):
    assert encode(value) == cbor.encode(value)
    assert decode(cbor.encode(value)) == value


@given(ALL)
def test_what_is_written_is_read(value):
    assert encode(decode(encode(value))) == encode(value)
    assert decode(encode(value)) == value


@given(st.binary(max_size=60) | ALL.map(encode), st.data())
def test_of_each_value_one_form_is_read(data, draw):
    changed = bytearray(data)
    if changed:
        changed[draw.draw(st.integers(0, len(changed) - 1))] = draw.draw(st.integers(0, 255))
    for candidate in (data, bytes(changed)):
        try:
            value = decode(candidate)
        except NotCanonical:
            continue
        assert encode(value) == candidate or b"\xfb" in candidate  # a float, which is not written


@example(bytes.fromhex("d82a5825000171122000") + bytes(31))
@given(st.binary(max_size=60))
def test_what_is_read_libipld_reads_too(data):
    try:
        decode(data)
    except NotCanonical:
        return
    libipld.decode_dag_cbor(data)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read(number):
    assert decode(libipld.encode_dag_cbor([number])) == [number]


def test_a_link_is_told_from_bytes_that_look_like_one():
    assert decode(encode([CID, Link(CID)])) == [CID, Link(CID)]
    assert encode(Link(CID)) == bytes.fromhex("d82a582500") + CID


@pytest.mark.parametrize(
    "data",
    [
        "",  # nothing
        "1800",  # 0 in two bytes
        "190018",  # 24 in three
        "f7",  # undefined
        "f93c00",  # a float of 16 bits
        "fa3f800000",  # of 32
        "fb7ff8000000000000",  # not a number
        "fb7ff0000000000000",  # infinite
        "9f00ff",  # a list of indefinite length
        "5f4100ff",  # bytes of indefinite length
        "1c",  # a reserved length
        "61ff",  # no UTF-8
        "6261",  # a text that ends early
        "820000ff",  # bytes after the value
        "a10000",  # a key that is no text
        "a161610061610",  # the same
        "a2616200616100",  # keys out of order
        "a2616100616100",  # a key twice
        "a262616100616200",  # longer keys come after shorter ones
        "c100",  # another tag
        "d82a00",  # a link that is no bytes
        "d82a4100",  # a link without a CID
        "d82a450001711220",  # a CID without its hash
        "d82a46000171122041",  # a hash of another length than said
        "d82a46008100711200",  # a version in more bytes than it needs
    ],
)
def test_other_forms_are_refused(data):
    with pytest.raises(NotCanonical):
        decode(bytes.fromhex(data) if len(data) % 2 == 0 else bytes.fromhex(data + "0"))


def test_nesting_is_bounded_in_both_directions():
    value = 0
    for _ in range(NESTING_MAX):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(ValueError, match="nested"):
        encode([value])
    with pytest.raises(NotCanonical):
        decode(b"\x81" + encode(value))
    with pytest.raises(NotCanonical):
        decode(b"\x81" * 100_000)


@pytest.mark.parametrize("value", [{1}, 2**64, -(2**64) - 1, 0.5, float("nan"), (1,), bytearray(2), object()])
def test_what_has_no_canonical_form_is_not_written(value):
    with pytest.raises(ValueError):  # noqa: PT011  # which one does not matter, and the message varies
        encode([value])


def test_a_cid_is_shown_in_base32():
    assert is_token_cid(CID)
    assert not is_token_cid(CID[:-1])
    assert not is_token_cid(b"\x01\x55" + CID[2:])
    assert cid_text(CID).startswith("bafyrei")
    assert len(cid_text(CID)) == 59
