"""How folds of documents go on from where they were: what was kept of a room is used while the same updates count.

Whether they do is judged anew, event by event, each time: what decides it stands in many tables, and a node may have
ended between two of them. So what is kept saves the work of taking updates in, and never the judging.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from foedus.base.errors import Unavailable
from foedus.log.port import EventLog
from foedus.node.document_rows import DocumentRows
from foedus.state.documents.base import Base, Bases, Tally, decode_base, encode_base

log = logging.getLogger("foedus.documents")

BASE_EVERY = 5_000
"""Updates after which a room is kept anew: what is taken in beyond it takes a third of a second."""
_PAGE = 500


class DocumentBases:
    """Over ``Bases``, which it reads and writes in threads. On the event loop's thread."""

    def __init__(self, log_: EventLog, rows: DocumentRows, bases: Bases) -> None:
        self._log = log_
        self._rows = rows
        self._bases = bases
        self._turn = asyncio.Lock()
        self._under_way = 0
        """Changes that did not happen yet, or failed."""

    async def standing(self, stream: str) -> Base | None:
        """Return what was kept of a room, where what counts of that part of its log is the same now."""
        data = await asyncio.to_thread(self._bases.read, stream)
        base = await asyncio.to_thread(decode_base, data) if data is not None else None
        if base is None or base.stream != stream:
            return None
        tally = Tally()
        while tally.local < base.local:
            rows = [row for row in self._log.since(tally.local, _PAGE, stream) if row.local <= base.local]
            tally.add(rows[-1].local if rows else base.local, [row.id for row in rows if self._rows.is_tallied(row)])
            await asyncio.sleep(0)
        if tally.digest == base.tally:
            return base
        await self.drop(stream)
        return None

    async def keep(self, stream: str, kept: asyncio.Future[Base | None], still: Callable[[], bool]) -> None:
        """Keep what a fold was, unless it is not so any more."""
        base = await kept
        if base is None:
            return

        def write() -> None:
            if still():
                self._bases.write(stream, encode_base(base))

        await self._change(write)
        if not still():
            await self.drop(stream)

    def drop(self, stream: str) -> Coroutine[Any, Any, None]:
        """Keep nothing of a room: something of it may have to go from the disk. Once called it is to be awaited."""
        return self._change(lambda: self._bases.drop(stream))

    def clear(self) -> Coroutine[Any, Any, None]:
        """Keep nothing of any room. As ``drop``."""
        return self._change(self._bases.clear)

    def _change(self, work: Callable[[], object]) -> Coroutine[Any, Any, None]:
        self._under_way += 1
        return self._changed(work)

    async def _changed(self, work: Callable[[], object]) -> None:
        try:
            async with self._turn:
                await asyncio.to_thread(work)
            self._under_way -= 1
        except Unavailable as error:  # and so it does not end well: at the next start nothing is left
            log.warning("what documents are is not kept: %s", error)

    def is_empty(self) -> bool:
        """Whether nothing is kept, and nothing about to be."""
        return self._bases.is_empty() and not self._under_way

    def close(self) -> None:
        """Leave what is kept to the next start, unless something of it has to go."""
        if self._under_way:
            return
        try:
            self._bases.close()
        except Unavailable as error:
            log.warning("what documents are is not kept: %s", error)
