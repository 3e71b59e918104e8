import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.base64url import to_base64url
from foedus.identity.credentials.errors import StatusUnknown
from foedus.identity.credentials.status_list import (
    STATUS_BITS_MAX,
    STATUS_BITS_MIN,
    decode_list,
    empty_list,
    encode_list,
    is_set,
    keeps,
    with_bit,
)


def packed(data):
    return "u" + to_base64url(data)


@given(st.sets(st.integers(0, STATUS_BITS_MIN - 1), max_size=20))
def test_exactly_the_bits_set_are_read_back(places):
    bits = empty_list()
    for place in places:
        bits = with_bit(bits, place)
    back = decode_list(encode_list(bits))
    assert back == bits
    assert {place for place in range(0, STATUS_BITS_MIN, 1) if back[place // 8] and is_set(back, place)} == places
    assert keeps(empty_list(), bits)
    assert keeps(bits, empty_list()) is (not places)


def test_index_zero_is_the_leftmost_bit():
    assert with_bit(empty_list(), 0)[0] == 0x80
    assert with_bit(empty_list(), 15)[1] == 0x01


def test_the_example_of_the_specification_is_read():
    # Bitstring Status List 1.0, section 4.1, examples: an empty list of 16 KiB.
    example = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    assert decode_list(example) == empty_list()


def test_a_bomb_stops_at_the_bound():
    bomb = packed(gzip.compress(bytes(64 * 1_048_576), mtime=0))
    tracemalloc.start()
    with pytest.raises(StatusUnknown) as refused:
        decode_list(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "status_list_too_large"
    assert peak < 4 * STATUS_BITS_MAX // 8


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "u",
        "z" + "1" * 20,
        "u!!!!",
        "uAAAA",
        packed(gzip.compress(bytes(STATUS_BITS_MIN // 8 - 1), mtime=0)),
        packed(gzip.compress(empty_list(), mtime=0)[:-6]),
        packed(gzip.compress(empty_list(), mtime=0) + b"more"),
        packed(gzip.compress(empty_list(), mtime=0)[:-8] + bytes(8)),
    ],
)
def test_what_is_no_list_is_refused(text):
    with pytest.raises(StatusUnknown) as refused:
        decode_list(text)
    assert refused.value.code == "bad_status_list"


@pytest.mark.parametrize("place", [-1, STATUS_BITS_MIN])
def test_a_place_beyond_the_list_tells_nothing(place):
    with pytest.raises(StatusUnknown):
        is_set(empty_list(), place)
