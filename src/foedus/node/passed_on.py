"""What this node passed on of others' packets goes where their authors erase them: it holds the same words.

Every round reads all that this node passed on and looks whether the source is erased here, so nothing has to be
remembered over a crash but that anything was passed on at all.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Literal, NamedTuple

from foedus.base.errors import FoedusError
from foedus.base.limits import BATCH_BYTES_MAX, ERASE_TARGETS_MAX
from foedus.log.erasures import ERASE
from foedus.log.event import Event, read_event
from foedus.log.port import Commit, Row, Value
from foedus.node.author import Author
from foedus.node.erasing import Erased
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.state.knowledge.source import passed_on

log = logging.getLogger("foedus.erasing")

SPACE = "passed_on"
KIND = "knowledge.republish"
REST_MIN_S = 0.2
_REST_SHARE = 10
"""Between two rounds: ten times what the last one took, since who erases much wakes it with every batch."""
_RETRY_S = 60.0
_PAGE = 256


class _Passed(NamedTuple):
    """An event that passes another one on, and as whom this node erases it: its author, or the host of its people."""

    id: bytes
    reason: Literal["author", "moderator"]
    source: bytes
    event: Event


class PassedOn:
    """``run`` is its task; a node that never passed anything on reads nothing."""

    def __init__(self, store: Store, author: Author) -> None:
        self._store = store
        self._author = author
        self._has_any = bool(store.log.values(SPACE))
        self._wake = asyncio.Event()
        self._wake.set()

    def published(self, published: Published) -> None:
        """Remember that something was passed on here."""
        if self._has_any or KIND not in published.kinds:
            return
        own = self._store.node
        if any(row.kind == KIND and self._store.identities.node_of(row.epoch) == own for row in published.rows):
            self._has_any = True
            self._store.begin_commit(Commit(values=[Value(SPACE, b"", b"")]))

    def erased(self, erased: Erased) -> None:
        """Take note that a body is gone."""
        if erased.stream.startswith("knowledge:"):
            self._wake.set()

    async def run(self) -> None:
        """Take back what is due, until cancelled; what a crash kept from it first."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            began = loop.time()
            try:
                if self._has_any:
                    await self._round()
            except FoedusError as error:
                log.warning("what was passed on of erased packets is not erased yet: %s: %s", error.code, error)
                self._wake.set()
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(max(REST_MIN_S, _REST_SHARE * (loop.time() - began)))

    async def _round(self) -> None:
        chains = [
            chain for chain in self._store.admission.chains.of_node(self._store.node) if chain.kind == "knowledge"
        ]
        erasures = self._store.admission.erasures
        due: dict[tuple[str, str], list[bytes]] = {}
        for chain in chains:
            for passed in await asyncio.to_thread(self._passed_in, chain.epoch, chain.stream):
                if erasures.erased_by(passed.source, passed.event) is not None:
                    due.setdefault((chain.stream, passed.reason), []).append(passed.id)
        drafts = [
            self._author.node_act(stream, ERASE, {"targets": ids[at : at + ERASE_TARGETS_MAX], "reason": reason})
            for (stream, reason), ids in due.items()
            for at in range(0, len(ids), ERASE_TARGETS_MAX)
        ]
        if drafts:
            await self._author.order(drafts)

    def _passed_in(self, epoch: bytes, stream: str) -> list[_Passed]:
        """Return what a chain of this node passes on and still holds, in a worker thread."""
        found: list[_Passed] = []
        after = 0
        while rows := self._store.log.chain(epoch, stream, after, _PAGE, BATCH_BYTES_MAX):
            found += (passed for row in rows if (passed := _passed(row)) is not None)
            after = rows[-1].seq
        return found


def _passed(row: Row) -> _Passed | None:
    source = passed_on(row.kind, row.envelope.body)
    if source is None:
        return None
    is_own = not isinstance(read_event(row.envelope).act.author, str)
    return _Passed(row.id, "author" if is_own else "moderator", source.id, source.event)
