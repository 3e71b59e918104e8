"""Both stores of blobs keep the contract of the port."""

import stat

import pytest

from foedus.adapters.log_errors import DamagedDatabase
from foedus.adapters.memory_blobs import MemoryBlobs
from foedus.adapters.sqlite_blobs import SqliteBlobs
from foedus.base.blobs import Named, cut
from foedus.base.limits import CHUNK_BYTES

ROOM, OTHER = "room:" + "1" * 64, "room:" + "2" * 64
NODE = b"n" * 32
LONG = bytes(range(251)) * 1_000
BLOB, CHUNKS = cut(LONG)


def named(event, stream=ROOM, blob=BLOB):
    return Named(event * 32, stream, NODE, blob)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    found = MemoryBlobs() if request.param == "memory" else SqliteBlobs(tmp_path / "blobs.db")
    yield found
    found.close()


def test_what_is_put_is_read(store):
    store.name([named(b"a")])
    assert store.missing(ROOM, BLOB) == [0, 1, 2, 3]
    assert store.read(ROOM, BLOB) is None
    for number, chunk in enumerate(BLOB.chunks):
        store.put(ROOM, {chunk: CHUNKS[chunk]})
        assert store.missing(ROOM, BLOB) == [0, 1, 2, 3][number + 1 :]
    assert store.read(ROOM, BLOB) == LONG
    assert store.chunk(ROOM, BLOB.chunks[0]) == LONG[:CHUNK_BYTES]
    assert list(store.named()) == [named(b"a")]


def test_what_is_in_one_stream_is_not_in_another(store):
    store.put(ROOM, CHUNKS)
    assert store.read(OTHER, BLOB) is None
    assert store.chunk(OTHER, BLOB.chunks[0]) is None
    assert len(store.missing(OTHER, BLOB)) == 4


def test_what_nobody_names_any_more_goes(store):
    again, more = cut(LONG[:CHUNK_BYTES] + b"another end")
    for stream in (ROOM, OTHER):
        store.put(stream, CHUNKS | more)
    store.name([named(b"a"), named(b"b", blob=again), named(b"c", OTHER)])
    store.forget([b"a" * 32, b"unknown"])
    assert store.read(ROOM, BLOB) is None
    assert store.read(ROOM, again) == LONG[:CHUNK_BYTES] + b"another end"
    assert store.read(OTHER, BLOB) == LONG
    store.forget([b"b" * 32])
    assert store.chunk(ROOM, again.chunks[0]) is None
    assert list(store.named()) == [named(b"c", OTHER)]


def test_names_and_chunks_that_are_there_stay(store):
    store.name([named(b"a")])
    store.name([named(b"a", blob=cut(b"other")[0])])
    store.put(ROOM, CHUNKS)
    store.put(ROOM, CHUNKS)
    assert list(store.named()) == [named(b"a")]
    assert store.read(ROOM, BLOB) == LONG


def test_it_knows_how_far_the_log_was_read(store):
    assert store.reached() == 0
    store.reach(7)
    store.reach(9)
    assert store.reached() == 9


def test_a_file_holds_it_all_after_a_restart_and_nothing_of_what_went(tmp_path):
    path = tmp_path / "blobs.db"
    store = SqliteBlobs(path)
    secret = b"a secret that goes " * 9_000
    blob, chunks = cut(secret)
    store.name([named(b"a"), named(b"s", blob=blob)])
    store.put(ROOM, CHUNKS | chunks)
    store.reach(3)
    store.forget([b"s" * 32])
    assert all(b"a secret" not in file.read_bytes() for file in tmp_path.iterdir())
    store.close()
    store = SqliteBlobs(path)
    assert (store.read(ROOM, BLOB), store.reached(), list(store.named())) == (LONG, 3, [named(b"a")])
    store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_file_is_no_store_of_blobs(tmp_path):
    path = tmp_path / "blobs.db"
    path.write_bytes(b"something else" * 1_000)
    with pytest.raises(DamagedDatabase):
        SqliteBlobs(path)
