"""What is new here goes to a substrate of its own (``Substrate.apply``), and what no longer counts is taken back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from foedus.log.event import read_event
from foedus.log.port import Row, Verdict
from foedus.node.publisher import Published
from foedus.query.port import Change, Substrate

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.queries")

_PAGE = 200
"""Changes in one call."""
_TIMEOUT_S = 30.0
"""How long one call may take before it is made again."""
_AGAIN_S = 1.0
_AGAIN_MAX_S = 60.0
"""The pause before the same changes are brought again; it doubles while the substrate fails."""
_UNDONE_MAX = 10_000
"""Events judged anew or erased that wait to be told. Beyond, everything is told again."""


class SubstrateFeed:
    """Tells everything from the first event on at each start, so that nothing need be remembered between them."""

    def __init__(self, node: Node, substrate: Substrate) -> None:
        self.position = 0
        """Local number up to which the substrate was told."""
        self._node = node
        self._substrate = substrate
        self._undone: dict[bytes, None] = {}
        self._news = asyncio.Event()
        node.publisher.bookkeepers.append(self._published)

    def close(self) -> None:
        """Hear of nothing new."""
        self._node.publisher.bookkeepers.remove(self._published)

    def _published(self, published: Published) -> None:
        changed = [*published.commit.drops, *(verdict.id for verdict in published.commit.verdicts)]
        self._undone |= dict.fromkeys(changed)
        if len(self._undone) > _UNDONE_MAX:
            self._undone.clear()
            self.position = 0
        self._news.set()

    async def run(self) -> None:
        """Tell the substrate, for ever."""
        while True:
            self._news.clear()
            undone = list(self._undone)[:_PAGE]
            rows = self._node.log.by_ids(undone).values() if undone else self._node.log.since(self.position, _PAGE)
            if not rows:
                await self._news.wait()
                continue
            await self._tell(rows)
            for event in undone:
                self._undone.pop(event, None)
            if not undone:
                self.position = max(row.local for row in rows)

    async def _tell(self, rows: Iterable[Row]) -> None:
        changes = [self._change(row) for row in rows]
        pause_s = _AGAIN_S
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await self._substrate.apply(changes)
            except Exception:  # it may be anybody's program
                log.exception("the substrate does not take what is new; it is told again in %.0f s", pause_s)
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _AGAIN_MAX_S)

    def _change(self, row: Row) -> Change:
        origin = self._node.store.identities.node_of(row.epoch) or b""
        return Change(row.id, row.stream, origin, row.kind, row.hlc, row.envelope.body if self._counts(row) else None)

    def _counts(self, row: Row) -> bool:
        if row.verdict is not Verdict.ACCEPTED or row.withheld or row.envelope.body is None:
            return False
        erasures = self._node.store.admission.erasures
        return not erasures.names(row.id) or erasures.erased_by(row.id, read_event(row.envelope)) is None
