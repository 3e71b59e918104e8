"""How bytes are cut into chunks and named, and what is a chunk of a blob."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.blobs import Blob, cut
from foedus.base.cbor import Malformed, decode_as, encode, to_plain
from foedus.base.limits import BLOB_BYTES_MAX, BLOB_CHUNKS_MAX, CHUNK_BYTES


@given(st.integers(1, 4 * CHUNK_BYTES), st.binary(min_size=1, max_size=9))
def test_chunks_joined_are_the_bytes(size, pattern):
    data = (pattern * (size // len(pattern) + 1))[:size]
    blob, chunks = cut(data)
    assert blob.is_sound
    assert b"".join(chunks[name] for name in blob.chunks) == data
    assert all(blob.is_chunk(number, chunks[name]) for number, name in enumerate(blob.chunks))
    assert decode_as(encode(to_plain(blob)), Blob) == blob


def test_what_is_no_chunk_of_it():
    data = bytes(CHUNK_BYTES) + b"end"
    blob, _ = cut(data)
    assert blob.is_chunk(1, b"end")
    for number, piece in ((0, b"end"), (1, b"enD"), (1, b"end "), (2, b"end"), (1, b"")):
        assert not blob.is_chunk(number, piece)


def test_a_name_that_does_not_fit_its_size_is_not_sound():
    assert not Blob(CHUNK_BYTES + 1, (bytes(32),)).is_sound
    assert not Blob(1, (bytes(32), bytes(32))).is_sound


@pytest.mark.parametrize(
    ("size", "chunks"),
    [(0, 1), (BLOB_BYTES_MAX + 1, BLOB_CHUNKS_MAX), (1, 0), (BLOB_BYTES_MAX, BLOB_CHUNKS_MAX + 1)],
)
def test_a_blob_is_bounded(size, chunks):
    with pytest.raises(Malformed):
        decode_as(encode({"size": size, "chunks": [bytes(32)] * chunks}), Blob)
