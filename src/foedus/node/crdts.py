"""The CRDTs of rooms, as this node holds them: folded from the log when they are first asked for, then kept current.

What is kept is a cache. Whatever may change whether an old event counts (a verdict, a body, an erasure, a branch, a
gap, a door) drops the room from it, and who asks next has it folded anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from foedus.base.errors import Unavailable
from foedus.log.erasures import ERASE
from foedus.log.event import Event, read_event
from foedus.log.port import Commit, Row, Verdict
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.state.crdt.base import Origin
from foedus.state.crdt.fold import KINDS, RoomFold, Standing, Told
from foedus.state.crdt.limits import ENTRIES_MAX

ENTRIES_KEPT_MAX = 2 * ENTRIES_MAX
"""Entries of all rooms that are kept: two of the largest CRDTs, some 600 MB; the room asked for longest ago goes."""
REFUSED_MAX = 1_024
"""Rooms that are remembered as too large."""
_PAGE = 500
_LOOKED_UP_MAX = 1_000
"""Changed events that are looked up to see whether they matter; with more, everything is folded anew."""
_MATTER = KINDS | {ERASE}

Clause = Callable[[Row, Event, bytes], str]
"""(row, its event, its node) → why it is withheld here now, or ''."""


class TooLarge(Unavailable):
    """The CRDTs of a room are more than this node keeps in memory."""

    code = "crdts_too_large"
    http_status = 507
    remedy = "erase what filled it, take who did that out of the room (`foedus room`), or use several rooms"


class Crdts:
    """The folds of rooms, by the name of their stream. On the event loop's thread."""

    def __init__(self, store: Store, publisher: Publisher, clause: Clause) -> None:
        self._store = store
        self._clause = clause
        self._rooms: OrderedDict[str, RoomFold] = OrderedDict()
        self._read: dict[str, int] = {}
        """Up to which local number a room is folded."""
        self._refused: dict[str, str] = {}
        """Rooms that are too large, and by how much, until something of them goes: no question has all read again."""
        self._folding = asyncio.Lock()
        self._folded = ""
        """The stream that is being folded."""
        self._is_stale = False
        """What was folded of it so far has changed since."""
        publisher.bookkeepers.append(self._published)
        store.on_reload.append(self.forget)

    async def room(self, stream: str) -> RoomFold:
        """Return the fold of a room; read it before anything else is awaited, and change nothing. Raises TooLarge."""
        async with self._folding:
            while stream not in self._rooms:
                if stream in self._refused:
                    raise TooLarge(self._refused[stream])
                self._folded, self._is_stale = stream, False
                try:
                    await self._fold(stream)
                except TooLarge as error:
                    if not self._is_stale:
                        self._refuse(stream, error)
            self._rooms.move_to_end(stream)
            self._make_room()
            return self._rooms[stream]

    async def _fold(self, stream: str) -> None:
        fold, local = RoomFold(self._gaps(stream), self._store.identities.node_of), 0
        while not self._is_stale and (rows := self._store.log.since(local, _PAGE, stream)):
            self.take(fold, rows)
            local = rows[-1].local
            await asyncio.sleep(0)
        if not self._is_stale:
            self._rooms[stream], self._read[stream] = fold, local

    def _refuse(self, stream: str, error: TooLarge) -> None:
        self._refused[stream] = str(error)
        if len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    def own(self, stream: str) -> RoomFold:
        """Return the fold of this node's own chains of a room alone, empty: ``take`` their rows, each in its order."""
        node_of, node = self._store.identities.node_of, self._store.node
        gaps = {epoch: seq for epoch, seq in self._gaps(stream).items() if node_of(epoch) == node}
        return RoomFold(gaps, node_of)

    def forget(self) -> None:
        """Fold everything anew when it is asked for: what may count here has changed."""
        self._is_stale = True
        self._rooms.clear()
        self._read.clear()
        self._refused.clear()

    def _gaps(self, stream: str) -> dict[bytes, int]:
        admission = self._store.admission
        held = {chain.epoch: admission.gaps.of(chain.key) for chain in admission.chains.of_stream(stream)}
        return {epoch: max(gap.seq for gap in gaps) for epoch, gaps in held.items() if gaps}

    def take(self, fold: RoomFold, rows: Iterable[Row]) -> None:
        """Let a fold take rows in. Raises TooLarge."""
        for row in rows:
            if row.kind in KINDS:
                event = read_event(row.envelope)
                node = self._store.identities.node_of(row.epoch) or b""
                told = Told(row.kind, Origin(row.hlc, node, row.epoch, row.seq), row.envelope.body)
                fold.take(told, self._standing(row, event, node))
        if fold.size() > ENTRIES_MAX:
            ((node, count),) = fold.brought.most_common(1) or [(b"", 0)]
            raise TooLarge(f"the CRDTs of this room have over {ENTRIES_MAX} entries: {count} came from {node.hex()}")

    def _standing(self, row: Row, event: Event, node: bytes) -> Standing:
        if row.verdict is Verdict.REJECTED or self._is_erased(row, event):
            return Standing.GONE
        if row.verdict is Verdict.PENDING or row.envelope.body is None or self._clause(row, event, node):
            return Standing.HOLE
        return Standing.COUNTS

    def _is_erased(self, row: Row, event: Event) -> bool:
        erasures = self._store.admission.erasures
        may_be = row.envelope.body is None or erasures.names(row.id)
        return may_be and erasures.erased_by(row.id, event) is not None

    def _make_room(self) -> None:
        """Let go of rooms that nobody asked for lately; never of the last one."""
        size = sum(fold.size() for fold in self._rooms.values())
        while size > ENTRIES_KEPT_MAX and len(self._rooms) > 1:
            stream, fold = self._rooms.popitem(last=False)
            del self._read[stream]
            size -= fold.size()

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
                self._go_on(stream, fold, [row for row in rows if row.local > self._read[stream]])

    def _go_on(self, stream: str, fold: RoomFold, rows: list[Row]) -> None:
        try:
            self.take(fold, rows)
        except TooLarge as error:
            self._drop(stream)
            self._refuse(stream, error)

    def _drop_changed(self, commit: Commit) -> None:
        """Drop the rooms in which something old is no longer as it was."""
        for stream in [*(cut.stream for cut in commit.truncations), *(gap.stream for gap in commit.gaps)]:
            self._drop(stream)
        ids = [*(change.id for change in commit.verdicts), *(fill.id for fill in commit.bodies), *commit.drops]
        if not ids or (not self._rooms and not self._refused and not self._folding.locked()):
            return
        if len(ids) > _LOOKED_UP_MAX:
            self.forget()
            return
        for row in self._store.log.by_ids(ids).values():
            if row.kind in _MATTER:
                self._drop(row.stream)

    def _drop(self, stream: str) -> None:
        self._is_stale |= stream == self._folded
        self._rooms.pop(stream, None)
        self._read.pop(stream, None)
        self._refused.pop(stream, None)
