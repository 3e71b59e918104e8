"""What an accepted erasure causes here: bodies leave the log, its files and memory, and do not come back.

The erase event is durable first; then the bodies are dropped in a commit of their own, and the write-ahead log is
cut. A crash in between is made good at the next start: erasures stand in the log, so what they name is looked up again.
Where an erasure loses its verdict later (its author was withdrawn), the bodies that it took are wanted again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from foedus.base.errors import FoedusError
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.log.erasures import AT_REST, ERASE, Erase
from foedus.log.event import Event, read_event
from foedus.log.port import Commit, Row, Value, Verdict
from foedus.node.ingest import Ingest
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store

log = logging.getLogger("foedus.erasing")

_RETRY_S = 0.2
_RETRY_MAX_S = 30.0
"""How long to wait before trying again where the disk or a long reader was in the way; doubles."""


class Erased(NamedTuple):
    """A body went: of which event, by which erase event of whom (did:key text or node id) at which node, and why."""

    event: bytes
    stream: str
    erase: bytes
    by: str | bytes
    node: bytes
    reason: str


class Eraser:
    """Drops what accepted erasures name. ``run`` is its task.

    ``on_erased`` hear of each body that went, once that is durable; after a crash between the two they may not.
    """

    def __init__(self, store: Store, publisher: Publisher, ingest: Ingest, ask: Callable[[list[bytes]], None]) -> None:
        self.on_erased: list[Callable[[Erased], None]] = []
        self.derived: list[Callable[[Row], Sequence[Value]]] = []
        """What else holds the body of an event: how it goes, in the same transaction."""
        self._store = store
        self._publisher = publisher
        self._ingest = ingest
        self._ask = ask
        self._due: dict[bytes, None] = {}
        self._unclean = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        ingest.is_erased = self._is_erased
        publisher.listeners.append(self._published)

    def _is_erased(self, event_id: bytes, event: Event) -> bool:
        return self._store.admission.erasures.erased_by(event_id, event) is not None

    def _published(self, published: Published) -> None:
        self._forget_rest()
        erasures = self._store.admission.erasures
        for row in published.rows if ERASE in published.kinds else ():
            if row.kind == ERASE:
                if row.reason == "replayed_nonce":
                    erasures.judged(row.id, Verdict.REJECTED)
                self._note(row.id)
        for fill in published.commit.bodies:
            self._note(fill.id)
        for change in published.commit.verdicts:
            self._note(change.id)
        if erasures.released:
            self._want_again()

    def _note(self, event_id: bytes) -> None:
        erase = self._store.admission.erasures.get(event_id)
        if erase is not None and erase.counts:
            self._due[event_id] = None
            for row in self._store.log.by_ids(erase.targets).values():
                self._publisher.recent.forget((row.epoch, row.stream))
            self._idle.clear()
            self._wake.set()

    def _forget_rest(self) -> None:
        """Let the log say of none that it rests which does not any more: a start would drop nothing for it."""
        erasures = self._store.admission.erasures
        between = self._store.log.values_between
        stale = [it for it in erasures.woken() if it.id in between(AT_REST, it.id[:-1], it.id)]
        if stale:
            gone = [value._replace(value=None) for erase in stale for value in erasures.remembered(erase)]
            self._store.begin_commit(Commit(values=gone))

    def _want_again(self) -> None:
        """Let bodies come that no erasure explains any more, and ask for them."""
        erasures = self._store.admission.erasures
        released, erasures.released = erasures.released, []
        rows = self._store.log.by_ids(dict.fromkeys(released)).values()
        bare = [
            row.id
            for row in rows
            if row.envelope.body is None and not self._is_erased(row.id, read_event(row.envelope))
        ]
        self._ingest.want_bodies(bare)
        if bare:
            self._ask(bare)

    # --- the task ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Drop what is due until cancelled; what a crash cut short first."""
        self._forget_rest()
        erasures = self._store.admission.erasures
        self._due |= {erase.id: None for erase in erasures.all() if erase.counts}
        self._unclean = bool(erasures.all()) or erasures.any_rest
        wait_s = _RETRY_S
        while True:
            try:
                await self._work()
            except FoedusError as error:
                log.warning("erased bodies are not dropped yet: %s: %s", error.code, error)
            if not self._due and not self._unclean:
                wait_s = _RETRY_S
                self._idle.set()
                await self._wake.wait()
                self._wake.clear()
                continue
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_MAX_S)

    async def idle(self) -> None:
        """Wait until nothing that was erased so far remains in the files."""
        await self._idle.wait()

    async def _work(self) -> None:
        while self._due:
            batch = list(self._due)[: BATCH_EVENTS_MAX // 64]
            held = [erase for event_id in batch if (erase := self._store.admission.erasures.get(event_id))]
            await self._drop([target for erase in held for target in erase.targets])
            for event_id in batch:
                self._due.pop(event_id, None)
            await self._rest(held)
        if self._unclean:
            self._unclean = not await asyncio.to_thread(self._store.log.scrub)

    async def _rest(self, done: Sequence[Erase]) -> None:
        """Let those erasures rest whose events are all held, without their bodies."""
        erasures = self._store.admission.erasures
        held = self._store.log.by_ids(dict.fromkeys(target for erase in done for target in erase.targets))
        bare = {row.id for row in held.values() if row.local and row.envelope.body is None}
        over = [erase for erase in done if bare.issuperset(erase.targets) and erasures.may_rest(erase)]
        if not over:
            return
        await self._store.commit(Commit(values=[value for erase in over for value in erasures.remembered(erase)]))
        for erase in over:
            if self._store.admission.erasures.may_rest(erase):
                self._store.admission.erasures.rest(erase)

    async def _drop(self, targets: Sequence[bytes]) -> None:
        """Drop the bodies that are still there and that an erasure takes."""
        erasures = self._store.admission.erasures
        found: dict[bytes, tuple[Row, Erase]] = {}
        for row in self._store.log.by_ids(dict.fromkeys(targets)).values():
            erase = erasures.erased_by(row.id, read_event(row.envelope))
            if erase is not None:
                found[row.id] = (row, erase)
        self._ingest.forget_bodies(found)
        rows = [row for row, _ in found.values() if row.envelope.body is not None]
        if not rows:
            return
        self._unclean = True
        values = [value for row in rows for forget in self.derived for value in forget(row)]
        await self._store.commit(Commit(drops=[row.id for row in rows], values=values))
        for row in rows:
            self._tell(*found[row.id])

    def _tell(self, row: Row, erase: Erase) -> None:
        reason = erase.body.reason if erase.body is not None else ""
        told = Erased(row.id, row.stream, erase.id, erase.act.author, erase.chain.node, reason)
        for listener in self.on_erased:
            listener(told)
