"""Heads of audit logs, told and countersigned: what a peer remembers, an operator alone cannot rewrite.

After a seal each peer that can be reached is told the head, and answers with a witness in its own chain of the same
``pair:`` stream: at most one of each in a minute and peer. Rows about these events wait for others (``QUIET``), so
idle nodes stay silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from foedus.base.cbor import to_plain
from foedus.base.errors import FoedusError
from foedus.base.limits import MINUTE, SECOND
from foedus.log import streams
from foedus.log.port import Row, Verdict
from foedus.node.audit_claims import HEAD, WITNESS, last_head, last_witness, note_of, seal_of, statement_of
from foedus.node.auditing import AuditTrail
from foedus.node.author import Author
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust.audit.rows import Head
from foedus.trust.audit.seals import Statement, is_signed, read_statement

log = logging.getLogger("foedus.audit")

UNSIGNED = "invalid_signature"
REWRITTEN = "audit_rewritten"
"""Why a head is not countersigned."""
INTERVAL = MINUTE
"""Between two heads told to one peer, and between two witnesses given to one: 3.4 KB and 0.4 KB each."""

SETTLE = 10 * SECOND
"""From when a peer can be reached until it is told: by then it has shown what it holds of us, so that a node which was
restored from a backup does not fork the stream of the two before it knows."""


class Witnesses:
    """Tells the newest seal, and countersigns those of others. ``reachable``: peers that can be told now."""

    def __init__(self, store: Store, author: Author, trail: AuditTrail, reachable: Callable[[], list[bytes]]) -> None:
        self._store = store
        self._author = author
        self._trail = trail
        self._reachable = reachable
        self._told: dict[bytes, int] = {}
        self._told_at: dict[bytes, int] = {}
        self._seen: dict[bytes, int] = {}
        self._heard: dict[bytes, tuple[bytes, Statement]] = {}
        self._witnessed: dict[bytes, Head] = {}
        self._answered_at: dict[bytes, int] = {}
        self.on_refused: Callable[[bytes, Row, str], None] = lambda _node, _row, _code: None
        """A peer told a head that is not signed, or contradicts one which this node countersigned."""
        self._wake = asyncio.Event()
        trail.on_sealed = self._wake.set
        store.publisher.bookkeepers.append(self._published)

    async def run(self) -> None:
        """Tell and answer until cancelled."""
        while True:
            wait_s = self._wait_s()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.speak()
            except FoedusError as error:
                log.warning("no head or witness was written: %s: %s", error.code, error)
                await asyncio.sleep(1.0)

    def changed(self) -> None:
        """Look again whom to tell: a peer came, which may not know the newest head."""
        self._wake.set()

    def _wait_s(self) -> float | None:
        """Return how long until something that waits may be said; None where nothing waits."""
        now = self._store.now()
        times = [self._may_tell_at(peer) for peer in self._untold()]
        times += [self._answered_at.get(peer, 0) + INTERVAL for peer in self._heard]
        return max(0, min(times) - now) / SECOND if times else None

    async def speak(self) -> None:
        """Tell the newest head to whom it is new, and answer whom we owe a witness, as far as it is time."""
        now = self._store.now()
        drafts, notes = [], []
        for peer in self._untold():
            if now >= self._may_tell_at(peer) and (seal := self._trail.seal) is not None:
                stream = streams.pair(self._store.node, peer)
                drafts.append(self._author.node_act(stream, HEAD, to_plain(seal)))
                statement = read_statement(seal)
                self._told[peer], self._told_at[peer] = statement.count, now
                notes.append(note_of(self._store.node, Head(statement.count, statement.head)))
        for peer in [peer for peer in self._heard if now - self._answered_at.get(peer, 0) >= INTERVAL]:
            told, statement = self._heard.pop(peer)
            body = {"node": peer, "count": statement.count, "hash": statement.head, "told": told}
            drafts.append(self._author.node_act(streams.pair(self._store.node, peer), WITNESS, body))
            notes.append(note_of(peer, Head(statement.count, statement.head)))
            self._answered_at[peer] = now
        if drafts:
            await self._store.put(*notes)
            await self._author.order(drafts)

    def _untold(self) -> list[bytes]:
        if self._trail.seal is None:
            return []
        count, now = read_statement(self._trail.seal).count, self._store.now()
        self._seen = {peer: self._seen.get(peer, now) for peer in self._reachable()}
        return [peer for peer in self._seen if self._last_told(peer) < count]

    def _may_tell_at(self, peer: bytes) -> int:
        return max(self._told_at.get(peer, 0) + INTERVAL, self._seen.get(peer, 0) + SETTLE)

    def _last_told(self, peer: bytes) -> int:
        if peer not in self._told:
            told = last_head(self._store.log, self._store.epoch, streams.pair(self._store.node, peer))
            self._told[peer] = told.rows
        return self._told[peer]

    # --- heads of others -----------------------------------------------------------------------

    def _published(self, published: Published) -> None:
        for row in published.rows if HEAD in published.kinds else ():
            if row.kind == HEAD and row.verdict is Verdict.ACCEPTED and not row.withheld:
                node = self._store.identities.node_of(row.epoch)
                if node is not None and node != self._store.node:
                    self._heard_head(node, row)

    def _heard_head(self, node: bytes, row: Row) -> None:
        """Keep the newest head of a peer that is to be countersigned; one that takes back an older one is evidence."""
        seal = seal_of(row)
        statement = statement_of(seal)
        view = self._store.identities.epoch(statement.epoch) if statement else None
        if seal is None or statement is None or view is None or (statement.node, view.node) != (node, node):
            return
        keys = view.record.record.keys
        if not is_signed(seal, (keys.ed25519, keys.mldsa65)):
            self.on_refused(node, row, UNSIGNED)
            return
        before = self._witnessed.get(node) or last_witness(self._store, node)
        if _takes_back(before, statement):
            self.on_refused(node, row, REWRITTEN)
            return
        self._witnessed[node] = Head(statement.count, statement.head)
        self._heard[node] = (row.id, statement)
        self._wake.set()


def _takes_back(before: Head, statement: Statement) -> bool:
    if statement.count == before.rows:
        return statement.head != before.hash
    return statement.count < before.rows
