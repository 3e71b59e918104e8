"""Which blobs the held events name, and what is here of them.

A name is noted when its event is durable, and goes when the body goes that says it: by erasure, by retention, or since
the event is rejected for good. Chunks go with the last name. The log says what is named; what stands here only follows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from foedus.base.blobs import Blob, BlobStore, Named, cut
from foedus.base.errors import FoedusError, Unavailable
from foedus.base.limits import CHUNK_BYTES
from foedus.log.documents import NAMING, naming
from foedus.log.event import read_event
from foedus.log.port import Row, Verdict
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store

log = logging.getLogger("foedus.blobs")

BLOBS_PER_NODE_MAX = 1 << 30
"""Bytes of blobs that one node named and that are kept here: 64 of the largest documents."""
BLOBS_MAX = 8 << 30
"""Bytes of all blobs. What is named beyond either is fetched when others have gone."""
_PAGE = 500
_REACH_EACH = 10_000
"""Rows after which it is noted how far the log was read: so many are read again after a crash."""
_LOOKED_UP_MAX = 1_000
_RETRY_S = 1.0


class BlobsFull(Unavailable):
    """As much large content is kept here as this node will."""

    code = "blobs_full"
    http_status = 507
    remedy = "erase large updates that nobody needs, or prune old rooms (`foedus retention`)"


class Held(NamedTuple):
    """An event that names a blob, which stands and is not erased."""

    row: Row
    node: bytes
    blob: Blob


class Blobs:
    """Notes names and lets them go. ``run`` is its task; the rest is called on the event loop's thread."""

    def __init__(self, store: Store, publisher: Publisher, chunks: BlobStore) -> None:
        self.chunks = chunks
        self.on_wanted: Callable[[Held, list[int]], None] = lambda _held, _missing: None
        self.on_gone: Callable[[bytes], None] = lambda _event: None
        self.trouble = ""
        """Why nothing is kept now; '' where it is."""
        self._store = store
        self._sizes: dict[bytes, tuple[bytes, int]] = {}
        """Event → its node, and what its blob counts for."""
        self._of: Counter[bytes] = Counter()
        self._left_out: dict[bytes, None] = {}
        """Events whose blobs found no room."""
        self._fresh: dict[bytes, None] = {}
        """Events that may name a blob now."""
        self._going: dict[bytes, None] = {}
        self._swept: set[str] = set()
        self._is_anew = False
        """More has changed than was looked at: the log is read again."""
        self._local = 0
        self._reached = 0
        self._wake = asyncio.Event()
        publisher.listeners.append(self._published)

    # --- what is here ------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """What the blobs that are named and have room here count for, in bytes."""
        return self._of.total()

    @property
    def left_out(self) -> int:
        """Blobs that found no room."""
        return len(self._left_out)

    def held(self, events: Sequence[bytes]) -> list[Held]:
        """Return those of the events that name a blob, stand, and are not erased or rejected."""
        rows = self._store.log.by_ids(events).values() if events else ()
        return [held for row in rows if (held := self.held_by(row)) is not None]

    def held_by(self, row: Row) -> Held | None:
        """Return what a row names."""
        body = naming(row.kind, row.envelope.body)
        if body is None or not row.local or row.verdict is Verdict.REJECTED:
            return None
        erasures = self._store.admission.erasures
        if erasures.names(row.id) and erasures.erased_by(row.id, read_event(row.envelope)) is not None:
            return None
        return Held(row, self._store.identities.node_of(row.epoch) or b"", body.blob)

    def read(self, stream: str, blob: Blob) -> bytes | None:
        """Return a blob that is named in a stream, None where it is not whole here."""
        return self.chunks.read(stream, blob)

    def is_here(self, stream: str, blob: Blob) -> bool:
        """Whether a blob that is named in a stream is whole here."""
        return not self.chunks.missing(stream, blob)

    # --- this node's own ---------------------------------------------------------------------

    async def keep(self, stream: str, data: bytes) -> tuple[bytes, Blob]:
        """Make bytes durable that an event of this node is about to name; return a token for ``settle``, and the name.

        Raises BlobsFull.
        """
        blob, chunks = cut(data)
        if not self._has_room(self._store.node, blob):
            raise BlobsFull("there is no room for another large update")
        draft = secrets.token_bytes(32)
        await asyncio.to_thread(self.chunks.name, [Named(draft, stream, b"", blob)])
        await asyncio.to_thread(self.chunks.put, stream, chunks)
        return draft, blob

    async def settle(self, draft: bytes, events: Sequence[bytes]) -> None:
        """Note the events that were ordered for what was kept; without one it goes. What fails is done a moment later.

        The events stand: who brought them is told so, whatever the disk says by now.
        """
        try:
            await self._note(events)
            await asyncio.to_thread(self.chunks.forget, [draft])
        except FoedusError as error:
            self.trouble = f"{error.code}: {error}"
            self._fresh.update((event, None) for event in events)
            self._going[draft] = None
            self._wake.set()

    # --- staying current ---------------------------------------------------------------------

    def _published(self, published: Published) -> None:
        commit = published.commit
        if published.rows:
            self._local = published.rows[-1].local
        if not published.kinds.isdisjoint(NAMING):
            self._fresh.update((row.id, None) for row in published.rows if row.kind in NAMING)
        again = [change.id for change in commit.verdicts if change.verdict is not Verdict.REJECTED]
        again += [fill.id for fill in commit.bodies]
        if again and len(again) <= _LOOKED_UP_MAX:
            rows = self._store.log.by_ids(again).values()
            self._fresh.update((row.id, None) for row in rows if row.kind in NAMING)
        self._is_anew |= len(again) > _LOOKED_UP_MAX
        self._going.update((event, None) for event in commit.drops if event in self._sizes)
        self._swept.update(gap.stream for gap in commit.gaps)
        if self._has_work():
            self._wake.set()

    def _has_work(self) -> bool:
        is_behind = self._local - self._reached >= _REACH_EACH
        return bool(self._fresh or self._going or self._swept or self._is_anew or is_behind)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        is_begun = False
        while True:
            try:
                if not is_begun:
                    await self._begin()
                    is_begun = True
                await self._work()
                self.trouble = ""
            except FoedusError as error:
                self.trouble = f"{error.code}: {error}"
                log.warning("blobs are not kept now: %s", self.trouble)
                await asyncio.sleep(_RETRY_S)
                continue
            if not self._has_work():
                await self._wake.wait()
                self._wake.clear()

    def close(self) -> None:
        """Note how far the log was read, and release the store."""
        with suppress(FoedusError):
            if not self._has_work() and self._reached:
                self.chunks.reach(self._local)
        self.chunks.close()

    async def _begin(self) -> None:
        """Let go what nothing names any more, go on with what is not whole, and read what came since."""
        noted = await asyncio.to_thread(lambda: list(self.chunks.named()))
        gone = [named.event for named in noted if not named.node]
        for start in range(0, len(noted), _PAGE):
            page = [named.event for named in noted[start : start + _PAGE] if named.node]
            held = self.held(page)
            gone += set(page) - {each.row.id for each in held}
            for each in held:
                await self._want(each)
        await self._forget(gone)
        reached = await asyncio.to_thread(self.chunks.reached)
        await self._read_from(reached if reached <= self._store.log.last_local else 0)

    async def _read_from(self, local: int) -> None:
        while rows := await asyncio.to_thread(self._store.log.since, local, _PAGE):
            await self._note([row.id for row in rows if row.kind in NAMING])
            local = rows[-1].local
        self._local = max(self._local, local)
        await self._reach(local)

    async def _reach(self, local: int) -> None:
        await asyncio.to_thread(self.chunks.reach, local)
        self._reached = local

    async def _work(self) -> None:
        if self._is_anew:
            self._is_anew = False
            try:
                await self._read_from(0)
            except BaseException:
                self._is_anew = True
                raise
        local = self._local
        fresh, self._fresh = self._fresh, {}
        try:
            await self._note(list(fresh))
        except BaseException:
            self._fresh = fresh | self._fresh
            raise
        going, self._going = self._going, {}
        swept, self._swept = self._swept, set()
        try:
            await self._forget([*going, *await self._unnamed(swept)])
        except BaseException:
            self._going, self._swept = going | self._going, swept | self._swept
            raise
        if local - self._reached >= _REACH_EACH:
            await self._reach(local)

    async def _unnamed(self, streams: set[str]) -> list[bytes]:
        """Return the events of streams that are noted and stand no more."""
        if not streams:
            return []
        noted = await asyncio.to_thread(lambda: [it.event for it in self.chunks.named() if it.stream in streams])
        return list(set(noted) - {held.row.id for held in self.held(noted)})

    async def _note(self, events: Sequence[bytes]) -> None:
        """Note what events name, and want what is missing of it."""
        held = [each for each in self.held(events) if each.row.id not in self._sizes]
        if not held:
            return
        named = [Named(each.row.id, each.row.stream, each.node, each.blob) for each in held]
        await asyncio.to_thread(self.chunks.name, named)
        for each in held:
            await self._want(each)

    async def _want(self, held: Held) -> None:
        missing = await asyncio.to_thread(self.chunks.missing, held.row.stream, held.blob)
        if held.row.id in self._sizes:
            return
        if missing and not self._has_room(held.node, held.blob):
            self._left_out[held.row.id] = None
            return
        self._sizes[held.row.id] = held.node, _weight(held.blob)
        self._of[held.node] += _weight(held.blob)
        if missing:
            self.on_wanted(held, missing)

    def _has_room(self, node: bytes, blob: Blob) -> bool:
        size = _weight(blob)
        return self._of[node] + size <= BLOBS_PER_NODE_MAX and self._of.total() + size <= BLOBS_MAX

    async def _forget(self, events: Iterable[bytes]) -> None:
        gone = list(events)
        if not gone:
            return
        for event in gone:
            self.on_gone(event)
        await asyncio.to_thread(self.chunks.forget, gone)
        for event in gone:
            self._left_out.pop(event, None)
            node, size = self._sizes.pop(event, (b"", 0))
            self._of[node] -= size
        self._of += Counter()
        self._fresh.update(self._left_out)
        self._left_out = {}


def _weight(blob: Blob) -> int:
    """Return what a blob counts for: a small one takes a place, too."""
    return max(blob.size, CHUNK_BYTES)
