"""Retention: what is older than its days goes, up to a checkpoint that vouches for where the chain then begins.

``room:`` streams are pruned. Events and bodies go; that they were, and that nothing else was there, both keys of
their node have signed in the checkpoint, which is kept and shown to peers that ask for what is gone. Of ``knowledge:``
streams the events stay, since a packet is what all that was told of it makes; what they say goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import DAY, HOUR, SECOND
from foedus.log import streams
from foedus.log.chains import Chain
from foedus.log.checkpoints import Statement, read_checkpoint
from foedus.log.erasures import ERASE
from foedus.log.gaps import is_of, may_prune
from foedus.log.port import Gap, Row
from foedus.node.publisher import Publisher
from foedus.node.sealed import SealedBodies
from foedus.node.store import Store
from foedus.node.unvouched import GRACE, UnvouchedBodies, may_go

log = logging.getLogger("foedus.retention")

_INTERVAL_S = HOUR / SECOND
_PAGE = 500


class Pruning(NamedTuple):
    """What one run dropped."""

    chains: int
    events: int


class Retention:
    """Prunes by ``days``: "room", "knowledge", or the id of a room in hex, which goes before → days. Else nothing goes.

    ``agreed``: the days for which this node may keep what another wrote, None where the two agreed on none. The fewer
    days count.
    """

    def __init__(self, store: Store, publisher: Publisher, days: Mapping[str, int]) -> None:
        self.days = days
        self.sealed = SealedBodies(store, publisher)
        self.agreed: Callable[[bytes], int | None] = lambda _node: None
        self.prepare: Callable[[], Awaitable[object]] = _nothing
        """Keeps what follows from that which is about to go."""
        self.on_pruned: Callable[[Gap, int], None] = lambda _gap, _dropped: None
        """Told of each chain of which events went, and of how many."""
        self.on_dropped: Callable[[Sequence[Row]], None] = lambda _rows: None
        """Told of events of one chain whose bodies went, though no checkpoint vouches for them."""
        self._unvouched = UnvouchedBodies(store, publisher)
        self._store = store
        self._publisher = publisher
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Prune, and drop what was sealed for its time, now and each hour, until cancelled."""
        while True:
            try:
                await self.prune(self.days)
                await self.sealed.sweep()
            except FoedusError as error:
                log.warning("nothing was pruned: %s: %s", error.code, error)
            await asyncio.sleep(_INTERVAL_S)

    async def prune(self, days: Mapping[str, int]) -> Pruning:
        """Drop what is older than its days; return how much. What goes is out of the files, too."""
        async with self._turn:
            return await self._prune(days)

    async def _prepare(self) -> None:
        try:
            await self.prepare()
        except FoedusError as error:
            log.warning("what is dropped may be in no snapshot: %s", error)

    def ends(self, stream: str, peers: Iterable[bytes]) -> bool:
        """Whether something of a room goes after some days: here, or at a peer that agreed to it."""
        subject = streams.parse(stream).subject
        return bool({subject, "room"} & self.days.keys()) or any(self.agreed(node) is not None for node in peers)

    async def _prune(self, days: Mapping[str, int]) -> Pruning:
        now, chains, events, bodies = self._store.now(), 0, 0, 0
        for chain in self._store.admission.chains:
            kept = _days_of(chain, days, self.agreed(chain.node))
            if kept is None or not chain.seq:
                continue
            gap = await asyncio.to_thread(self._find, chain, now - kept * DAY) if chain.kind == "room" else None
            if gap is not None and may_prune(chain, gap.seq):
                if not chains:
                    await self._prepare()
                events, chains = events + await self._leave(gap), chains + 1
            bodies += await self._drop_unvouched(chain, now - kept * DAY - _grace(chain))
        if chains or bodies:
            await asyncio.to_thread(self._store.log.scrub)
        return Pruning(chains, events)

    async def _leave(self, gap: Gap) -> int:
        """Drop the events of a gap; return how many."""
        key = (gap.epoch, gap.stream)
        dropped = gap.seq - max([gap.after, *(one.seq for one in self._store.admission.gaps.of(key))])
        await self._store.commit(self._store.admission.leave_gap(gap))
        self.on_pruned(gap, dropped)
        self._publisher.recent.forget(key)
        return dropped

    async def _drop_unvouched(self, chain: Chain, before: Instant) -> int:
        rows = await self._unvouched.drop(chain, before)
        if rows:
            self.on_dropped(rows)
        return len(rows)

    def lets_go(self, row: Row) -> bool:
        """Whether the days of a text without a checkpoint are over, so that its body is not asked for."""
        chain = self._store.admission.chains.get((row.epoch, row.stream))
        if chain is None or not may_go(row):
            return False
        days = _days_of(chain, self.days, self.agreed(chain.node))
        return days is not None and row.hlc.us < self._store.now() - days * DAY - _grace(chain)

    def _find(self, chain: Chain, before: Instant) -> Gap | None:
        """Return how far a chain can go: to the event that its newest checkpoint from ``before`` names.

        It ends before an erasure of something that stays: without it the body could come back.
        """
        view = self._store.identities.epoch(chain.epoch)
        if view is None:
            return None
        after = 1 if view.n else 0
        seq = max([after, *(gap.seq for gap in self._store.admission.gaps.of(chain.key))])
        found: tuple[Statement, bytes] | None = None
        while rows := self._store.log.chain(chain.epoch, chain.stream, seq, _PAGE):
            for row in rows:
                if row.hlc.us >= before or self._still_erases(row):
                    return self._gap(chain, after, found)
                found = self._checkpoint(row) or found
            seq = rows[-1].seq
        return self._gap(chain, after, found)

    def _checkpoint(self, row: Row) -> tuple[Statement, bytes] | None:
        view, body = self._store.identities.epoch(row.epoch), row.envelope.body
        if row.kind != "checkpoint" or body is None or view is None:
            return None
        keys = view.record.record.keys
        try:
            statement = read_checkpoint(body, keys.ed25519, keys.mldsa65)
        except (Malformed, NotCanonical):
            return None
        return (statement, body) if is_of(statement, row.epoch, row.stream) and statement.seq < row.seq else None

    def _gap(self, chain: Chain, after: int, found: tuple[Statement, bytes] | None) -> Gap | None:
        if found is None or found[0].seq <= after:
            return None
        statement, body = found
        row = self._store.log.by_ids([statement.id]).get(statement.id)
        if row is None or (row.epoch, row.stream, row.seq) != (*chain.key, statement.seq):
            return None  # pruned up to there already; or the owner signed what is not in its chain
        return Gap(*chain.key, after, statement.seq, statement.id, row.hlc, body)

    def _still_erases(self, row: Row) -> bool:
        erase = self._store.admission.erasures.find(row) if row.kind == ERASE else None
        if erase is None or not erase.counts:
            return False
        held = self._store.log.by_ids(erase.targets).values()
        return any(target.local and (target.epoch, target.stream) != (row.epoch, row.stream) for target in held)


async def _nothing() -> None:
    """There is nothing to keep."""


def _grace(chain: Chain) -> int:
    return GRACE if chain.kind == "room" else 0


def _days_of(chain: Chain, days: Mapping[str, int], agreed: int | None) -> int | None:
    if chain.kind not in {"room", "knowledge"}:
        return None
    own = days.get(chain.kind)
    if chain.kind == "room":
        own = days.get(streams.parse(chain.stream).subject, own)
    return min((limit for limit in (own, agreed) if limit is not None), default=None)
