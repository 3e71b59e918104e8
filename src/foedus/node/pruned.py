"""What a peer no longer holds: it says so, with the checkpoint that vouches for where it goes on.

Where its own writer says so of a chain of which nothing is held here, the chain is taken up at that checkpoint. In all
other cases another node may still have what lies between, and a carrier could cut off what it dislikes: that is told to
the operator, who may ``skip``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from foedus.base.cbor import Malformed, NotCanonical
from foedus.log import streams
from foedus.log.chains import ChainKey
from foedus.log.checkpoints import Statement, read_checkpoint
from foedus.log.gaps import gap_from, is_of
from foedus.log.outcomes import OVER_QUOTA
from foedus.node.ingest import Ingest
from foedus.node.reports import Report
from foedus.node.store import Store
from foedus.sync.frames.events import Pruned

OFFERS_MAX = 4_096
"""Chains of which a peer said that it lacks a part: as many as are asked for again on one link (``node/link.py``)."""

EARLY_MAX = 1_024
"""Answers of one peer that wait for what comes first: 4 MiB at most. It says them again when a link opens."""
CHECKPOINT_MAX = 4_096
"""Bytes of a checkpoint: a signature of ML-DSA-65, one of Ed25519, and a statement of some 200 bytes."""


class Lacking(NamedTuple):
    """A peer lacks what follows ``held``, our last event of a chain; it can go on behind ``statement``."""

    peer: bytes
    held: int
    statement: Statement
    checkpoint: bytes


class PrunedChains:
    """Takes the ``pruned`` answers of peers. ``go_on``: asks a peer for a chain from our head."""

    def __init__(self, store: Store, ingest: Ingest, go_on: Callable[[bytes, ChainKey], None]) -> None:
        self.on_refused: Callable[[bytes, str], None] = lambda _carrier, _stream: None
        """(carrier, stream): an answer proves nothing."""
        self._lacking: dict[bytes, dict[ChainKey, Lacking]] = {}
        """By peer: none takes the place of what another said."""
        self._store = store
        self._ingest = ingest
        self._go_on = go_on
        self._early: dict[bytes, dict[ChainKey, Pruned]] = {}

    async def take(self, carrier: bytes, frame: Pruned) -> None:
        """Take a chain up at the checkpoint, or note what is lacking. A frame that is not right changes nothing."""
        key = (frame.epoch, frame.stream)
        if not self._is_timely(carrier, frame) and len(frame.checkpoint) <= CHECKPOINT_MAX:
            early = self._early.setdefault(carrier, {})
            if len(early) < EARLY_MAX:
                early[key] = frame
            return
        if not self._has_room(frame):
            self._ingest.refusals[OVER_QUOTA] += 1
            return
        statement = await self._read(frame)
        if statement is None:
            self.on_refused(carrier, frame.stream)
            return
        held = self._held(key)
        if held >= statement.seq:
            return
        lacking = Lacking(carrier, held, statement, frame.checkpoint)
        if held == self._kept(frame.epoch) and carrier == self._store.identities.node_of(frame.epoch):
            await self._leave(key, lacking, [carrier])
            return
        said = self._lacking.setdefault(carrier, {})
        if key in said or len(said) < OFFERS_MAX:
            said[key] = lacking

    @property
    def lacking(self) -> dict[ChainKey, Lacking]:
        """What peers said that they lack of each chain: of several answers the one that leaves out the least."""
        least: dict[ChainKey, Lacking] = {}
        for said in self._lacking.values():
            for key, one in said.items():
                if key not in least or one.statement.seq < least[key].statement.seq:
                    least[key] = one
        return least

    def _take_out(self, key: ChainKey) -> list[bytes]:
        """Forget what was said of a chain; return who said it."""
        peers = [peer for peer, said in self._lacking.items() if said.pop(key, None) is not None]
        self._lacking = {peer: said for peer, said in self._lacking.items() if said}
        return peers

    async def skip(self, stream: str) -> int:
        """Go on without what peers said they lack of a stream; return how many events that leaves out."""
        skipped = 0
        for key, lacking in [(key, one) for key, one in self.lacking.items() if key[1] == stream]:
            peers = self._take_out(key)
            if self._held(key) == lacking.held:
                skipped += lacking.statement.seq - lacking.held
                await self._leave(key, lacking, peers)
        return skipped

    async def _leave(self, key: ChainKey, lacking: Lacking, peers: Iterable[bytes]) -> None:
        gap = gap_from(lacking.statement, key[1], lacking.held, lacking.checkpoint)
        await self._store.commit(self._store.admission.leave_gap(gap))
        for peer in peers:
            self._go_on(peer, key)

    def _is_timely(self, carrier: bytes, frame: Pruned) -> bool:
        """Whether what must come first is here: the writer's record, our membership, the events before the gap."""
        is_known = self._store.holds(frame.epoch) and _is_room(frame.stream)
        return (
            is_known
            and not self._ingest.may_carry(carrier, frame.stream)
            and self._held((frame.epoch, frame.stream)) >= self._kept(frame.epoch)
        )

    def _held(self, key: ChainKey) -> int:
        chain = self._store.admission.chains.get(key)
        return chain.seq if chain is not None else 0

    def _kept(self, epoch: bytes) -> int:
        """Return how many events of a chain of this epoch stay whatever is pruned."""
        view = self._store.identities.epoch(epoch)
        return 1 if view is not None and view.n else 0

    def _has_room(self, frame: Pruned) -> bool:
        """Whether the chain's node may have one more here."""
        node = self._store.identities.node_of(frame.epoch)
        return node is None or self._store.admission.chains.has_room_for(node)

    async def _read(self, frame: Pruned) -> Statement | None:
        view = self._store.identities.epoch(frame.epoch)
        if view is None or len(frame.checkpoint) > CHECKPOINT_MAX:
            return None
        keys = view.record.record.keys
        try:
            statement = await asyncio.to_thread(read_checkpoint, frame.checkpoint, keys.ed25519, keys.mldsa65)
        except (Malformed, NotCanonical):
            return None
        return statement if is_of(statement, frame.epoch, frame.stream) else None

    def reported(self, carrier: bytes, report: Report) -> list[Pruned]:
        """Return the answers that came too early and can be taken, now that a batch is durable."""
        if not self._early and not self._lacking:
            return []
        for key in report.reached:
            if any(self._held(key) > said[key].held for said in self._lacking.values() if key in said):
                self._take_out(key)
        early = self._early.get(carrier, {})
        ready = [key for key, frame in early.items() if self._is_timely(carrier, frame)]
        return [early.pop(key) for key in ready]

    def forget(self, carrier: bytes) -> None:
        """Let go of what a peer said too early: its link ended."""
        self._early.pop(carrier, None)


def _is_room(stream: str) -> bool:
    try:
        return streams.parse(stream).kind == "room"
    except Malformed:
        return False
