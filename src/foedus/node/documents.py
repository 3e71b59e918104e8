"""The documents of rooms, as this node holds them: folded from the log when first asked for, then kept current.

What is kept is a cache, as in ``crdts``. Whatever may change whether an old event counts drops the room from it; who
has a document of it open is told, and has it folded anew.

What an event brings is judged on the loop, when it comes; it is taken in, and the documents are asked, in a thread of
their own (``document_thread``), in the same order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from foedus.log.documents import NAMING, DocumentSnapshot, naming
from foedus.log.erasures import ERASE
from foedus.log.port import Commit, Row
from foedus.node.document_bases import BASE_EVERY, DocumentBases
from foedus.node.document_rows import KINDS, Brought, DocumentRows
from foedus.node.document_thread import DocumentThread
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.state.documents.base import Bases, Tally
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.fold import SNAPSHOT, Part, RoomDocuments, Snapshot
from foedus.state.documents.replica import CannotJoin, Here, Joined, Replica, Replicas, ReplicasLost, Unheld
from foedus.state.documents.update import Reach

T = TypeVar("T")
log = logging.getLogger("foedus.documents")

ROOMS_MAX = 64
"""Rooms whose documents are kept while nobody has one open; of the others the log is read again."""
PASSES_MAX = 16
"""How often a fold takes all in anew for what was let go: each time at least as much comes in as may wait."""
_PAGE = 500
_LOOKED_UP_MAX = 1_000
_MATTER = KINDS | {ERASE}
_UPDATES = KINDS - {SNAPSHOT}


class Documents:
    """The folds of rooms, by the name of their stream. On the event loop's thread."""

    base_every = BASE_EVERY

    def __init__(
        self, store: Store, publisher: Publisher, rows: DocumentRows, bases: Bases, replicas: Replicas | None = None
    ) -> None:
        self.rows = rows
        self.replicas = Here() if replicas is None else replicas
        self._thread = DocumentThread()
        self.replicas.on_lost = lambda: self._thread.tell_loop(self.forget)
        self._store = store
        self._bases = DocumentBases(store.log, rows, bases)
        self._tasks: set[asyncio.Task[None]] = set()
        self._careful: set[str] = set()
        """Rooms whose updates are taken in one by one."""
        self._rooms: OrderedDict[str, RoomDocuments] = OrderedDict()
        self._read: dict[str, int] = {}
        """Up to which local number a room is folded."""
        self._tallies: dict[str, Tally] = {}
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
        """Return the fold of a room; change nothing, and let ``work`` ask its documents.

        Raises ReplicasLost, and BadUpdate where too many updates of the room are such as no replica bears.
        """
        if (held := self._rooms.get(stream)) is not None:
            self._rooms.move_to_end(stream)
            return held
        async with self._folding:
            while stream not in self._rooms:
                self._folded, self._is_stale = stream, False
                await self.work(partial(self.replicas.start, stream))
                try:
                    await self._fold(stream)
                except (ReplicasLost, CannotJoin):  # again, until it holds or the room is closed
                    self._careful.add(stream)
            self._make_room()
            return self._rooms[stream]

    async def work(self, job: Callable[[], T]) -> T:
        """Do what uses replicas, after all that was begun before. Raises what the job does, and ReplicasLost."""
        return await self._thread.begin(job)

    async def _fold(self, stream: str) -> None:
        """Fold a room. Where snapshots may be needed, all is joined first, unless that ended who holds documents."""
        gaps, make, tally = self._gaps(stream), partial(self.replicas.make, stream), Tally()
        is_joined, passes = bool(gaps) and stream not in self._careful, 0
        first = partial(Joined, self.replicas.merged) if is_joined else make
        fold = RoomDocuments(first, gaps, self._store.identities.node_of)
        base = await self._bases.standing(stream) if not gaps and stream not in self._careful else None
        if base is not None and await self.work(partial(fold.go_on_from, base)):
            tally = Tally(base.tally, base.local)
        elif base is not None:
            self._careful.add(stream)
            return
        while not self._is_stale:
            rows = self._store.log.since(tally.local, _PAGE, stream)
            if rows:
                brought = await self.rows.brought(rows)
                await self.work(partial(fold.take_all, _pieces(brought)))
                tally.add(rows[-1].local, _tallied(brought))
                await asyncio.sleep(0)
            elif passes < PASSES_MAX and (names := await self.work(fold.begin_again)):
                passes += 1
                await self._take_again(stream, fold, names, tally.local)
            elif is_joined:  # and then what came meanwhile
                await self._hold(fold, make)
                is_joined = False
            else:
                self._rooms[stream], self._read[stream], self._tallies[stream] = fold, tally.local, tally
                self._keep_base(stream, fold, tally)
                return

    async def _take_again(self, stream: str, fold: RoomDocuments, names: list[str], until: int) -> None:
        """Let documents of which too much waited take in all that stands in the log up to a local number, again."""
        local = 0
        while not self._is_stale and local < until:
            rows = [row for row in self._store.log.since(local, _PAGE, stream) if row.local <= until]
            await self.work(partial(fold.take_again, names, _pieces(await self.rows.brought(rows))))
            local = rows[-1].local if rows else until
            await asyncio.sleep(0)

    def _keep_base(self, stream: str, fold: RoomDocuments, tally: Tally) -> None:
        if tally.count < self.base_every:
            return
        tally.count = 0
        kept = self._thread.begin(partial(fold.kept, stream, Tally(tally.digest, tally.local)))
        self._spawn(self._bases.keep(stream, kept, lambda: self._rooms.get(stream) is fold))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, fold: RoomDocuments, make: Callable[[], Replica]) -> None:
        try:
            await self.work(partial(fold.hold, make))
        except BadUpdate as error:
            raise CannotJoin(str(error)) from error

    def close(self) -> None:
        """End what holds documents; who waits for it gets ReplicasLost."""
        self.replicas.close()
        self._thread.close()
        self._bases.close()

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

    def own(self, stream: str) -> RoomDocuments:
        """Return what puts together the updates of this node's own chains of a room, and holds no document."""
        node_of, node = self._store.identities.node_of, self._store.node
        gaps = {epoch: seq for epoch, seq in self._gaps(stream).items() if node_of(epoch) == node}
        return RoomDocuments(Unheld, gaps, node_of)

    # --- blobs -------------------------------------------------------------------------------

    def blob_came(self, row: Row) -> None:
        """Take in what a row of a kept room names, now that it is here."""
        if row.stream == self._folded or row.stream in self._rooms:
            self._spawn(self._take_blob(row.id))

    async def _take_blob(self, event: bytes) -> None:
        row = self._store.log.by_ids([event]).get(event)
        if row is None:
            return
        await self.rows.look_at(row)
        fold = self._rooms.get(row.stream)
        if fold is None:
            self._is_stale |= row.stream == self._folded
            return
        body = naming(row.kind, row.envelope.body)
        if isinstance(body, DocumentSnapshot):
            if fold.is_needed(dict(body.chains)):
                self._drop(row.stream)  # all is joined anew with it
            return
        self._take(row.stream, fold, [row])

    def _make_room(self) -> None:
        """Let go of rooms that nobody asked for lately; never of the last one, or of one that somebody has open."""
        idle = [stream for stream in self._rooms if not self.is_open(stream)]
        for stream in idle[:-ROOMS_MAX]:
            del self._rooms[stream], self._read[stream], self._tallies[stream]

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
                if row.kind in NAMING and not self.rows.is_checked(row):
                    self.blob_came(row)
            if fold is not None:
                self._take(stream, fold, [row for row in rows if row.local > self._read[stream]])

    def _take(self, stream: str, fold: RoomDocuments, rows: Sequence[Row]) -> None:
        """Let a kept room take in what came; who has it open is told once it did."""
        brought, tally = self.rows.brought_now(rows), self._tallies[stream]
        if not brought:
            return
        tally.add(rows[-1].local, _tallied(brought), is_next=rows[0].local > tally.local)

        def take() -> tuple[list[tuple[str, bytes]], bool]:
            return fold.take_all(_pieces(brought)), fold.may_recover()

        def tell(taken: asyncio.Future[tuple[list[tuple[str, bytes]], bool]]) -> None:
            error = taken.exception() if not taken.cancelled() else None
            if self._rooms.get(stream) is not fold or taken.cancelled():
                return  # who has it open gets all of it, once it is folded anew
            if error is None:
                counted, may_recover = taken.result()
                for name, update in counted:
                    self.on_update(stream, name, update)
                if may_recover:
                    self._drop(stream)
            else:
                log.error("an update of %s was not taken in", stream, exc_info=error)
                self._drop(stream)

        self._thread.begin(take).add_done_callback(tell)
        self._keep_base(stream, fold, tally)

    def _drop_changed(self, commit: Commit) -> None:
        """Drop the rooms in which something old is no longer as it was."""
        for stream in [*(cut.stream for cut in commit.truncations), *(gap.stream for gap in commit.gaps)]:
            self._drop(stream)
            self._spawn(self._bases.drop(stream))
        ids = [*(change.id for change in commit.verdicts), *(fill.id for fill in commit.bodies), *commit.drops]
        if not ids or (not self._rooms and not self._folding.locked() and self._bases.is_empty()):
            return
        if len(ids) > _LOOKED_UP_MAX:
            self._spawn(self._bases.clear())
            self.forget()
            return
        for row in self._store.log.by_ids(ids).values():
            if row.kind in _MATTER:
                self._drop(row.stream)
            if row.kind in _UPDATES:
                self._spawn(self._bases.drop(row.stream))

    def _drop(self, stream: str) -> None:
        self._is_stale |= stream == self._folded
        if self._rooms.pop(stream, None) is not None:
            del self._read[stream], self._tallies[stream]
            self.on_dropped(stream)


def _pieces(brought: Sequence[Brought]) -> list[tuple[Part | Snapshot | None, Reach | None]]:
    return [(each.piece, each.found) for each in brought]


def _tallied(brought: Sequence[Brought]) -> list[bytes]:
    return [each.id for each in brought if each.id]
