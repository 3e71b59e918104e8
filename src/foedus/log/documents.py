"""The bodies of documents (docs/documents.md; docs/protocol.md, section 3): updates in rooms, and who signs them."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.blobs import Blob
from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, learn
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.base.limits import NAME_MAX, RECORDS_MAX
from foedus.log.event import Id

PARTS_MAX = 11
"""Acts of one update. What fits them stands in the log itself and needs no fetching; what is larger is a blob."""
PART_BYTES = 49_152
"""Bytes of an update in one act: what fits a body beside the document's name."""
SESSION_US = 24 * 3_600 * 1_000_000
"""The longest time for which a session key signs, in microseconds."""


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class DocumentUpdate(_Body, frozen=True):
    """``document.update``: part ``part`` of ``parts`` of a Yjs update (version 1) of a document of this room."""

    document: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    part: Annotated[int, Meta(ge=0, lt=PARTS_MAX)]
    parts: Annotated[int, Meta(ge=1, le=PARTS_MAX)]
    update: Annotated[bytes, Meta(min_length=1, max_length=PART_BYTES)]


class DocumentUpload(_Body, frozen=True):
    """``document.upload``: an update of a document of this room, too large for acts; it counts once it is here."""

    document: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    blob: Blob


class CoveredChain(NamedTuple):
    """A chain of this stream up to a seq, by its epoch."""

    epoch: Id
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]


class DocumentSnapshot(_Body, frozen=True):
    """``document.snapshot``: so many ``updates`` of a document in its node's own ``chains`` of this room, as one."""

    document: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    chains: Annotated[tuple[CoveredChain, ...], Meta(min_length=1, max_length=RECORDS_MAX)]
    updates: Annotated[int, Meta(ge=1, lt=1 << 53)]
    blob: Blob


class DocumentSession(_Body, frozen=True):
    """``document.session``: ``key`` signs updates of one document for the device that signs this, until ``until``.

    ``room`` and ``document`` are ``scope`` of the room's id, and of that and the document's name: all peers hold this,
    and not all know the room.
    """

    key: Id
    room: Id
    document: Id
    until: Annotated[Instant, Meta(ge=0, lt=1 << 53)]


DocumentBody: TypeAlias = DocumentUpdate | DocumentUpload | DocumentSnapshot | DocumentSession
DOCUMENT_SHAPES: dict[str, type[DocumentBody]] = {
    "document.session": DocumentSession,
    "document.snapshot": DocumentSnapshot,
    "document.update": DocumentUpdate,
    "document.upload": DocumentUpload,
}
NAMING: dict[str, type[DocumentUpload | DocumentSnapshot]] = {
    "document.upload": DocumentUpload,
    "document.snapshot": DocumentSnapshot,
}
"""The kinds whose bodies name a blob."""
EDITS = frozenset({"document.update", "document.upload"})
"""What a session key may sign."""

learn(*DOCUMENT_SHAPES.values())


def scope(room: bytes, document: str = "") -> bytes:
    """Return what stands for a room, or ('' no document) for one of its documents, in a session. 32 bytes."""
    return sha256(encode([room, document]))


def naming(kind: str, body: bytes | None) -> DocumentUpload | DocumentSnapshot | None:
    """Return the body of an event that names a blob; None where it is erased, missing, or none."""
    shape = NAMING.get(kind)
    if shape is None or body is None:
        return None
    try:
        found = decode_as(body, shape)
    except (Malformed, NotCanonical):
        return None
    return found if found.blob.is_sound else None
