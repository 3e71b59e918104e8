"""The documents of rooms, as this node holds them: folded from the log when first asked for, then kept current.

What is kept is a cache, as in ``crdts``. Whatever may change whether an old event counts drops the room from it; who
has a document of it open is told, and has it folded anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log import streams
from foedus.log.documents import DocumentUpdate, scope
from foedus.log.erasures import ERASE
from foedus.log.event import Event, parse_event
from foedus.log.port import Commit, Row, Verdict
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.state.documents.fold import UPDATE, Part, RoomDocuments
from foedus.state.documents.replica import Here, Replicas, ReplicasLost

ROOMS_MAX = 64
"""Rooms whose documents are kept while nobody has one open; of the others the log is read again."""
_PAGE = 500
_LOOKED_UP_MAX = 1_000
_MATTER = frozenset({UPDATE, ERASE})

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""


class Documents:
    """The folds of rooms, by the name of their stream. On the event loop's thread."""

    def __init__(self, store: Store, publisher: Publisher, clause: Clause, replicas: Replicas | None = None) -> None:
        self.replicas = Here() if replicas is None else replicas
        self.replicas.on_lost = self._lost
        self._store = store
        self._clause = clause
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
                with suppress(ReplicasLost):  # again, until it holds or the room is closed
                    await self._fold(stream)
            self._rooms.move_to_end(stream)
            self._make_room()
            return self._rooms[stream]

    async def _fold(self, stream: str) -> None:
        fold, local = RoomDocuments(partial(self.replicas.make, stream)), 0
        while not self._is_stale and (rows := self._store.log.since(local, _PAGE, stream)):
            for _ in self._taken(fold, rows):
                pass
            local = rows[-1].local
            await asyncio.sleep(0)
        if not self._is_stale:
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

    def _taken(self, fold: RoomDocuments, rows: Iterable[Row]) -> Iterable[tuple[str, bytes]]:
        for row in rows:
            part = self._part(row) if row.kind == UPDATE else None
            if part is not None:
                yield from fold.take(part)

    def _part(self, row: Row) -> Part | None:
        """Return what a row brings, None where it does not count here."""
        event = parse_event(row.envelope).event
        node = self._store.identities.node_of(row.epoch) or b""
        body = row.envelope.body
        erasures = self._store.admission.erasures
        if row.verdict is not Verdict.ACCEPTED or body is None or self._clause(row, event, node):
            return None
        if erasures.names(row.id) and erasures.erased_by(row.id, event):
            return None
        try:
            update = decode_as(body, DocumentUpdate)
        except (NotCanonical, Malformed):
            return None
        if not self._is_of_session(event, node, update.document):
            return None
        return Part(
            update.document, row.epoch, row.seq, event.act.author, update.part, update.parts, update.update
        )  # fmt: skip

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
            if fold is not None:
                with suppress(ReplicasLost):  # all rooms are about to be dropped
                    for name, update in self._taken(fold, [row for row in rows if row.local > self._read[stream]]):
                        self.on_update(stream, name, update)

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
