"""Which bodies are missing here and no erasure explains: found again after a start, and asked for.

A rejected event may come back when its withdrawal is voided, so its body is kept sealed for SEALED_FOR; after that
peers drop it (``node/sealed.py``), and it is asked for only if the event is accepted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from foedus.base.limits import SEALED_FOR, WANTS_PER_FRAME
from foedus.log.event import read_event
from foedus.log.port import Row, Verdict
from foedus.node.ingest import Ingest
from foedus.node.preparing import BODILESS_MAX
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store

_PAGE = 200
_LOOKED_UP_MAX = 1_000
"""Changed verdicts that are looked up at once: for more, all that lacks a body is looked through again."""
_PAUSE_S = 30.0
_PAUSE_MAX_S = 3_600.0
"""How long to wait before asking again for what stays wanted: whom we asked may have it by now. Doubles."""
_SHARE = 0.1
"""Of the event loop's time for looking through what lacks a body: nearly all of it is erased."""


class WantedBodies:
    """Finds the bodies to ask for. ``run`` and ``insist`` are its tasks; ``ask`` asks all peers that are linked."""

    def __init__(self, store: Store, publisher: Publisher, ingest: Ingest, ask: Callable[[list[bytes]], None]) -> None:
        self.lets_go: Callable[[Row], bool] = lambda _row: False
        """Whether retention has let the body of an event go."""
        self._store = store
        self._ingest = ingest
        self._ask = ask
        self._again = asyncio.Event()
        publisher.bookkeepers.append(self._published)

    async def run(self) -> None:
        """Look through all that lacks a body, now and when more has changed than is looked up; until cancelled."""
        while True:
            self._again.clear()
            await self._look_through()
            await self._again.wait()

    async def insist(self) -> None:
        """Ask again for what stays wanted, also for what held events cite, ever less often; until cancelled."""
        pause_s = _PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            wanted = self._ingest.missing()
            pause_s = min(2 * pause_s, _PAUSE_MAX_S) if wanted else _PAUSE_S
            if wanted:
                self._ask(wanted)

    async def _look_through(self) -> None:
        loop = asyncio.get_running_loop()
        after, found = 0, 0
        while found < BODILESS_MAX:
            rows = await asyncio.to_thread(self._store.log.bodiless_rows, after, _PAGE)
            began = loop.time()
            found += self.want(rows, asks=found < WANTS_PER_FRAME)
            if len(rows) < _PAGE:
                return
            after = rows[-1].local
            await asyncio.sleep((loop.time() - began) / _SHARE)

    def want(self, rows: Sequence[Row], *, asks: bool = True) -> int:
        """Take and ask for the bodies of those rows that lack one which nothing explains; return how many."""
        wanted = [row.id for row in rows if self._is_wanted(row)]
        self._ingest.want_bodies(wanted)
        if wanted and asks:
            self._ask(wanted)
        return len(wanted)

    def _is_wanted(self, row: Row) -> bool:
        is_over = row.verdict is Verdict.REJECTED and row.hlc.us < self._store.now() - SEALED_FOR
        if row.envelope.body is not None or is_over or self.lets_go(row):
            return False
        return not self._ingest.is_erased(row.id, read_event(row.envelope))

    def _published(self, published: Published) -> None:
        """Want the body of what is not rejected any more."""
        changed = [it.id for it in published.commit.verdicts if it.verdict is not Verdict.REJECTED]
        if len(changed) > _LOOKED_UP_MAX:
            self._again.set()
        elif changed:
            self.want(list(self._store.log.by_ids(changed).values()))
