"""What rows of the log bring to documents, as far as it counts here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from foedus.base.blobs import Blob
from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log import streams
from foedus.log.documents import NAMING, DocumentSnapshot, DocumentUpdate, naming, scope
from foedus.log.event import Event, parse_event
from foedus.log.port import Row, Verdict
from foedus.node.store import Store
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.fold import UPDATE, Part, Snapshot
from foedus.state.documents.update import Reach, reach

CHECKED_MAX = 1_024
"""Blobs of which it is remembered whether they are updates."""
KINDS = NAMING.keys() | {UPDATE}

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""
Read = Callable[[str, Blob], bytes | None]
"""(stream, name) → the blob, None where it is not here."""
Brought = tuple[Part | Snapshot, Reach | None]
"""What a row brings, and what ``reach`` returned of it where it was asked."""


class DocumentRows:
    """Judges rows by what is held and agreed now. On the event loop's thread."""

    def __init__(self, store: Store, clause: Clause, blob: Read) -> None:
        self._store = store
        self._clause = clause
        self._blob = blob
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
        found = ((self._brought(row), row) for row in rows if row.kind in KINDS)
        return [(piece, self._reach(row)) for piece, row in found if piece is not None]

    async def look_at(self, row: Row) -> None:
        """Read the blob that a row names, where it is here, and see whether it is an update."""
        body = naming(row.kind, row.envelope.body)
        if body is not None and body.blob not in self._checked:
            data = await asyncio.to_thread(self._blob, row.stream, body.blob)
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

    def _brought(self, row: Row) -> Part | Snapshot | None:
        """Return what a row brings, None where it does not count here, or its blob is not here."""
        event = parse_event(row.envelope).event
        node = self._store.identities.node_of(row.epoch) or b""
        body = row.envelope.body
        if body is None or not self._counts(row, event, node):
            return None
        update = naming(row.kind, body) if row.kind in NAMING else _update(body)
        if update is None or not self._is_of_session(event, node, update.document):
            return None
        where = (row.epoch, row.seq)
        if isinstance(update, DocumentUpdate):
            return Part(update.document, *where, event.act.author, update.part, update.parts, update.update)
        data = self._blob(row.stream, update.blob) if self._checked.get(update.blob) else None
        if data is None:
            return None
        if isinstance(update, DocumentSnapshot):
            return Snapshot(update.document, node, *where, dict(update.chains), data)
        return Part(update.document, *where, event.act.author, 0, 1, data)

    def _is_of_session(self, event: Event, node: bytes, name: str) -> bool:
        """Whether a session key that signed an update was enrolled for this document; devices sign any."""
        who = self._store.admission.authority.participants.get((node, event.act.author))
        session = who.session(event.act.device or b"") if who is not None else None
        return session is None or session.document == scope(streams.room_of(event.stream) or b"", name)

    def _reach(self, row: Row) -> Reach | None:
        body = naming(row.kind, row.envelope.body) if row.kind in NAMING else None
        return self._checked.get(body.blob) if body is not None else None


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
