"""What a peer no longer holds: it says so, with the checkpoint that vouches for where it goes on.

A chain of which nothing is held here is taken up at that checkpoint, since there is nothing to lose. Where a part of it
is held, another member may still have what lies between: that is told to the operator and not decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from foedus.base.cbor import Malformed, NotCanonical
from foedus.log import streams
from foedus.log.chains import ChainKey
from foedus.log.checkpoints import Statement, read_checkpoint
from foedus.log.gaps import gap_from, is_of
from foedus.node.ingest import Ingest, Report
from foedus.node.store import Store
from foedus.sync.frames import Pruned

OFFERS_MAX = 4_096
"""Chains of which peers said that they lack a part: as many as are asked for again on one link (``node/link.py``)."""


class PrunedChains:
    """Takes the ``pruned`` answers of peers. ``go_on``: asks a peer for a chain from our head."""

    def __init__(self, store: Store, ingest: Ingest, go_on: Callable[[bytes, ChainKey], None]) -> None:
        self.lacking: dict[ChainKey, tuple[bytes, int, int]] = {}
        """Chain → the peer that said so, our last seq, and the one from which the peer can go on."""
        self._store = store
        self._ingest = ingest
        self._go_on = go_on
        self._early: dict[tuple[bytes, ChainKey], Pruned] = {}

    async def take(self, carrier: bytes, frame: Pruned) -> None:
        """Take a chain up at the checkpoint, or note what is lacking. A frame that is not right changes nothing."""
        key = (frame.epoch, frame.stream)
        if not self._is_timely(carrier, frame):
            if len(self._early) < OFFERS_MAX:
                self._early[carrier, key] = frame
            return
        statement = await self._read(frame)
        if statement is None:
            self._ingest.refusals["bad_checkpoint"] += 1
            return
        held = self._held(key)
        if held >= statement.seq:
            return
        if held != frame.after or held != self._kept(frame.epoch):
            if len(self.lacking) < OFFERS_MAX:
                self.lacking[key] = (carrier, held, statement.seq)
            return
        gap = gap_from(statement, frame.stream, frame.after, frame.checkpoint)
        await self._store.commit(self._store.admission.leave_gap(gap))
        self._go_on(carrier, key)

    def _is_timely(self, carrier: bytes, frame: Pruned) -> bool:
        """Whether what must come first is here: the writer's record, our membership, the events before the gap."""
        is_known = self._store.holds(frame.epoch) and _is_room(frame.stream)
        return (
            is_known
            and not self._ingest.may_carry(carrier, frame.stream)
            and self._held((frame.epoch, frame.stream)) >= min(frame.after, self._kept(frame.epoch))
        )

    def _held(self, key: ChainKey) -> int:
        chain = self._store.admission.chains.get(key)
        return chain.seq if chain is not None else 0

    def _kept(self, epoch: bytes) -> int:
        """Return how many events of a chain of this epoch stay whatever is pruned."""
        view = self._store.identities.epoch(epoch)
        return 1 if view is not None and view.n else 0

    async def _read(self, frame: Pruned) -> Statement | None:
        view = self._store.identities.epoch(frame.epoch)
        if view is None or not self._store.admission.chains.has_room_for(view.record.node):
            return None
        keys = view.record.record.keys
        try:
            statement = await asyncio.to_thread(read_checkpoint, frame.checkpoint, keys.ed25519, keys.mldsa65)
        except (Malformed, NotCanonical):
            return None
        return statement if is_of(statement, frame.epoch, frame.stream) else None

    def reported(self, carrier: bytes, report: Report) -> list[Pruned]:
        """Return the answers that came too early and can be taken, now that a batch is durable."""
        if not self._early and not self.lacking:
            return []
        for key in report.reached:
            if key in self.lacking and self._held(key) > self.lacking[key][1]:
                del self.lacking[key]
        ready = [at for at, frame in self._early.items() if at[0] == carrier and self._is_timely(carrier, frame)]
        return [self._early.pop(at) for at in ready]


def _is_room(stream: str) -> bool:
    try:
        return streams.parse(stream).kind == "room"
    except Malformed:
        return False
