"""Blobs over links: fetches what is wanted from peers that may see it, and serves those that may.

Where there is no link, events come by HTTP and their blobs wait. Every chunk is checked against the hash in the signed
body before it is stored, and is stored before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from foedus.base.errors import FoedusError
from foedus.base.limits import CHUNKS_IN_FLIGHT, SECOND
from foedus.log.port import Row
from foedus.node.audience import Audience
from foedus.node.blobs import Blobs, Held
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.store import Store
from foedus.sync.fetching import Fetching, UnexpectedChunk
from foedus.sync.frames.blobs import BlobFrame, Chunk, HaveBlob, NoChunks, WantChunks

log = logging.getLogger("foedus.blobs")

CAPABILITY = "blobs"
AWAITING_MAX = 1_024
"""Blobs that one peer was told are not here, and of which it hears when they are: of each the newest, so that what one
asks for takes no room from others."""
_RETRY_S = 1.0


class _Arrived(NamedTuple):
    held: Held
    number: int
    data: bytes


class BlobCarrying:
    """One per node, on the event loop's thread. ``run`` is its task; ``on_whole`` hear of blobs that are here now."""

    def __init__(self, store: Store, blobs: Blobs, links: Links, audience: Audience) -> None:
        self.on_whole: list[Callable[[Row], None]] = []
        self.trouble = ""
        """Why the last chunks that came were not stored; '' where they were."""
        self._store = store
        self._blobs = blobs
        self._links = links
        self._audience = audience
        self._core = Fetching()
        self._wanted: dict[bytes, Held] = {}
        self._arrived: deque[_Arrived] = deque()
        self._serving: Counter[bytes] = Counter()
        self._awaiting: dict[bytes, dict[bytes, None]] = {}
        """Peer → events of which it was told that their blobs are not here."""
        self._wake = asyncio.Event()
        blobs.on_wanted = self._want
        blobs.on_gone = self._forget

    @property
    def waiting(self) -> int:
        """Blobs that are not whole here and are asked for."""
        return len(self._wanted)

    def _want(self, held: Held, missing: list[int]) -> None:
        self._wanted[held.row.id] = held
        self._core.want(held.row.id, missing)
        self._wake.set()

    def _forget(self, event: bytes) -> None:
        self._wanted.pop(event, None)
        self._core.forget(event)
        for awaited in self._awaiting.values():
            awaited.pop(event, None)

    # --- links -------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Ask a peer that came."""
        self._serving.pop(link.node, None)
        if CAPABILITY in link.peer.capabilities:
            self._core.opened(link.node)
            self._wake.set()

    def ended(self, link: Link) -> None:
        """Ask others for what a peer that went did not bring."""
        self._serving.pop(link.node, None)
        self._core.closed(link.node)
        self._awaiting.pop(link.node, None)
        self._wake.set()

    def frame(self, link: Link, frame: BlobFrame) -> None:
        """Take a frame about blobs."""
        match frame:
            case WantChunks():
                self._serve(link, frame)
            case Chunk():
                self._take(link, frame)
            case NoChunks(event=event, numbers=numbers):
                self._core.lacks(link.node, event, numbers)
            case HaveBlob(event=event):
                self._core.has(link.node, event)
        self._wake.set()

    def _take(self, link: Link, frame: Chunk) -> None:
        try:
            self._core.came(link.node, frame.event, frame.number)
        except UnexpectedChunk as error:
            link.close(error.code, str(error))
            return
        held = self._wanted.get(frame.event)
        if held is None or not self._core.is_wanted(frame.event, frame.number):
            return
        if held.blob.is_chunk(frame.number, frame.data):
            self._arrived.append(_Arrived(held, frame.number, frame.data))
            return
        self._core.lie(link.node, frame.event, frame.number)
        link.close("bad_chunk", "a chunk has not the hash that the event names")

    # --- fetching ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Store what comes and ask for more, until cancelled."""
        while True:
            try:
                await self._store_arrived()
            except FoedusError as error:
                self.trouble = f"{error.code}: {error}"
                log.warning("chunks are not stored now: %s", self.trouble)
                await asyncio.sleep(_RETRY_S)
            self._ask()
            await self._sleep()

    async def _sleep(self) -> None:
        deadline = self._core.next_deadline()
        if deadline is None:
            await self._wake.wait()
        else:
            try:
                async with asyncio.timeout(max(0.0, (deadline - self._store.now()) / SECOND)):
                    await self._wake.wait()
            except TimeoutError:
                self._core.on_deadline(self._store.now())
        self._wake.clear()

    async def _store_arrived(self) -> None:
        while self._arrived:
            batch = [self._arrived.popleft() for _ in range(min(len(self._arrived), CHUNKS_IN_FLIGHT))]
            streams = {each.held.row.stream for each in batch}
            try:
                for stream in streams:
                    chunks = {it.held.blob.chunks[it.number]: it.data for it in batch if it.held.row.stream == stream}
                    await asyncio.to_thread(self._blobs.chunks.put, stream, chunks)
            except FoedusError:
                for each in batch:
                    self._core.failed(each.held.row.id, each.number)
                raise
            self.trouble = ""
            for each in batch:
                if self._core.stored(each.held.row.id, each.number):
                    self._whole(each.held)
            self._ask()

    def _whole(self, held: Held) -> None:
        self._wanted.pop(held.row.id, None)
        told = [node for node, awaited in self._awaiting.items() if awaited.pop(held.row.id, b"") is None]
        for node in told:
            link = self._links.get(node)
            if link is not None and link.session.is_open and self._may_see(node, held):
                link.control(HaveBlob(held.row.id))
        for listener in self.on_whole:
            listener(held.row)

    def _ask(self) -> None:
        for ask in self._core.asks(self._store.now(), self._may_ask):
            link = self._links.get(ask.node)
            if link is not None and link.session.is_open:
                link.control(WantChunks(ask.event, ask.numbers))

    def _may_ask(self, node: bytes, event: bytes) -> bool:
        held = self._wanted.get(event)
        return held is not None and self._may_see(node, held)

    def _may_see(self, node: bytes, held: Held) -> bool:
        chain = self._store.admission.chains.get((held.row.epoch, held.row.stream))
        return chain is not None and (chain.node == node or self._audience.may_see(node, chain))

    # --- serving -----------------------------------------------------------------------------

    def _serve(self, link: Link, frame: WantChunks) -> None:
        self._serving[link.node] += len(frame.numbers)
        if self._serving[link.node] > CHUNKS_IN_FLIGHT:
            link.close("too_many_chunks", f"at most {CHUNKS_IN_FLIGHT} chunks are asked for at a time")
            return
        for number in frame.numbers:
            link.when_there_is_room(partial(self._answer, link, frame.event, number))

    def _answer(self, link: Link, event: bytes, number: int) -> None:
        self._serving[link.node] -= 1
        data = self._chunk_for(link.node, event, number)
        if data is not None:
            link.control(Chunk(event, number, data))
            return
        awaited = self._awaiting.setdefault(link.node, {})
        awaited[event] = None
        if len(awaited) > AWAITING_MAX:
            del awaited[next(iter(awaited))]
        link.control(NoChunks(event, (number,)))

    def _chunk_for(self, node: bytes, event: bytes, number: int) -> bytes | None:
        for held in self._blobs.held([event]):
            if number < len(held.blob.chunks) and self._may_see(node, held):
                return self._blobs.chunks.chunk(held.row.stream, held.blob.chunks[number])
        return None
