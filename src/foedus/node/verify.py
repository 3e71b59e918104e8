"""Checks the whole log again from disk: every id, digest, signature, chain and checkpoint."""

from __future__ import annotations

import time
from pathlib import Path

from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.errors import FoedusError
from foedus.crypto import ed25519
from foedus.identity.directory import Added, EpochView, IdentityDirectory, Known
from foedus.identity.record import parse_signed_record
from foedus.log import checkpoints
from foedus.log.admission import signature_checks
from foedus.log.event import Parsed, digest_matches, parse_event
from foedus.log.gaps import is_of
from foedus.log.port import EventLog, Gap, Head, Row
from foedus.values.node import VerifyReport

_PAGE = 1_000
PROBLEMS_SHOWN = 100


class _Verifier:
    """One pass over the log. Counts everything, keeps the first problems in words."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.identities = IdentityDirectory()
        self.events = self.signatures = self.bodies = self.chains = self.checkpoints = self.records = 0
        self.found = 0
        self.problems: list[str] = []
        self._gaps: dict[tuple[bytes, str, int], Gap] = {}

    def problem(self, text: str) -> None:
        self.found += 1
        if len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append(text)

    def run(self) -> None:
        for damage in self.log.check():
            self.problem(damage)
        for epoch, data in self.log.records():
            self._record(epoch, data)
        if not self.records:
            self.problem("the log does not hold the identity record of its own node")
        for gap in self.log.gaps():
            self._gap(gap)
        for head in self.log.heads():
            self.chains += 1
            self._chain(head)

    def _record(self, epoch: bytes, data: bytes) -> None:
        self.records += 1
        try:
            record = parse_signed_record(data)
            result = self.identities.add(record)
        except FoedusError as error:
            self.problem(f"identity record {epoch.hex()}: {error}")
            return
        if record.id != epoch or not isinstance(result, Added | Known):
            self.problem(f"identity record {epoch.hex()} does not hold: {result}")

    def _chain(self, head: Head) -> None:
        seq, before = 0, b""
        while rows := self.log.chain(head.epoch, head.stream, seq, _PAGE):
            for row in rows:
                seq, before = self._over_gap(head, seq, before)
                self._row(row, seq + 1, before)
                seq, before = row.seq, row.id
        if self._over_gap(head, seq, before) != (head.seq, head.id):
            self.problem(
                f"chain {head.stream} of epoch {head.epoch.hex()[:12]} ends at {seq}, its head says {head.seq}"
            )

    def _gap(self, gap: Gap) -> None:
        """Check that the owner of a chain has signed, with both keys, where it goes on."""
        name = f"the gap of {gap.stream} up to {gap.seq}"
        view = self.identities.epoch(gap.epoch)
        if view is None:
            self.problem(f"{name}: the identity record of its epoch is missing")
            return
        keys = view.record.record.keys
        try:
            statement = checkpoints.read_checkpoint(gap.checkpoint, keys.ed25519, keys.mldsa65)
        except FoedusError as error:
            self.problem(f"{name}: {error}")
            return
        if not is_of(statement, gap.epoch, gap.stream) or (statement.seq, statement.id) != (gap.seq, gap.id):
            self.problem(f"{name}: its checkpoint says something else")
        self._gaps[gap.epoch, gap.stream, gap.after] = gap

    def _over_gap(self, head: Head, seq: int, before: bytes) -> tuple[int, bytes]:
        """Return where a chain goes on after ``seq``: behind the gap that begins there, if one does."""
        gap = self._gaps.get((head.epoch, head.stream, seq))
        return (seq, before) if gap is None else (gap.seq, gap.id)

    def _row(self, row: Row, seq: int, before: bytes) -> None:
        self.events += 1
        name = f"event {row.id.hex()[:16]} ({row.stream}, {row.seq})"
        try:
            parsed = parse_event(row.envelope)
        except FoedusError as error:
            self.problem(f"{name}: {error.code}: {error}")
            return
        self._place(row, parsed, seq, before)
        if row.envelope.body is not None:
            self.bodies += 1
            if not digest_matches(row.envelope, parsed.event.act):
                self.problem(f"{name}: digest_mismatch")
        view = self.identities.epoch(row.epoch)
        if view is None:
            self.problem(f"{name}: the identity record of its epoch is missing")
            return
        self._signatures(row, parsed, view)

    def _signatures(self, row: Row, parsed: Parsed, view: EpochView) -> None:
        checks = signature_checks(parsed, view.ed25519)
        self.signatures += len(checks)
        if not all(ed25519.verify_many(checks)):
            self.problem(f"event {row.id.hex()[:16]} ({row.stream}, {row.seq}): invalid_signature")
        if row.kind == "checkpoint" and row.envelope.body is not None:
            self._checkpoint(row, row.envelope.body, view.record.record.keys.mldsa65, view.ed25519)

    def _place(self, row: Row, parsed: Parsed, seq: int, before: bytes) -> None:
        event = parsed.event
        name = f"event {row.id.hex()[:16]} ({row.stream}, {row.seq})"
        if parsed.id != row.id:
            self.problem(f"{name}: its bytes have another id")
        if (event.epoch, event.stream, event.seq) != (row.epoch, row.stream, row.seq) or row.seq != seq:
            self.problem(f"{name}: it is stored in another place than it names")
        if seq > 1 and event.prev != before:
            self.problem(f"{name}: its prev is not the event before it")

    def _checkpoint(self, row: Row, body: bytes, mldsa65: bytes, ed25519_public: bytes) -> None:
        self.checkpoints += 1
        name = f"checkpoint {row.id.hex()[:16]}"
        try:
            statement = checkpoints.read_checkpoint(body, ed25519_public, mldsa65)
        except FoedusError as error:
            self.problem(f"{name}: {error}")
            return
        held = self.log.by_ids([statement.id]).get(statement.id)
        if held is not None and (held.epoch, held.seq) != (statement.epoch, statement.seq):
            self.problem(f"{name}: the event that it names stands elsewhere")


def verify_log(database: Path) -> VerifyReport:
    """Check a log file. Blocks; call it from a worker thread. The node may run meanwhile."""
    started = time.monotonic()
    log = SqliteLog(database)
    try:
        verifier = _Verifier(log)
        try:
            verifier.run()
        except (FoedusError, AttributeError, TypeError, ValueError) as error:  # whatever is in the file is a finding
            verifier.problem(f"the log cannot be read to its end: {error}")
    finally:
        log.close()
    return VerifyReport(
        ok=not verifier.found,
        events=verifier.events,
        signatures=verifier.signatures,
        bodies=verifier.bodies,
        chains=verifier.chains,
        checkpoints=verifier.checkpoints,
        records=verifier.records,
        problems=verifier.problems,
        seconds=round(time.monotonic() - started, 3),
    )
