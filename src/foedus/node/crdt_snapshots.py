"""Snapshots of what this node's own chains say of CRDTs, for those who get a chain whose beginning is dropped (ADR 16).

Each replaces the one before it, whose parts are erased; so an erased delta is in no snapshot that stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from foedus.base.cbor import Malformed, NotCanonical, decode_as, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import DAY, ERASE_TARGETS_MAX, HOUR
from foedus.log import streams
from foedus.log.bodies import CRDT_PART_BYTES, Covered, CrdtDelta, CrdtSnapshot
from foedus.log.erasures import ERASE
from foedus.log.port import Row
from foedus.node.author import Author, Draft
from foedus.node.crdts import Crdts
from foedus.node.erasing import Erased
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.node.waiting import happens
from foedus.state.crdt.fold import DELTA, KINDS, SNAPSHOT, Key, RoomFold, parts_of

log = logging.getLogger("foedus.crdts")

SNAPSHOT_DELTAS = 1_000
"""Own deltas of one CRDT after which a snapshot is due, as a checkpoint is after so many events."""
SNAPSHOT_AGE = DAY
"""How long a delta may stand in no snapshot: no retention is shorter."""
REFRESHED = DAY // 2
"""Where events are dropped after some days, a snapshot is made anew so often: else it would be dropped itself."""
_TICK_S = 60.0
_PAGE = 500
_BATCH = 64
"""Parts ordered at one time: 3 MB."""


class _Book:
    """What stands in this node's own chains of a room, of each CRDT."""

    def __init__(self, fold: RoomFold) -> None:
        self.fold = fold
        self.ends: dict[bytes, int] = {}
        """Epoch → seq of the last event read."""
        self.parts: dict[Key, list[bytes]] = {}
        """Events of snapshots that stand."""
        self.made: dict[Key, Instant] = {}
        """When the last snapshot was made."""
        self.deltas: dict[Key, int] = {}
        """Deltas since then."""
        self.since: dict[Key, Instant] = {}
        """The first of them."""
        self.stale: set[Key] = set()
        """What its last snapshot says is not what its deltas say any more."""

    def note(self, row: Row) -> None:
        """Count a row that the fold is about to take."""
        self.ends[row.epoch] = row.seq
        body = _body(row)
        if body is None:
            return
        key = (body.name, body.type)
        if isinstance(body, CrdtSnapshot) and body.part == body.parts - 1:
            self._compare(key, body, row)
        if isinstance(body, CrdtDelta):
            self.deltas[key] = self.deltas.get(key, 0) + 1
            self.since.setdefault(key, row.hlc.us)
        else:
            self.parts.setdefault(key, []).append(row.id)
            if body.part == body.parts - 1:
                self.made[key] = row.hlc.us
                self.deltas.pop(key, None)
                self.since.pop(key, None)

    def _compare(self, key: Key, body: CrdtSnapshot, row: Row) -> None:
        """See whether a snapshot still says what its chains say: nothing else came in between, and all is held."""
        is_comparable = Covered(row.epoch, row.seq - body.parts) in body.chains and not self.fold.holes(key)
        state = self.fold.states.get(key)
        if is_comparable and state is not None and sha256(state.encode()) != body.digest:
            self.stale.add(key)
        else:
            self.stale.discard(key)

    def is_due(self, key: Key, now: Instant, *, drops: bool) -> bool:
        """Whether a snapshot is due. ``drops``: what is old is dropped somewhere."""
        if key in self.stale:
            return True
        is_old = drops and now - self.made.get(key, now) >= REFRESHED
        waits = self.deltas.get(key, 0) >= SNAPSHOT_DELTAS or now - self.since.get(key, now) >= SNAPSHOT_AGE
        return is_old or waits


class _Change(NamedTuple):
    """Own deltas of a room since it was last looked at, and whether something that a snapshot may hold was erased."""

    deltas: int
    erased: bool


class Snapshots:
    """Writes them. ``drops``: whether anything of a room is dropped after some days, as far as this node knows."""

    def __init__(self, store: Store, author: Author, crdts: Crdts) -> None:
        self.drops: Callable[[str], bool] = lambda _stream: False
        self._store = store
        self._author = author
        self._crdts = crdts
        self._changed: dict[str, _Change] = {}
        self._read_at: dict[str, Instant] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    def published(self, published: Published) -> None:
        """Count own deltas."""
        if DELTA not in published.kinds:
            return
        for (epoch, stream), rows in published.chains.items():
            count = sum(row.kind == DELTA for row in rows)
            if count and self._store.identities.node_of(epoch) == self._store.node:
                self._note(stream, count)

    def erased(self, erased: Erased) -> None:
        """Take a delta that was erased out of the snapshot that holds it."""
        row = self._store.log.by_ids([erased.event]).get(erased.event)
        if row is not None and row.kind == DELTA and self._store.identities.node_of(row.epoch) == self._store.node:
            self._note(row.stream, 0, erased=True)

    def _note(self, stream: str, deltas: int, *, erased: bool = False) -> None:
        before = self._changed.get(stream, _Change(0, erased=False))
        change = self._changed[stream] = _Change(before.deltas + deltas, before.erased or erased)
        if change.deltas >= SNAPSHOT_DELTAS or change.erased:
            self._wake.set()

    async def run(self) -> None:
        """Write due snapshots, until cancelled."""
        while True:
            await happens(self._wake, _TICK_S)
            self._wake.clear()
            await self.write_due()

    async def write_due(self, *, everything: bool = False) -> int:
        """Write what is due, or of everything that changed since its last snapshot; return how many snapshots."""
        async with self._turn:
            written, now = 0, self._store.now()
            for stream in self._streams():
                if not everything and not self._is_to_read(stream, now):
                    continue
                self._read_at[stream] = now
                change = self._changed.pop(stream, _Change(0, erased=False))
                try:
                    written += await self._write_room(stream, everything=everything)
                except FoedusError as error:
                    log.warning("no snapshot of %s: %s", stream, error)
                    self._changed[stream] = _Change(0, erased=change.erased)  # it is tried again within the hour
            return written

    def _is_to_read(self, stream: str, now: Instant) -> bool:
        """Whether something can be due in a room: its chains are read whole to tell."""
        change = self._changed.get(stream)
        if change is not None and (change.erased or change.deltas >= SNAPSHOT_DELTAS):
            return True
        read_at = self._read_at.get(stream)
        return read_at is None or (now - read_at >= HOUR and (change is not None or self.drops(stream)))

    def _streams(self) -> list[str]:
        own = self._store.admission.chains.of_node(self._store.node)
        return sorted({chain.stream for chain in own if chain.kind == "room" and chain.seq})

    async def _write_room(self, stream: str, *, everything: bool) -> int:
        room = self._store.admission.authority.rooms.get(bytes.fromhex(streams.parse(stream).subject))
        membership = room.of(self._store.node, None) if room is not None else None
        if membership is None:
            return 0
        book = await self._read(stream)
        now, drops = self._store.now(), self.drops(stream)
        due = [
            key
            for key in book.fold.states
            if book.is_due(key, now, drops=drops) or (everything and book.deltas.get(key))
        ]
        for key in due:
            await self._write(stream, key, book, [membership.id])
        if book.since.keys() - due:
            self._note(stream, 0)
        return len(due)

    async def _read(self, stream: str) -> _Book:
        """Read this node's own chains of a room, in the order of their epochs."""
        book = _Book(self._crdts.own(stream))
        own = self._store.admission.chains.of_stream(stream)
        mine = [chain for chain in own if chain.node == self._store.node and chain.seq]
        for chain in sorted(mine, key=lambda one: one.hlc):
            seq = 0
            while rows := self._store.log.chain(chain.epoch, stream, seq, _PAGE):
                for row in rows:
                    book.note(row)
                    self._crdts.take(book.fold, [row])
                seq = rows[-1].seq
                await asyncio.sleep(0)
        return book

    async def _write(self, stream: str, key: Key, book: _Book, auth: Sequence[bytes]) -> None:
        """Order the parts of a snapshot, then the end of those before it. A crash in between leaves both."""
        if book.fold.holes(key):
            return  # something of it was dropped here before a snapshot held it: nobody could tell what is missing
        chains = tuple(Covered(epoch, seq) for epoch, seq in sorted(book.ends.items()))
        state = book.fold.states[key].encode()
        parts = [
            self._author.node_act(stream, SNAPSHOT, to_plain(body), auth)
            for body in parts_of(key, chains, state, CRDT_PART_BYTES)
        ]
        await self._order(parts)
        old = book.parts.get(key, [])
        targets = [old[first : first + ERASE_TARGETS_MAX] for first in range(0, len(old), ERASE_TARGETS_MAX)]
        await self._order(
            [self._author.node_act(stream, ERASE, {"targets": ids, "reason": "author"}, auth) for ids in targets]
        )

    async def _order(self, drafts: Sequence[Draft]) -> None:
        for first in range(0, len(drafts), _BATCH):
            await self._author.order(drafts[first : first + _BATCH])


def _body(row: Row) -> CrdtDelta | CrdtSnapshot | None:
    """Return the body of a row of one of the two kinds, None where it is erased, or of another."""
    if row.kind not in KINDS or row.envelope.body is None:
        return None
    try:
        body = row.envelope.body
        return decode_as(body, CrdtDelta) if row.kind == DELTA else decode_as(body, CrdtSnapshot)
    except (Malformed, NotCanonical):
        return None
