"""The documents of rooms, as this node holds them: folded from the log when first asked for, then kept current.

What is kept is a cache, as in ``crdts``. Whatever may change whether an old event counts drops the room from it; who
has a document of it open is told, and has it folded anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from foedus.base.blobs import Blob
from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log import streams
from foedus.log.documents import NAMING, DocumentSnapshot, DocumentUpdate, naming, scope
from foedus.log.erasures import ERASE
from foedus.log.event import Event, parse_event
from foedus.log.port import Commit, Row, Verdict
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.fold import UPDATE, Part, RoomDocuments, Snapshot
from foedus.state.documents.replica import CannotJoin, Here, Joined, Replicas, ReplicasLost, Unheld
from foedus.state.documents.update import Reach, reach

ROOMS_MAX = 64
"""Rooms whose documents are kept while nobody has one open; of the others the log is read again."""
_PAGE = 500
_LOOKED_UP_MAX = 1_000
CHECKED_MAX = 1_024
"""Blobs of which it is remembered whether they are updates."""
_KINDS = NAMING.keys() | {UPDATE}
_MATTER = _KINDS | {ERASE}

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""
Read = Callable[[str, Blob], bytes | None]
"""(stream, name) → the blob, None where it is not here."""


class Documents:
    """The folds of rooms, by the name of their stream. On the event loop's thread."""

    def __init__(
        self, store: Store, publisher: Publisher, clause: Clause, blob: Read, replicas: Replicas | None = None
    ) -> None:
        self.replicas = Here() if replicas is None else replicas
        self.replicas.on_lost = self._lost
        self._store = store
        self._clause = clause
        self._blob = blob
        self._checked: OrderedDict[Blob, Reach | None] = OrderedDict()
        """What blobs that are here bring, None: no update. Looked at in a thread, since the largest take seconds."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._careful: set[str] = set()
        """Rooms whose updates are taken in one by one."""
        self._rooms: OrderedDict[str, RoomDocuments] = OrderedDict()
        self._read: dict[str, int] = {}
        """Up to which local number a room is folded."""
        self._folding = asyncio.Lock()
        self._folded = ""
        self._is_stale = False
        self.is_open: Callable[[str], bool] = lambda _stream: False
        """Whether somebody has a document of a room open."""
        self.on_update: Callable[[str, str, bytes], None] = lambda _stream, _name, _update: None
        """(stream, name, update): something durable came to a document that is kept."""
        self.on_dropped: Callable[[str], None] = lambda _stream: None
        """(stream): the room is to be folded anew."""
        publisher.listeners.append(self._published)
        store.on_reload.append(self.forget)

    async def room(self, stream: str) -> RoomDocuments:
        """Return the fold of a room; read it before anything else is awaited, and change nothing.

        Raises ReplicasLost, and BadUpdate where too many updates of the room are such as no replica bears.
        """
        async with self._folding:
            while stream not in self._rooms:
                self._folded, self._is_stale = stream, False
                await asyncio.to_thread(self.replicas.start, stream)
                try:
                    await self._fold(stream)
                except (ReplicasLost, CannotJoin):  # again, until it holds or the room is closed
                    self._careful.add(stream)
            self._rooms.move_to_end(stream)
            self._make_room()
            return self._rooms[stream]

    async def _fold(self, stream: str) -> None:
        """Fold a room. Where snapshots may be needed, all is joined first, unless that ended who holds documents."""
        gaps, make, local = self._gaps(stream), partial(self.replicas.make, stream), 0
        is_joined = bool(gaps) and stream not in self._careful
        first = partial(Joined, self.replicas.merged) if is_joined else make
        fold = RoomDocuments(first, gaps, self._store.identities.node_of)
        while not self._is_stale and (rows := self._store.log.since(local, _PAGE, stream)):
            await self.read(fold, rows)
            local = rows[-1].local
            await asyncio.sleep(0)
        if self._is_stale:
            return
        if is_joined:
            try:
                fold.hold(make)
            except BadUpdate as error:
                raise CannotJoin(str(error)) from error
        self._rooms[stream], self._read[stream] = fold, local

    def _lost(self) -> None:
        asyncio.get_running_loop().call_soon(self.forget)

    def held(self, stream: str) -> RoomDocuments | None:
        """Return the fold of a room while it is kept."""
        return self._rooms.get(stream)

    def forget(self) -> None:
        """Fold everything anew: what may count here has changed."""
        self._is_stale = True
        for stream in list(self._rooms):
            self._drop(stream)

    def _gaps(self, stream: str) -> dict[bytes, int]:
        admission = self._store.admission
        held = {chain.epoch: admission.gaps.of(chain.key) for chain in admission.chains.of_stream(stream)}
        return {epoch: max(gap.seq for gap in gaps) for epoch, gaps in held.items() if gaps}

    def _taken(self, fold: RoomDocuments, rows: Iterable[Row]) -> Iterable[tuple[str, bytes]]:
        for row in rows:
            brought = self._brought(row) if row.kind in _KINDS else None
            found = self._reach(row) if row.kind in NAMING else None
            if isinstance(brought, Snapshot):
                yield from fold.take_snapshot(brought, found)
            elif brought is not None:
                yield from fold.take(brought, found)

    def _reach(self, row: Row) -> Reach | None:
        body = naming(row.kind, row.envelope.body)
        return self._checked.get(body.blob) if body is not None else None

    def own(self, stream: str) -> RoomDocuments:
        """Return what puts together the updates of this node's own chains of a room, and holds no document."""
        node_of, node = self._store.identities.node_of, self._store.node
        gaps = {epoch: seq for epoch, seq in self._gaps(stream).items() if node_of(epoch) == node}
        return RoomDocuments(Unheld, gaps, node_of)

    async def read(self, fold: RoomDocuments, rows: Sequence[Row]) -> list[tuple[str, bytes]]:
        """Let a fold take rows in; return (name, update) of each update that is whole by them."""
        for row in rows:
            if row.kind in NAMING:
                await self._look_at(row)
        return list(self._taken(fold, rows))

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

    # --- blobs -------------------------------------------------------------------------------

    async def _look_at(self, row: Row) -> None:
        """Read a blob, where it is here, and see whether it is an update."""
        body = naming(row.kind, row.envelope.body)
        if body is not None and body.blob not in self._checked:
            data = await asyncio.to_thread(self._blob, row.stream, body.blob)
            if data is not None:
                self._checked[body.blob] = await asyncio.to_thread(_reach_of, data)
            while len(self._checked) > CHECKED_MAX:
                self._checked.popitem(last=False)

    def blob_came(self, row: Row) -> None:
        """Take in what a row of a kept room names, now that it is here."""
        if row.stream == self._folded or row.stream in self._rooms:
            task = asyncio.ensure_future(self._take_blob(row.id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take_blob(self, event: bytes) -> None:
        row = self._store.log.by_ids([event]).get(event)
        if row is None:
            return
        await self._look_at(row)
        fold = self._rooms.get(row.stream)
        if fold is None:
            self._is_stale |= row.stream == self._folded
            return
        body = naming(row.kind, row.envelope.body)
        if isinstance(body, DocumentSnapshot):
            if fold.is_needed(dict(body.chains)):
                self._drop(row.stream)  # all is joined anew with it
            return
        with suppress(ReplicasLost):  # all rooms are about to be dropped
            for name, update in self._taken(fold, [row]):
                self.on_update(row.stream, name, update)

    def _is_of_session(self, event: Event, node: bytes, name: str) -> bool:
        """Whether a session key that signed an update was enrolled for this document; devices sign any."""
        who = self._store.admission.authority.participants.get((node, event.act.author))
        session = who.session(event.act.device or b"") if who is not None else None
        return session is None or session.document == scope(streams.room_of(event.stream) or b"", name)

    def _make_room(self) -> None:
        """Let go of rooms that nobody asked for lately; never of the last one, or of one that somebody has open."""
        idle = [stream for stream in self._rooms if not self.is_open(stream)]
        for stream in idle[:-ROOMS_MAX]:
            del self._rooms[stream], self._read[stream]

    # --- staying current ---------------------------------------------------------------------

    def _published(self, published: Published) -> None:
        self._drop_changed(published.commit)
        if not published.kinds & _MATTER:
            return
        for row in published.rows:
            if row.kind == ERASE:
                self._drop(row.stream)
        for (_, stream), rows in published.chains.items():
            fold = self._rooms.get(stream)
            for row in rows:
                if row.kind in NAMING and not self._is_checked(row):
                    self.blob_came(row)
            if fold is not None:
                with suppress(ReplicasLost):  # all rooms are about to be dropped
                    for name, update in self._taken(fold, [row for row in rows if row.local > self._read[stream]]):
                        self.on_update(stream, name, update)

    def _is_checked(self, row: Row) -> bool:
        body = naming(row.kind, row.envelope.body)
        return body is None or body.blob in self._checked

    def _drop_changed(self, commit: Commit) -> None:
        """Drop the rooms in which something old is no longer as it was."""
        for stream in [*(cut.stream for cut in commit.truncations), *(gap.stream for gap in commit.gaps)]:
            self._drop(stream)
        ids = [*(change.id for change in commit.verdicts), *(fill.id for fill in commit.bodies), *commit.drops]
        if not ids or (not self._rooms and not self._folding.locked()):
            return
        if len(ids) > _LOOKED_UP_MAX:
            self.forget()
            return
        for row in self._store.log.by_ids(ids).values():
            if row.kind in _MATTER:
                self._drop(row.stream)

    def _drop(self, stream: str) -> None:
        self._is_stale |= stream == self._folded
        if self._rooms.pop(stream, None) is not None:
            del self._read[stream]
            self.on_dropped(stream)


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
