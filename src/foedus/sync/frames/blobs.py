"""Frames that bring the chunks of a blob."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from foedus.base.limits import BLOB_CHUNKS_MAX, CHUNK_BYTES, CHUNKS_PER_FRAME
from foedus.log.event import Id

ChunkNumbers: TypeAlias = Annotated[
    tuple[Annotated[int, Meta(ge=0, lt=BLOB_CHUNKS_MAX)], ...], Meta(min_length=1, max_length=CHUNKS_PER_FRAME)
]


class WantChunks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_chunks"):
    """Asks for chunks, by their numbers, of the blob that an event names."""

    event: Id
    numbers: ChunkNumbers


class Chunk(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="chunk"):
    """A chunk that was asked for."""

    event: Id
    number: Annotated[int, Meta(ge=0, lt=BLOB_CHUNKS_MAX)]
    data: Annotated[bytes, Meta(min_length=1, max_length=CHUNK_BYTES)]


class NoChunks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="no_chunks"):
    """Chunks that are not held, or not for the asker: one answer for both."""

    event: Id
    numbers: ChunkNumbers


class HaveBlob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have_blob"):
    """The sender, who said ``no_chunks`` of an event before, has all of its blob by now."""

    event: Id


BlobFrame: TypeAlias = WantChunks | Chunk | NoChunks | HaveBlob
