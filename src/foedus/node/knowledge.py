"""What this node knows: packets and tasks as its log and its door show them now, and the search among them.

``Knowledge.search`` is what a query asks. The index says where to look; each find is read from the log again, judged by
the door as it stands now, and left out where the asker may not hear of it, so a stale index shows nothing wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import short
from foedus.log.event import Event, read_event
from foedus.log.knowledge import KNOWLEDGE_SHAPES, KnowledgePublish
from foedus.log.port import Row
from foedus.node.audience import Audience
from foedus.node.crossings import Crossings
from foedus.node.knowledge_api import SEARCH_MAX
from foedus.node.knowledge_embedding import KnowledgeEmbedding
from foedus.node.knowledge_indexing import KnowledgeIndexer
from foedus.node.lookup import PREFIX_MIN
from foedus.node.store import Store
from foedus.query.port import Meaning
from foedus.state.knowledge.dependencies import Ground, walk
from foedus.state.knowledge.fusion import fuse
from foedus.state.knowledge.packets import BEGINS, Packet, content_of, fold_packet
from foedus.state.knowledge.port import Hit, KnowledgeIndex, terms_of
from foedus.state.knowledge.tasks import Task, fold_task
from foedus.state.knowledge.told import Told

LOOKED_MAX = 500
"""Finds of the index that are looked up for one question, where most of them are not for the asker."""
FUSED_MIN = 20
"""Finds of each ranking that are fused at least, so that a short answer is the beginning of a longer one."""

_ID_DIGITS = 64
_HEX_DIGITS = frozenset("0123456789abcdef")
_REMEDIES = {"packet": "see `foedus knowledge search`", "task": "see `foedus task list`"}


class Ranked(NamedTuple):
    """A find. ``score`` in millionths; equal ones stand by id. ``told``: the event by whose words it was found."""

    packet: Packet
    told: Told
    content: KnowledgePublish
    score: int


class Knowledge:
    """Packets and tasks as they are shown here. One per node; called on the event loop's thread."""

    def __init__(
        self,
        store: Store,
        index: KnowledgeIndex,
        followers: tuple[KnowledgeIndexer, KnowledgeEmbedding],
        audience: Audience,
        crossings: Crossings,
    ) -> None:
        self.door: Callable[[bytes, str, Instant], str] = lambda _node, _stream, _at: ""
        """(writing node, stream, clock) → the clause by which it is not shown here now, or ''."""
        self.indexer, self.embedding = followers
        self._store = store
        self._index = index
        self._audience = audience
        self._crossings = crossings

    # --- search ------------------------------------------------------------------------------

    async def search(
        self,
        text: str,
        limit: int = 20,
        visible_to: bytes | None = None,
        domain: str = "",
        meaning: Meaning | None = None,
    ) -> list[Ranked]:
        """Return the packets that hold words of ``text`` (BM25; title and tags weigh more), or mean what it means.

        Where there is an embedder, the best by words and the nearest by meaning that the asker may hear of are fused by
        their places in both (``fusion``): what is hidden from an asker moves nothing. The best first, equal ones by id.

        ``visible_to``: the id of a connected peer that asks: it gets what our tier for it (CORE or EXTERNAL), our tier
        for each writer and the agreement in force let it hear, and nothing otherwise; None: this node itself. Of a
        retracted or erased packet there is no find. ``limit`` is at most ``SEARCH_MAX``. ``meaning``: a vector of the
        model in use here (``embedding.knows``) in place of that of the text. Raises Unavailable.
        """
        await self.indexer.caught_up()
        limit = min(limit, SEARCH_MAX)
        near_hits = await self._nearest(text, domain, meaning) if limit else []
        depth = max(limit, FUSED_MIN) if near_hits else limit
        word_hits = await asyncio.to_thread(self._index.search, terms_of(text), domain, LOOKED_MAX)
        by_words = await self._shown(word_hits, visible_to, depth)
        if not near_hits:
            return by_words
        by_meaning = await self._shown(near_hits, visible_to, depth)
        found = {ranked.packet.id: ranked for ranked in (*by_words, *by_meaning)}
        word_ids, meaning_ids = ([ranked.packet.id for ranked in each] for each in (by_words, by_meaning))
        shares = await asyncio.to_thread(self._index.shares, terms_of(text), word_ids)
        fused = fuse(word_ids, meaning_ids, shares)
        return [found[packet]._replace(score=score) for packet, score in fused[:limit]]

    async def _nearest(self, text: str, domain: str, meaning: Meaning | None) -> list[Hit]:
        if meaning is not None:
            return await self.embedding.near(meaning.vector, domain)
        return await self.embedding.nearest(text, domain)

    async def _shown(self, hits: Sequence[Hit], visible_to: bytes | None, limit: int) -> list[Ranked]:
        """Return the first finds that the asker may hear of, the best first."""
        found: list[Ranked] = []
        for hit in hits:
            await asyncio.sleep(0)  # each is folded from what may be many acts
            ranked = self._ranked(hit, visible_to)
            found += [ranked] if ranked is not None else []
            if len(found) >= limit:
                break
        return sorted(found, key=lambda ranked: (-ranked.score, ranked.packet.id))

    def _ranked(self, hit: Hit, visible_to: bytes | None) -> Ranked | None:
        packet = self.packet_or_none(hit.subject)
        if packet is None or not self._is_for(packet, visible_to):
            return None
        told = packet.current
        content = content_of(told) if told is not None and told.id == hit.event else None
        return Ranked(packet, told, content, hit.score) if told is not None and content is not None else None

    def _is_for(self, packet: Packet, peer: bytes | None) -> bool:
        return peer is None or self._audience.may_be_told(peer, f"knowledge:{packet.domain}", packet.node)

    # --- packets and tasks -------------------------------------------------------------------

    def find(self, wanted: str, what: Literal["packet", "task"]) -> bytes:
        """Return the id that a person wrote, whole or its first digits; raise NotFound or UsageError (ambiguous)."""
        is_hex = PREFIX_MIN <= len(wanted) <= _ID_DIGITS and not set(wanted) - _HEX_DIGITS
        low, high = (bytes.fromhex(wanted.ljust(_ID_DIGITS, pad)) if is_hex else b"" for pad in "0f")
        found = self._index.between(low, high) if is_hex else []
        if len(found) > 1:
            raise UsageError(f"{wanted!r} names several {what}s", code="ambiguous", remedy="give the whole id")
        if not found:
            raise NotFound(f"no {what} {wanted[:80]!r} is known here", code=f"unknown_{what}", remedy=_REMEDIES[what])
        return found[0]

    def packet(self, packet: bytes) -> Packet:
        """Return a packet; raise NotFound."""
        found = self.packet_or_none(packet)
        if found is None:
            remedy = _REMEDIES["packet"]
            raise NotFound(f"no packet {short(packet)} is shown here", code="unknown_packet", remedy=remedy)
        return found

    def packet_or_none(self, packet: bytes) -> Packet | None:
        """Return a packet, None where it is not held or not shown here."""
        return fold_packet(packet, self._told(packet))

    def is_shown(self, packet: bytes) -> bool:
        """Whether ``packet_or_none`` returns one, without reading all that was said of it."""
        row = self._store.log.by_ids([packet]).get(packet)
        told = self.told(row) if row is not None and row.local else None
        return told is not None and told.kind in BEGINS

    def task(self, task: bytes) -> Task:
        """Return a task; raise NotFound."""
        found = fold_task(task, self._told(task))
        if found is None:
            raise NotFound(f"no task {short(task)} is shown here", code="unknown_task", remedy=_REMEDIES["task"])
        return found

    def told(self, row: Row) -> Told | None:
        """Return what a stored event tells, None where it does not count here now."""
        told = self.indexer.told(row) if row.kind in KNOWLEDGE_SHAPES else None
        if told is None or told.node == self._store.node:
            return told
        is_held_back = self.door(told.node, row.stream, row.hlc.us) or self._clause(row, told.node)
        return None if is_held_back else told

    def _clause(self, row: Row, node: bytes) -> str:
        event: Event = read_event(row.envelope)
        return self._crossings.clause(event, node)

    def _told(self, subject: bytes) -> list[Told]:
        events = self._index.mentions([subject]).get(subject, [])
        rows = self._store.log.by_ids(dict.fromkeys([subject, *events]))
        return [told for row in rows.values() if row.local and (told := self.told(row)) is not None]

    def packets(self, domain: str, after: int, limit: int) -> Iterator[tuple[int, Packet]]:
        """Yield (place, packet) in the order in which they came here, after a place."""
        for listed in self._index.listed(is_task=False, domain=domain, after=after, limit=limit):
            packet = self.packet_or_none(listed.subject)
            if packet is not None:
                yield listed.number, packet

    def tasks(self, domain: str, after: int, limit: int) -> Iterator[tuple[int, Task]]:
        """Yield (place, task) in the order in which they came here, after a place."""
        for listed in self._index.listed(is_task=True, domain=domain, after=after, limit=limit):
            task = fold_task(listed.subject, self._told(listed.subject))
            if task is not None:
                yield listed.number, task

    # --- dependencies ------------------------------------------------------------------------

    async def ground(self, packet: Packet) -> Ground:
        """Return what a packet stands on, all the way down, and what of it is not here."""
        ground = Ground([], [], is_whole=True)
        for ground in walk(packet.id, self._dependencies):  # noqa: B007  # the last is all
            await asyncio.sleep(0)  # each packet is folded from all that was said of it
        return ground

    def _dependencies(self, packet: bytes) -> Sequence[bytes] | None:
        held = self.packet_or_none(packet)
        if held is None:
            return None
        content = content_of(held.current) if held.current is not None else None
        return content.dependencies if content is not None else ()
