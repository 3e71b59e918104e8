"""What rows of the log bring to documents, as far as it counts here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from foedus.base.blobs import Blob
from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log import streams
from foedus.log.documents import NAMING, DocumentSnapshot, DocumentUpdate, DocumentUpload, naming, scope
from foedus.log.event import Event, read_event
from foedus.log.port import Row, Verdict
from foedus.node.store import Store
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.fold import UPDATE, UPLOAD, Part, Snapshot
from foedus.state.documents.update import Reach, reach

CHECKED_MAX = 1_024
"""Blobs of which it is remembered whether they are updates."""
KINDS = NAMING.keys() | {UPDATE}

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""


class BlobReader(Protocol):
    """Reads what rows of a stream name."""

    def read(self, stream: str, blob: Blob) -> bytes | None:
        """Return a blob, None where it is not here."""
        ...

    def is_here(self, stream: str, blob: Blob) -> bool:
        """Whether it is here."""
        ...


class Brought(NamedTuple):
    """What a row that counts brings.

    ``id``: of its event where that is to be tallied, else b''. ``piece``: None where its blob is no update. ``found``:
    what ``reach`` returned of it where it was asked.
    """

    id: bytes
    piece: Part | Snapshot | None
    found: Reach | None


class DocumentRows:
    """Judges rows by what is held and agreed now. On the event loop's thread."""

    def __init__(self, store: Store, clause: Clause, blobs: BlobReader) -> None:
        self._store = store
        self._clause = clause
        self._blobs = blobs
        self._checked: OrderedDict[Blob, Reach | None] = OrderedDict()
        """What blobs that are here bring, None: no update. Looked at in a thread, since the largest take seconds."""

    async def brought(self, rows: Sequence[Row]) -> list[Brought]:
        """Return what rows bring that counts here; of blobs that are here it is seen first whether they are updates."""
        for row in rows:
            if row.kind in NAMING:
                await self.look_at(row)
        return self.brought_now(rows)

    def brought_now(self, rows: Sequence[Row]) -> list[Brought]:
        """Return the same without waiting: a blob that was not looked at is left for ``look_at``."""
        return [found for row in rows if row.kind in KINDS and (found := self._brought(row)) is not None]

    def is_tallied(self, row: Row) -> bool:
        """Whether a row would be brought with an id. Its blob is not read for that."""
        if row.kind == UPDATE:
            return self._brought(row) is not None
        if row.kind != UPLOAD:
            return False
        body = self._counting(row, read_event(row.envelope))
        return body is not None and not isinstance(body, DocumentUpdate) and self._blobs.is_here(row.stream, body.blob)

    async def look_at(self, row: Row) -> None:
        """Read the blob that a row names, where it is here, and see whether it is an update."""
        body = naming(row.kind, row.envelope.body)
        if body is not None and body.blob not in self._checked:
            data = await asyncio.to_thread(self._blobs.read, row.stream, body.blob)
            if data is not None:
                self._checked[body.blob] = await asyncio.to_thread(_reach_of, data)
            while len(self._checked) > CHECKED_MAX:
                self._checked.popitem(last=False)

    def is_checked(self, row: Row) -> bool:
        """Whether a row names no blob that has to be looked at."""
        body = naming(row.kind, row.envelope.body)
        return body is None or body.blob in self._checked

    def _counts(self, row: Row, event: Event, node: bytes) -> bool:
        """Whether a row is accepted, not erased, and not withheld here now."""
        erasures = self._store.admission.erasures
        if row.verdict is not Verdict.ACCEPTED or row.envelope.body is None or self._clause(row, event, node):
            return False
        return not (erasures.names(row.id) and erasures.erased_by(row.id, event))

    def _counting(self, row: Row, event: Event) -> DocumentUpdate | DocumentUpload | DocumentSnapshot | None:
        """Return the body of a row, None where it does not count here."""
        node, body = self._node_of(row), row.envelope.body
        if body is None or not self._counts(row, event, node):
            return None
        said = naming(row.kind, body) if row.kind in NAMING else _update(body)
        return said if said is not None and self._is_of_session(event, node, said.document) else None

    def _brought(self, row: Row) -> Brought | None:
        """Return what a row brings, None where it does not count here, or its blob is not here, or not looked at."""
        event = read_event(row.envelope)
        said, where, author = self._counting(row, event), (row.epoch, row.seq), event.act.author
        if isinstance(said, DocumentUpdate):
            return Brought(row.id, Part(said.document, *where, author, said.part, said.parts, said.update), None)
        if said is None or said.blob not in self._checked:
            return None
        found, is_snapshot = self._checked[said.blob], isinstance(said, DocumentSnapshot)
        data = self._blobs.read(row.stream, said.blob) if found is not None else b""
        if data is None:
            return None
        piece: Part | Snapshot | None = None
        if found is not None and isinstance(said, DocumentSnapshot):
            piece = Snapshot(said.document, self._node_of(row), *where, dict(said.chains), data)
        elif found is not None:
            piece = Part(said.document, *where, author, 0, 1, data)
        return Brought(b"" if is_snapshot else row.id, piece, found)

    def _node_of(self, row: Row) -> bytes:
        return self._store.identities.node_of(row.epoch) or b""

    def _is_of_session(self, event: Event, node: bytes, name: str) -> bool:
        """Whether a session key that signed an update was enrolled for this document; devices sign any."""
        who = self._store.admission.authority.participants.get((node, event.act.author))
        session = who.session(event.act.device or b"") if who is not None else None
        return session is None or session.document == scope(streams.room_of(event.stream) or b"", name)


def _update(body: bytes) -> DocumentUpdate | None:
    try:
        return decode_as(body, DocumentUpdate)
    except (NotCanonical, Malformed):
        return None


def _reach_of(data: bytes) -> Reach | None:
    try:
        return reach(data)
    except BadUpdate:
        return None
