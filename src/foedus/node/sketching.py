"""Tells others what this node knows: a sketch of each domain in which it wrote, told anew when it has drifted.

A sketch is made of the vectors of this node's own packets alone; what others wrote, they tell themselves. The sketch
before it is erased with the same commit, since it was made of packets that may be gone. Where a packet is retracted or
erased, the sketch follows at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.log import streams
from foedus.log.erasures import ERASE
from foedus.node.erasing import Erased
from foedus.node.publisher import Published as Durable
from foedus.node.sketch_reading import Told, newest_sketch
from foedus.query.routing.drift import Published, publish_at
from foedus.query.routing.limits import DOMAINS_MAX, NODE_BYTES_MAX
from foedus.query.routing.sketch import Sketch, encode_sketch, make_sketch
from foedus.query.routing.vectors import parse_vector
from foedus.state.knowledge.packets import BEGINS

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.routing")

EVENTS_MAX = 4_096
"""Events of a domain's chain that are looked through for packets, the newest: bounds the work of a node that tells
all day."""
REST_MIN_S = 0.2
_REST_SHARE = 10
"""Between two rounds: ten times what the last one took, since an import wakes it with every batch."""
_RETRY_S = 60.0
_PAGE = 256


class Sketching:
    """``run`` is its task; ``wake`` when vectors were made."""

    def __init__(self, node: Node) -> None:
        self.rounds = 0
        """How often it was looked at what is to be told."""
        self._node = node
        self._wake = asyncio.Event()
        self._is_forced = True
        """Something was taken back: what it left in a sketch goes, however little that is. At a start nobody knows."""

    def wake(self) -> None:
        """Look again: packets have vectors that had none."""
        self._wake.set()

    def published(self, durable: Durable) -> None:
        """Take note that a packet of this node was taken back."""
        own = self._node.store.node
        retracts = (row for row in durable.rows if row.kind == "knowledge.retract")
        if "knowledge.retract" in durable.kinds and any(self._node_of(row.epoch) == own for row in retracts):
            self._force()

    def erased(self, erased: Erased) -> None:
        """Take note that a body is gone."""
        if erased.node == self._node.store.node:
            self._force()

    def _force(self) -> None:
        if self._node.embedding.model:
            self._is_forced = True
            self._wake.set()

    def _node_of(self, epoch: bytes) -> bytes | None:
        return self._node.store.identities.node_of(epoch)

    # --- the task ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell what has drifted, until cancelled."""
        loop = asyncio.get_running_loop()
        await self._wake.wait()
        while True:
            self._wake.clear()
            began = loop.time()
            try:
                due = await self._round()
            except FoedusError as error:
                log.warning("what this node knows is not told anew: %s: %s", error.code, error)
                due = self._node.store.now() + int(_RETRY_S * SECOND)
            self.rounds += 1
            await asyncio.sleep(max(REST_MIN_S, _REST_SHARE * (loop.time() - began)))
            await self._until(due)

    async def _until(self, due: Instant | None) -> None:
        """Wait until woken, or until a sketch is due."""
        wait_s = max(0.0, (due - self._node.store.now()) / SECOND) if due is not None else None
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _round(self) -> Instant | None:
        """Tell what is due; return when the next is, None where nothing waits."""
        await self._node.knowledge.indexer.caught_up()
        is_forced, self._is_forced = self._is_forced, False
        waiting: list[Instant] = []
        for domain, fresh in await asyncio.to_thread(lambda: list(self._sketches())):
            told = await asyncio.to_thread(self._told, domain)
            due = self._due(told, fresh, is_forced=is_forced)
            if due is not None and due <= self._node.store.now():
                await self._tell(fresh, told)
            elif due is not None:
                waiting.append(due)
        return min(waiting, default=None)

    def _due(self, told: Told | None, fresh: Sketch, *, is_forced: bool) -> Instant | None:
        last = Published(told.sketch, told.hlc.us) if told is not None and told.sketch is not None else None
        if is_forced and last is not None and last.sketch != fresh:
            return 0
        return publish_at(last, fresh)

    async def _tell(self, fresh: Sketch, told: Told | None) -> None:
        node, stream = self._node, streams.sketch(fresh.domain)
        drafts = [node.author.node_act(stream, "knowledge.sketch", encode_sketch(fresh))]
        if told is not None:
            drafts.append(node.author.node_act(stream, ERASE, {"targets": [told.event], "reason": "author"}))
        await node.author.order(drafts)

    # --- reading, in a worker thread -----------------------------------------------------------

    def _sketches(self) -> Iterator[tuple[str, Sketch]]:
        """Yield a sketch of each domain of this node; an empty one where nothing is to be told any more."""
        told = {domain: told for domain in self._domains("sketch") if (told := self._told(domain)) is not None}
        model, dimension = self._node.embedding.model, self._node.embedding.dimension
        domains = self._domains("knowledge") if model and dimension else []
        left = NODE_BYTES_MAX
        for domain in domains[:DOMAINS_MAX]:
            numbers = [parse_vector(vector, dimension) for vector in self._vectors(domain, dimension)]
            fresh = make_sketch(domain, model, dimension, numbers)
            left -= sum(map(len, fresh.centroids))
            if left < 0:
                break
            told.pop(domain, None)
            yield domain, fresh
        for domain, one in told.items():
            if one.sketch is not None and one.sketch.centroids:
                yield domain, one.sketch._replace(centroids=())

    def _domains(self, kind: str) -> list[str]:
        """Return the domains in which this node wrote, those with the most events first."""
        own = self._node.store.admission.chains.of_node(self._node.store.node)
        chains = sorted((chain for chain in own if chain.kind == kind), key=lambda chain: (-chain.seq, chain.stream))
        return list(dict.fromkeys(streams.parse(chain.stream).subject for chain in chains))

    def _vectors(self, domain: str, dimension: int) -> list[bytes]:
        found = self._node.embedding.vectors_of(list(self._packets(domain)))
        return [vector for vector in found if len(vector) == 4 * dimension]

    def _packets(self, domain: str) -> Iterator[bytes]:
        """Yield the packets that this node began, the newest first."""
        store, left = self._node.store, EVENTS_MAX
        for chain in store.admission.chains.of_stream(streams.knowledge(domain)):
            before = chain.seq + 1 if chain.node == store.node else 0
            while before > 1 and left > 0:
                rows = store.log.chain_backwards(chain.epoch, chain.stream, before, min(_PAGE, left))
                if not rows:
                    break
                yield from (row.id for row in rows if row.kind in BEGINS)
                before, left = rows[-1].seq, left - len(rows)

    def _told(self, domain: str) -> Told | None:
        """Return the newest sketch that this node told of a domain."""
        store = self._node.store
        mine = [it for it in store.admission.chains.of_stream(streams.sketch(domain)) if it.node == store.node]
        told = [one for chain in mine if (one := newest_sketch(store, chain)) is not None]
        return max(told, key=lambda one: one.hlc, default=None)
