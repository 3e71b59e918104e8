"""Writes checkpoints of this node's chains when they are due."""

from __future__ import annotations

import asyncio
import logging

from foedus.base.errors import FoedusError
from foedus.base.limits import CHECKPOINT_EVENTS
from foedus.log import checkpoints
from foedus.log.chains import Chain, ChainKey
from foedus.node.author import Author
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.node.waiting import happens

log = logging.getLogger("foedus.checkpoints")

_TICK_S = 60.0


class Checkpointer:
    """Counts what changed in own chains since their last checkpoint; a checkpoint itself is no change."""

    def __init__(self, store: Store, author: Author, publisher: Publisher) -> None:
        self._store = store
        self._author = author
        self._changed: dict[ChainKey, int] = {}
        self._last: dict[ChainKey, int] = {}
        self._wake = asyncio.Event()
        self.started_at = store.now()
        publisher.bookkeepers.append(self._published)
        for chain in store.admission.chains.of_node(store.node):
            if chain.epoch == store.epoch and chain.seq:
                self._changed[chain.key] = chain.seq - self._covered(chain)

    def _covered(self, chain: Chain) -> int:
        """Return up to which seq the newest checkpoint near the end of the chain goes, as far as that is quick."""
        for row in self._store.log.chain_backwards(chain.epoch, chain.stream, chain.seq + 1, CHECKPOINT_EVENTS):
            if row.kind == "checkpoint":
                return row.seq
        return max(0, chain.seq - CHECKPOINT_EVENTS)

    def _published(self, published: Published) -> None:
        for key, rows in published.chains.items():
            if self._store.identities.node_of(key[0]) == self._store.node:
                count = sum(row.kind != "checkpoint" for row in rows)
                changed = self._changed[key] = self._changed.get(key, 0) + count
                if changed >= CHECKPOINT_EVENTS:
                    self._wake.set()

    async def run(self) -> None:
        """Write due checkpoints until cancelled."""
        while True:
            await happens(self._wake, _TICK_S)
            self._wake.clear()
            try:
                await self.write_due()
            except FoedusError as error:
                log.warning("no checkpoint: %s: %s", error.code, error)
                await asyncio.sleep(1.0)

    async def write_due(self) -> int:
        """Write a checkpoint of each chain that needs one; return how many."""
        now = self._store.now()
        due = [
            key
            for key, changed in self._changed.items()
            if key[0] == self._store.epoch and checkpoints.is_due(changed, self._last.get(key, self.started_at), now)
        ]
        for key in due:
            await self._write(key, now)
        return len(due)

    async def _write(self, key: ChainKey, now: int) -> None:
        chain = self._store.admission.chains.get(key)
        if chain is None or not chain.seq:
            return
        keys = self._store.keys
        body = checkpoints.make_checkpoint(chain, now, keys.ed25519, keys.mldsa65)
        await self._author.order([self._author.node_act(checkpoints.stream_for(chain.stream), "checkpoint", body)])
        self._changed[key], self._last[key] = 0, now

    def age_us(self) -> int:
        """Return how long the oldest chain with changes has waited for a checkpoint, µs."""
        now = self._store.now()
        waits = [now - self._last.get(key, self.started_at) for key, changed in self._changed.items() if changed]
        return max(waits, default=0)
