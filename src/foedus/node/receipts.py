"""Receipts for border acts of other nodes: many in one event, once a second, when their audit rows are durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from foedus.base.errors import FoedusError
from foedus.log import streams
from foedus.log.bodies import RECEIPT_IDS_MAX
from foedus.log.port import Verdict
from foedus.node.auditing import AuditTrail
from foedus.node.author import Author
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust.proof.receipt import Receipt, make_receipt

log = logging.getLogger("foedus.receipts")

INTERVAL_S = 1.0
"""A receipt costs two signatures and 3.9 KB; with a second's events in it, some bytes each."""
RETRY_S = 5.0
"""After a failure to write one: what waits goes on waiting, and a full disk does not get emptier by trying."""
WAITING_MAX = 20_000
"""Events of one peer that wait for a receipt: what it can send in some seconds. Beyond, some get none."""


class Receipts:
    """Acknowledges accepted border acts. ``agreement_of``: node → id of the agreement in force with it, or None."""

    def __init__(
        self, store: Store, author: Author, trail: AuditTrail, agreement_of: Callable[[bytes], bytes | None]
    ) -> None:
        self.dropped = 0
        """Events that got no receipt, since more came than WAITING_MAX."""
        self._store = store
        self._author = author
        self._trail = trail
        self._agreement_of = agreement_of
        self._noted: dict[bytes, bytes] = {}
        self._waiting: dict[bytes, list[bytes]] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def note(self, event_id: bytes, node: bytes) -> None:
        """Promise a receipt for an accepted border act of another node; it is given once that is durable."""
        if node == self._store.node:
            return
        self._noted[event_id] = node
        if len(self._noted) > WAITING_MAX:
            del self._noted[next(iter(self._noted))]
            self.dropped += 1

    def published(self, published: Published) -> None:
        """Take up what was noted and is durable now; what is not accepted after all gets no receipt."""
        if not self._noted:
            return
        noted = self._noted
        for row in published.rows:
            if row.id in noted:
                self._decided(row.id, row.verdict)
        for change in published.commit.verdicts:
            if change.id in noted:
                self._decided(change.id, change.verdict)
        if self._waiting:
            self._wake.set()

    def _decided(self, event_id: bytes, verdict: Verdict) -> None:
        """Let what was noted, and is durable with this verdict, wait for its receipt."""
        if verdict is Verdict.PENDING:
            return
        node = self._noted.pop(event_id)
        if verdict is Verdict.REJECTED:  # a replay is found in storing it
            return
        waiting = self._waiting.setdefault(node, [])
        if len(waiting) < WAITING_MAX:
            waiting.append(event_id)
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Write receipts until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.write()
            except FoedusError as error:
                log.warning("no receipt was written: %s: %s", error.code, error)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def write(self) -> None:
        """Give receipts for what waits and is durable by now; what fails goes on waiting. One call at a time works."""
        async with self._writing:
            self._wake.clear()
            if not self._waiting:
                return
            await self._trail.flush()  # the head that receipts name covers the rows of what they acknowledge
            for peer in list(self._waiting):
                while ids := self._waiting[peer][:RECEIPT_IDS_MAX]:
                    await self._write(peer, ids)
                    del self._waiting[peer][: len(ids)]
                del self._waiting[peer]

    async def _write(self, peer: bytes, ids: list[bytes]) -> None:
        store = self._store
        head = self._trail.head
        receipt = Receipt(
            v=1,
            node=store.node,
            epoch=store.epoch,
            peer=peer,
            verdict="accepted",
            agreement=self._agreement_of(peer),
            ids=tuple(ids),
            rows=head.rows,
            head=head.hash,
            at=store.now(),
        )
        body = await asyncio.to_thread(make_receipt, receipt, store.keys)
        await self._author.order([self._author.node_act(streams.pair(store.node, peer), "crossing.receipt", body)])
