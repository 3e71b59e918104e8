"""The audit log of a running node: decisions are noted on the event loop, written and sealed by a thread.

``note`` never blocks and never fails: what comes too fast is aggregated (``trust.audit.gather``). What cannot be
written waits, aggregated with its count, and shows as trouble; the node goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from foedus.adapters.key_files import NodeKeys
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.identity.record import SignedRecord
from foedus.node.store import Store
from foedus.node.waiting import happens
from foedus.trust.audit import seals
from foedus.trust.audit.gather import Gatherer
from foedus.trust.audit.port import AuditStore
from foedus.trust.audit.rows import START, Decision, Draft, Head, follow
from foedus.trust.audit.seals import Seal, make_seal, statement_of
from foedus.trust.audit.verify import PRUNED
from foedus.trust.reputation import FORGOTTEN, Evidence, Ledger, evidence_of
from foedus.values.node import Trouble

log = logging.getLogger("foedus.audit")

FLUSH_S = 1.0
"""Decisions of a second are written together: one fsync, and at a ``kill -9`` as much is lost. The events
themselves are in the log, each with its verdict."""
RETRY_S = 5.0
"""After a failure to write: a full disk does not get emptier by trying."""
KEPT_ROWS_MAX = 4_000_000
"""Rows that are kept, some 1.2 GB; beyond, the oldest that are sealed are let go, and a row says so."""
PRUNED_AT_ONCE = 50_000
"""Rows that are let go together: one transaction of some 20 ms, on the audit log's own thread."""


class _Signer(NamedTuple):
    """What seals are made with, taken on the loop: a rotation changes it between two turns of the thread."""

    record: SignedRecord
    keys: NodeKeys
    history: tuple[SignedRecord, ...]

    @property
    def is_in_force(self) -> bool:
        """Whether the keys are those of the record: between the two steps of a rotation they are not."""
        return self.keys.ed25519.public == self.record.record.keys.ed25519


class AuditTrail:
    """Notes decisions. ``remembered``: the head that this node last told its peers, by its own log of events.

    ``open_store`` None: nothing is audited (a simulation). ``on_sealed`` and ``on_evidence`` are called on the loop,
    once what they speak of is durable.
    """

    def __init__(
        self, store: Store, open_store: Callable[[Path], AuditStore] | None, remembered: Callable[[], Head]
    ) -> None:
        self.ledger = Ledger()
        self.trouble: Trouble | None = None
        self.seal: Seal | None = None
        """The newest seal that is durable."""
        self.head = START
        self.on_sealed: Callable[[], None] = lambda: None
        self.on_evidence: Callable[[list[Evidence]], None] = lambda _evidence: None
        self._store = store
        self._open_store = open_store
        self._remembered = remembered
        self._gatherer = Gatherer()
        self._unwritten: list[Draft] = []
        self._shown: list[Evidence] = []
        self._audit: AuditStore | None = None
        self._first = 1
        self._sealed = 0
        self._due_since: Instant = 0
        self._is_seal_due = False
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._readers: set[asyncio.Event] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    @property
    def path(self) -> Path:
        """The file."""
        return self._store.home.audit

    def note(self, decision: Decision) -> None:
        """Keep a decision. Never blocks, never raises; on the event loop's thread."""
        if self._open_store is None:
            return
        self._gatherer.add(decision, self._store.now())
        if not decision.quiet:
            self._wake.set()

    @contextmanager
    def reading(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever rows may have become durable; the reader clears it."""
        written = asyncio.Event()
        self._readers.add(written)
        try:
            yield written
        finally:
            self._readers.discard(written)

    # --- the loop's side -----------------------------------------------------------------------

    async def run(self) -> None:
        """Write and seal until cancelled. An idle node does nothing at all."""
        if self._open_store is None:
            return
        if self.path.exists():
            await self.flush()  # what was evidence before this start still is
            self.on_evidence([])
        while True:
            await self._wait()
            if not await self.flush():
                await asyncio.sleep(RETRY_S)

    async def _wait(self) -> None:
        """Return when something is to be written or sealed, a moment after, so that decisions gather."""
        left_us = max(0, self._due_since + seals.SEAL_INTERVAL - self._store.now()) if self._is_seal_due else None
        await happens(self._wake, None if left_us is None else left_us / SECOND)
        await asyncio.sleep(FLUSH_S)

    async def flush(self, *, with_seal: bool = False) -> bool:
        """Write what waits, and seal where that is due (or ``with_seal``); tell whether the world let us."""
        if self._open_store is None:
            return True
        async with self._turn:
            self._wake.clear()
            if self._gatherer.is_due and not self._is_seal_due:
                self._is_seal_due, self._due_since = True, self._store.now()
            if not self._unwritten and (self._gatherer.is_due or with_seal):
                self._unwritten = self._gatherer.take()
            try:
                loop = asyncio.get_running_loop()
                sealed = await loop.run_in_executor(self._thread, self._write, self._signer(), with_seal)
            except FoedusError as error:
                return self._failed(error.code, str(error), error.remedy)
            except Exception as error:
                log.exception("the audit log was not written")
                return self._failed("internal", type(error).__name__, FoedusError.remedy)
        if self.trouble is not None and self.trouble.code != "audit_rewritten":
            self.trouble = None
        self._tell(sealed)
        return True

    def _signer(self) -> _Signer:
        store = self._store
        return _Signer(store.record, store.keys, store.identities.history(store.node))

    def _failed(self, code: str, message: str, remedy: str) -> bool:
        self._wake.set()
        self.trouble = Trouble(code=f"audit_{code}", message=f"the audit log is not written: {message}", remedy=remedy)
        log.warning("the audit log was not written: %s: %s", code, message)
        return False

    def _tell(self, sealed: Seal | None) -> None:
        for reader in self._readers:
            reader.set()
        shown, self._shown = self._shown, []
        if shown:
            self.on_evidence(shown)
        if sealed is not None:
            self.seal, self._is_seal_due = sealed, False
            self.on_sealed()

    async def close(self) -> None:
        """Write and seal what waits, and close the file."""
        if self._open_store is not None and (self._audit is not None or self._gatherer.is_due):
            await self.flush(with_seal=True)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown(wait=False)

    # --- the thread's side ---------------------------------------------------------------------

    def _write(self, signer: _Signer, with_seal: bool) -> Seal | None:  # noqa: FBT001  # passed by position
        audit = self._audit or self._open()
        self._append(audit, self._unwritten)
        self._unwritten = []
        if self.head.rows - self._first >= KEPT_ROWS_MAX + PRUNED_AT_ONCE:
            self._prune(audit)
        unsealed = self.head.rows - self._sealed
        due = self._is_seal_due and seals.is_due(unsealed, self._due_since, self._store.now())
        if not signer.is_in_force or not (due or (with_seal and unsealed)):
            return None
        return self._make_seal(audit, signer)

    def _append(self, audit: AuditStore, drafts: list[Draft]) -> None:
        if not drafts:
            return
        head, links = self.head, []
        for draft in drafts:
            link = follow(head, draft)
            links.append(link)
            head = Head(link.n, link.hash)
        shown = (evidence_of(link.n, draft) for link, draft in zip(links, drafts, strict=True))
        evidence = self.ledger.select(each for each in shown if each is not None and self._is_known(each.node))
        audit.append(links, evidence)
        self.head = head
        self.ledger.add(evidence)
        self._shown += evidence

    def _is_known(self, node: bytes) -> bool:
        """Whether evidence about a node is kept: strangers make themselves as many identities as they like."""
        return self._store.identities.newest(node) is not None

    def _make_seal(self, audit: AuditStore, signer: _Signer) -> Seal:
        """Sign the head, which is durable, and store the seal: only then is it spoken of."""
        now = self._store.now()
        seal = make_seal(statement_of(self._store.node, signer.record.id, self.head, now, self.seal), signer.keys)
        audit.add_seal(seal, self.head.rows, [(each.id, each.encode()) for each in signer.history])
        self._sealed = self.head.rows
        return seal

    def _prune(self, audit: AuditStore) -> None:
        """Let the oldest rows go, up to a seal; the row that says so is durable first."""
        kept = audit.seals(self._first + PRUNED_AT_ONCE - 1, 1)
        if not kept or kept[0][0] >= self._sealed:
            return
        last, now = kept[0][0], self._store.now()
        draft = Draft(now, now, "node", "audit", "", PRUNED, "pruned", 1, self._first, last, None, aggregated=False)
        self._append(audit, [draft])
        audit.prune(last)
        self._first = last + 1

    def _open(self) -> AuditStore:
        """Open the file and take the chain up where it ends, or where peers were told that it ended."""
        if self._open_store is None:
            raise RuntimeError("nothing is audited here")
        audit = self._open_store(self.path)
        try:
            self._take_up(audit)
        except BaseException:
            audit.close()
            raise
        self._audit = audit
        return audit

    def _take_up(self, audit: AuditStore) -> None:
        end, told = audit.end(), self._remembered()
        now = self._store.now()
        self.ledger = Ledger(audit.evidence(now - FORGOTTEN))
        self._first, self.head, self.seal = end.first, end.head, end.seal
        if end.seal is not None:
            statement = seals.read_statement(end.seal)
            self._sealed = statement.count
        if self.head.rows > self._sealed and not self._is_seal_due:
            self._is_seal_due, self._due_since = True, now
        held = audit.rows(told.rows - 1, 1) if told.hash is not None else []
        if told.rows > self.head.rows:
            self._resume(told, now)
        elif held and held[0].n == told.rows and sha256(held[0].data) != told.hash:
            self.trouble = Trouble(
                code="audit_rewritten",
                message=f"row {told.rows} of the audit log is not the one that this node told its peers of",
                remedy="foedus audit verify",
            )

    def _resume(self, told: Head, now: Instant) -> None:
        """Go on after what peers were told: rows are missing (a backup was restored), and verification says so."""
        first, last = self.head.rows + 1, told.rows
        self.head = told
        self._unwritten.insert(
            0, Draft(now, now, "node", "audit", "", "restored", "missing", 1, first, last, None, aggregated=False)
        )

    def _shut(self) -> None:
        if self._audit is not None:
            self._audit.close()
            self._audit = None
