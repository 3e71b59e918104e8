"""Blobs: content that no body holds. A body names its chunks by their hashes; whoever may see it may fetch them.

Cutting, naming and checking stand here, and the port of what keeps chunks. Chunks are kept by stream: to know the hash
of something that was said in one room gives nobody a right to it in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol

from msgspec import Meta, Struct

from foedus.base.cbor import learn
from foedus.base.ids import sha256
from foedus.base.limits import BLOB_BYTES_MAX, BLOB_CHUNKS_MAX, CHUNK_BYTES

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Blob(Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a blob, as it stands in a body: ``size`` in bytes, and SHA-256 of each chunk in their order."""

    size: Annotated[int, Meta(ge=1, le=BLOB_BYTES_MAX)]
    chunks: Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=BLOB_CHUNKS_MAX)]

    @property
    def is_sound(self) -> bool:
        """Whether it has as many chunks as its size takes. One that is not is nothing, at every node."""
        return len(self.chunks) == -(-self.size // CHUNK_BYTES)

    def chunk_bytes(self, number: int) -> int:
        """Return how many bytes a chunk has: CHUNK_BYTES, and the last one what is left."""
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)

    def is_chunk(self, number: int, data: bytes) -> bool:
        """Whether bytes are the chunk of a number (from 0)."""
        return (
            number < len(self.chunks) and len(data) == self.chunk_bytes(number) and sha256(data) == self.chunks[number]
        )


learn(Blob)


def cut(data: bytes) -> tuple[Blob, dict[bytes, bytes]]:
    """Return the name of bytes (1 to BLOB_BYTES_MAX of them) and their chunks by hash."""
    pieces = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    hashes = tuple(map(sha256, pieces))
    return Blob(len(data), hashes), dict(zip(hashes, pieces, strict=True))


class Named(NamedTuple):
    """An event that names a blob. ``node``: who wrote it; b'' while it is only about to be written."""

    event: bytes
    stream: str
    node: bytes
    blob: Blob


class BlobStore(Protocol):
    """Chunks by stream and hash, and the events that name them. What a method stored is durable when it returns.

    Methods may block, and any thread may call them. They raise Unavailable. Chunks that come in were checked.
    """

    def name(self, named: Sequence[Named]) -> None:
        """Note that events name blobs, whether or not the chunks are here; one that is noted already stays."""
        ...

    def put(self, stream: str, chunks: Mapping[bytes, bytes]) -> None:
        """Keep chunks by their hashes."""
        ...

    def chunk(self, stream: str, chunk: bytes) -> bytes | None:
        """Return a chunk, None where it is not here."""
        ...

    def missing(self, stream: str, blob: Blob) -> list[int]:
        """Return the numbers of the chunks that are not here."""
        ...

    def read(self, stream: str, blob: Blob) -> bytes | None:
        """Return a whole blob, None where a chunk is not here."""
        ...

    def forget(self, events: Sequence[bytes]) -> None:
        """Let names go, and the chunks that no other event of their streams names. Nothing of them stays in files."""
        ...

    def named(self) -> Iterator[Named]:
        """Yield what is noted, in no order."""
        ...

    def reached(self) -> int:
        """Return what ``reach`` was told last, 0 in a new store."""
        ...

    def reach(self, local: int) -> None:
        """Note up to which local number of the log all names are noted."""
        ...

    def close(self) -> None:
        """Release files."""
        ...
