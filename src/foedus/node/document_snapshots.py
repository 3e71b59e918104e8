"""Snapshots of what this node's own chains say of documents, for those who get a chain whose beginning is dropped.

Each is a blob, and replaces the one before it, which is erased; so an erased update is in no snapshot that stays.
They are written where something is dropped: before this node drops it, each half day where a peer does so by what was
agreed, and a day after an edit, since a peer may drop by a policy of its own (ADR 27).
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from foedus.base.cbor import to_plain
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import BLOB_BYTES_MAX, DAY, ERASE_TARGETS_MAX
from foedus.log import streams
from foedus.log.documents import EDITS, CoveredChain, DocumentSnapshot, naming
from foedus.log.erasures import ERASE
from foedus.log.port import Row, Verdict
from foedus.node.author import Author
from foedus.node.blobs import Blobs
from foedus.node.documents import Documents
from foedus.node.erasing import Erased
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.node.waiting import happens
from foedus.state.documents.fold import SNAPSHOT, Part, Snapshot
from foedus.state.documents.replica import CannotJoin, Joined
from foedus.state.documents.update import Reach

log = logging.getLogger("foedus.documents")

SNAPSHOT_AGE = DAY
"""How long an edit may stand in no snapshot: no retention is shorter."""
REFRESHED = DAY // 2
"""Where events are dropped after some days, a snapshot is made anew so often: else it would be dropped itself."""
_TICK_S = 60.0
_PAGE = 500
_LOOKED_UP_MAX = 1_000


class _Updates(Joined):
    """The updates of one document in own chains, joined as they come, so that they take the memory of what they say."""

    def __init__(self, merge: Callable[[Sequence[bytes]], bytes]) -> None:
        super().__init__(merge)
        self._seqs: dict[bytes, array[int]] = {}
        """Epoch → where updates stand."""

    def add(self, epoch: bytes, seq: int, update: bytes) -> None:
        """Take in the next update of a chain."""
        self._seqs.setdefault(epoch, array("Q")).append(seq)
        self.apply(update)

    def count(self, chains: Sequence[CoveredChain]) -> int:
        """Return how many stand in chains."""
        return sum(bisect_right(self._seqs.get(epoch, ()), seq) for epoch, seq in chains)


class _Said(NamedTuple):
    """What own chains of a room say: of each document its updates, and the snapshots that stand, with their events."""

    updates: dict[str, _Updates]
    ends: tuple[CoveredChain, ...]
    snapshots: dict[str, list[tuple[bytes, DocumentSnapshot]]]
    is_whole: bool
    """Nothing of these chains was dropped here."""

    def is_sound(self, name: str) -> bool:
        """Whether the last snapshot of a document joined what counts now. Of what was dropped nobody can tell."""
        snapshots = self.snapshots.get(name)
        if not snapshots or not self.is_whole:
            return True
        last = snapshots[-1][1]
        return name in self.updates and self.updates[name].count(last.chains) == last.updates


class DocumentSnapshots:
    """Writes them. ``drops``: whether anything of a room is dropped after some days, as far as this node knows."""

    def __init__(self, store: Store, author: Author, blobs: Blobs, documents: Documents) -> None:
        self.drops: Callable[[str], bool] = lambda _stream: False
        self._store = store
        self._author = author
        self._blobs = blobs
        self._documents = documents
        self._edited: dict[str, Instant] = {}
        """Stream → the first own edit that is in no snapshot."""
        self._made: dict[str, Instant] = {}
        self._stale: set[str] = set()
        """Rooms of which a snapshot may hold what does not count any more: at first all that have one."""
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    # --- what changed ------------------------------------------------------------------------

    def published(self, published: Published) -> None:
        """Take note of own edits, and of those that no longer count."""
        if not published.kinds.isdisjoint(EDITS):
            for (epoch, stream), rows in published.chains.items():
                if self._is_own(epoch) and any(row.kind in EDITS for row in rows):
                    self._edited.setdefault(stream, self._store.now())
        rejected = [change.id for change in published.commit.verdicts if change.verdict is Verdict.REJECTED]
        for row in self._store.log.by_ids(rejected[:_LOOKED_UP_MAX]).values() if rejected else ():
            self._gone(row)

    def erased(self, erased: Erased) -> None:
        """Take an update that was erased out of the snapshot that holds it."""
        row = self._store.log.by_ids([erased.event]).get(erased.event)
        if row is not None:
            self._gone(row)

    def _gone(self, row: Row) -> None:
        if row.kind in EDITS and self._is_own(row.epoch):
            self._stale.add(row.stream)
            self._wake.set()

    def _is_own(self, epoch: bytes) -> bool:
        return self._store.identities.node_of(epoch) == self._store.node

    def _with_snapshots(self) -> set[str]:
        noted = [named.event for named in self._blobs.chunks.named() if named.node == self._store.node]
        return {held.row.stream for held in self._blobs.held(noted) if held.row.kind == SNAPSHOT}

    # --- writing -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Write due snapshots, until cancelled."""
        self._stale |= await asyncio.to_thread(self._with_snapshots)
        if self._stale:
            self._wake.set()
        while True:
            await happens(self._wake, _TICK_S)
            self._wake.clear()
            await self.write_due()

    async def write_due(self, *, everything: bool = False) -> int:
        """Write what is due, or of all rooms that are in no snapshot of this process; return how many snapshots."""
        async with self._turn:
            written, now = 0, self._store.now()
            for stream in self._streams():
                if not self._is_due(stream, now, everything=everything):
                    continue
                was_stale = stream in self._stale
                self._stale.discard(stream)
                self._edited.pop(stream, None)
                self._made[stream] = now
                try:
                    written += await self._write_room(stream, was_stale=was_stale, everything=everything)
                except (FoedusError, CannotJoin) as error:
                    log.warning("no snapshot of the documents of %s: %s", stream, error)
                    self._edited[stream] = now
                    self._stale |= {stream} if was_stale else set()
            return written

    def _is_due(self, stream: str, now: Instant, *, everything: bool) -> bool:
        made = self._made.get(stream)
        if everything:
            return made is None or stream in self._edited or stream in self._stale
        waits = now - self._edited.get(stream, now) >= SNAPSHOT_AGE
        is_old = (made is None or now - made >= REFRESHED) and self.drops(stream)
        return stream in self._stale or waits or is_old

    def _streams(self) -> list[str]:
        own = self._store.admission.chains.of_node(self._store.node)
        return sorted({chain.stream for chain in own if chain.kind == "room" and chain.seq})

    async def _write_room(self, stream: str, *, was_stale: bool, everything: bool) -> int:
        room = self._store.admission.authority.rooms.get(bytes.fromhex(streams.parse(stream).subject))
        membership = room.of(self._store.node, None) if room is not None else None
        if membership is None:
            return 0
        await self._documents.work(partial(self._documents.replicas.start, stream))
        said = await self._read(stream)
        names = sorted(said.updates.keys() | said.snapshots.keys())
        if was_stale and not everything:
            names = [name for name in names if not said.is_sound(name)]
        for name in names:
            await self._write(stream, name, said, [membership.id])
        return len(names)

    async def _read(self, stream: str) -> _Said:
        """Read this node's own chains of a room, in the order of their epochs."""
        fold = self._documents.own(stream)
        updates: dict[str, _Updates] = {}
        snapshots: dict[str, list[tuple[bytes, DocumentSnapshot]]] = {}
        ends: list[CoveredChain] = []
        own = [chain for chain in self._store.admission.chains.of_stream(stream) if chain.node == self._store.node]
        for chain in sorted((chain for chain in own if chain.seq), key=lambda one: one.hlc):
            seq = 0
            while rows := self._store.log.chain(chain.epoch, stream, seq, _PAGE):
                said: list[tuple[Row, str, bytes]] = []
                for row in rows:
                    body = naming(row.kind, row.envelope.body)
                    if isinstance(body, DocumentSnapshot):
                        snapshots.setdefault(body.document, []).append((row.id, body))
                    said += [(row, *each) for each in fold.take_all(await self._pieces(row))]
                await self._documents.work(partial(self._join, said, updates))
                seq = rows[-1].seq
                await asyncio.sleep(0)
            ends.append(CoveredChain(chain.epoch, seq))
        is_whole = not any(self._store.admission.gaps.of(chain.key) for chain in own)
        return _Said(updates, tuple(sorted(ends)), snapshots, is_whole)

    async def _pieces(self, row: Row) -> list[tuple[Part | Snapshot | None, Reach | None]]:
        return [(each.piece, each.found) for each in await self._documents.rows.brought([row])]

    def _join(self, said: Sequence[tuple[Row, str, bytes]], updates: dict[str, _Updates]) -> None:
        for row, name, data in said:
            held = updates.setdefault(name, _Updates(self._documents.replicas.merged))
            held.add(row.epoch, row.seq, data)

    async def _write(self, stream: str, name: str, said: _Said, auth: Sequence[bytes]) -> None:
        """Order a snapshot, then the end of those before it. A crash in between leaves both."""
        updates = said.updates.get(name)
        data = await self._documents.work(updates.whole) if updates is not None else b""
        if len(data) > BLOB_BYTES_MAX:
            log.warning("no snapshot of document %r: its updates have %d bytes", name, len(data))
        elif updates is not None:
            token, blob = await self._blobs.keep(stream, data)
            body = DocumentSnapshot(name, said.ends, updates.count(said.ends), blob)
            try:
                rows = await self._author.order([self._author.node_act(stream, SNAPSHOT, to_plain(body), auth)])
            except FoedusError:
                await self._blobs.settle(token, [])
                raise
            await self._blobs.settle(token, [row.id for row in rows])
        old = [event for event, _ in said.snapshots.get(name, ())]
        targets = [old[first : first + ERASE_TARGETS_MAX] for first in range(0, len(old), ERASE_TARGETS_MAX)]
        await self._author.order(
            [self._author.node_act(stream, ERASE, {"targets": ids, "reason": "author"}, auth) for ids in targets]
        )
