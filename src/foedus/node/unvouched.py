"""What is said in a chain of which its writer makes no checkpoint: it goes, too, though the events have to stay.

A chain is pruned up to an event that its own node vouches for. Who never writes a checkpoint, or forked its chain,
would have others keep its words for ever. So a week after their days are over their texts go, as an erased one does;
the events stay, and show that something was said. What knowledge says goes so in any case, and on its day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from foedus.base.clock import Instant
from foedus.base.limits import DAY
from foedus.log.chains import Chain, ChainKey
from foedus.log.port import Commit, Row
from foedus.node.publisher import Publisher
from foedus.node.store import Store

GRACE = 7 * DAY
"""How much longer a text without a checkpoint stays: who runs a node vouches within the hour in which it is there."""
_SAID: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "room": frozenset({"message.text"}),
        "knowledge": frozenset(
            {
                "knowledge.publish",
                "knowledge.revise",
                "knowledge.republish",
                "task.offer",
                "task.progress",
                "task.done",
            }
        ),
    }
)
"""By kind of stream. What else stands in rooms merges with what came before it, and is folded anew without it; what
else is told of packets and tasks takes them back or gives them to somebody, and goes on doing so."""
_PAGE = 100
"""Rows read at a time: 13 MB at most."""


def may_go(row: Row) -> bool:
    """Whether an event is one of those whose body goes."""
    return row.kind in _SAID.get(row.stream.partition(":")[0], ())


class UnvouchedBodies:
    """Drops the bodies of one chain after the other."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._done: dict[ChainKey, int] = {}
        """How far chains of knowledge were gone through: their events stay, and are not read each hour."""

    async def drop(self, chain: Chain, before: Instant) -> list[Row]:
        """Drop what was said in a chain before an instant and is here still; return of which events."""
        seq = max((gap.seq for gap in self._store.admission.gaps.of(chain.key)), default=self._done.get(chain.key, 0))
        dropped: list[Row] = []
        while rows := await asyncio.to_thread(self._store.log.chain, chain.epoch, chain.stream, seq, _PAGE):
            timely = [row for row in rows if row.hlc.us < before]
            dropped += await self._drop([row for row in timely if may_go(row) and row.envelope.body is not None])
            if len(timely) < len(rows):
                break
            seq = rows[-1].seq
            if chain.kind == "knowledge":
                self._done[chain.key] = seq
        return dropped

    async def _drop(self, rows: Sequence[Row]) -> Sequence[Row]:
        if rows:
            await self._store.commit(Commit(drops=[row.id for row in rows]))
            self._publisher.recent.forget((rows[0].epoch, rows[0].stream))
        return [row._replace(envelope=row.envelope.without_body()) for row in rows]
