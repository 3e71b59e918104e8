"""Bodies of rejected events: sealed for 30 days, since a recovery may void the withdrawal; then dropped.

The 30 days begin when the event is first found to be rejected, which is looked at each hour and stored beside it; what
was accepted in between begins anew. Kinds that others stand on, and all that stands outside rooms, keep their bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from foedus.base.limits import SEALED_FOR
from foedus.log.erasures import NOT_ERASABLE
from foedus.log.port import Commit, Row, Value, Verdict
from foedus.node.publisher import Publisher
from foedus.node.store import Store

SPACE = "sealed"
"""The space of values that says since when a body is sealed: local number → instant, both as 8 bytes."""
_PAGE = 100
"""Rows read at a time: 13 MB at most."""
_LAST = (1 << 63) - 1


class SealedBodies:
    """Drops bodies whose time is over. ``on_back``: rows whose body went while they came in force again."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self.on_back: Callable[[Sequence[Row]], object] = lambda _rows: None
        self._store = store
        self._publisher = publisher
        self._turn = asyncio.Lock()

    async def sweep(self) -> int:
        """Note what is rejected now, and drop what has been for SEALED_FOR; return how many bodies went."""
        async with self._turn:
            return await self._sweep()

    async def _sweep(self) -> int:
        after, dropped = 0, 0
        while after < _LAST:
            rows = await asyncio.to_thread(self._store.log.rejected_rows, after, _PAGE)
            upto = rows[-1].local if len(rows) == _PAGE else _LAST
            since = await asyncio.to_thread(self._store.log.values_between, SPACE, _bytes(after), _bytes(upto))
            dropped += await self._settle(rows, since)
            after = upto
        if dropped:
            await asyncio.to_thread(self._store.log.scrub)
        return dropped

    async def _settle(self, rows: Sequence[Row], since: dict[bytes, bytes]) -> int:
        """Go on with one page: ``since`` says of which local numbers the time runs, also where it does so no more."""
        now = self._store.now()
        sealed = {_bytes(row.local): row for row in rows if _is_droppable(row)}
        over = [sealed[key] for key, at in since.items() if key in sealed and _instant(at) <= now - SEALED_FOR]
        begun = [Value(SPACE, key, _bytes(now)) for key in sealed if key not in since]
        gone = {_bytes(row.local) for row in over} | (since.keys() - sealed.keys())
        if begun or gone:
            ended = [Value(SPACE, key, None) for key in gone]
            await self._store.commit(Commit(drops=[row.id for row in over], values=[*begun, *ended]))
        for key in dict.fromkeys((row.epoch, row.stream) for row in over):
            self._publisher.recent.forget(key)
        held = self._store.log.by_ids([row.id for row in over])
        self.on_back([row for row in held.values() if row.verdict is not Verdict.REJECTED])
        return len(over)


def _is_droppable(row: Row) -> bool:
    return row.stream.startswith("room:") and row.kind not in NOT_ERASABLE


def _bytes(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _instant(data: bytes) -> int:
    return int.from_bytes(data, "big")
