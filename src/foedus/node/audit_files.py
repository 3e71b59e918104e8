"""Audit logs as files: checking and exporting one, with or without a node behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from foedus.adapters.sqlite_audit import NothingWritten, SqliteAudit
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.cbor import Malformed
from foedus.base.errors import NotFound, PeerViolation, UsageError
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.identity.directory import IdentityDirectory
from foedus.identity.record import parse_signed_record
from foedus.log.admission import signature_checks
from foedus.log.event import digest_matches, parse_envelope
from foedus.log.port import Row, Verdict
from foedus.node.audit_claims import HEAD, WITNESS, claims_of, witness_of
from foedus.node.explained import meaning
from foedus.node.home import SETTINGS, Home
from foedus.trust.audit.export import LINE_MAX, Item, Opening, Record, Witness, items, line_of
from foedus.trust.audit.rows import parse_row
from foedus.trust.audit.seals import Seal, read_statement
from foedus.trust.audit.verify import Audit, Claim, Finding, Stored
from foedus.values.audit import AuditReport, AuditRowView

PROBLEMS_SHOWN = 100
_PAGE = 1_000
_KINDS = frozenset({HEAD, WITNESS})
_SQLITE = b"SQLite format 3\0"


class Contents(NamedTuple):
    """An audit log as it was found. ``told``: events that came with it and speak of it."""

    node: bytes
    identities: IdentityDirectory
    rows: Iterator[Stored]
    seals: list[Seal]
    told: list[Row]


class Remembered(NamedTuple):
    """What a node's log of events knows of audit logs: events that tell of heads, and who wrote them."""

    node: bytes
    records: list[bytes]
    identities: IdentityDirectory
    told: list[Row]


def recall(home: Home) -> Remembered | None:
    """Return what the log of a home knows; None where there is no node. The node may run meanwhile."""
    if not home.exists():
        return None
    log = SqliteLog(home.database)
    try:
        node = log.values(SETTINGS)[b"node"]
        records = [data for _, data in log.records()]
        identities = IdentityDirectory()
        _learn(identities, records)
        return Remembered(node, records, identities, [row for row in log.control_rows() if row.kind in _KINDS])
    finally:
        log.close()


def verify(path: Path, memory: Remembered | None, expected: bytes | None = None) -> AuditReport:
    """Check the audit log in a file: HOME/audit.db, or an exported one.

    ``memory``: the log of events whose claims are compared, too; ``expected``: the node whose log it must be. Raises
    NotFound, UsageError (no audit log) or Unavailable.
    """
    if not path.exists():
        raise NotFound(f"there is no audit log at {path}", remedy="a node writes one when it first decides something")
    contents = _stored(path, expected) if _is_database(path) else _exported(path)
    _learn(contents.identities, memory.records if memory else [])
    if expected is not None and contents.node != expected:
        raise UsageError(f"this is the audit log of node {contents.node.hex()}", code="wrong_node")
    told = [*contents.told, *(memory.told if memory else [])]
    return _report(contents, sorted(set(claims_of(told, contents.node, contents.identities.node_of))))


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _report(contents: Contents, claims: Sequence[Claim]) -> AuditReport:
    def keys_of(epoch: bytes) -> tuple[bytes, bytes] | None:
        view = contents.identities.epoch(epoch)
        if view is None or view.node != contents.node:
            return None
        return view.ed25519, view.record.record.keys.mldsa65

    audit = Audit(contents.node, keys_of)
    found: list[Finding] = []
    total = 0
    for finding in audit.run(contents.rows, contents.seals, claims):
        total += 1
        if len(found) < PROBLEMS_SHOWN:
            found.append(finding)
    summary = audit.summary
    return AuditReport(
        ok=not total,
        node=contents.node.hex(),
        first=summary.first,
        rows=summary.rows,
        count=summary.head.rows,
        head=(summary.head.hash or b"").hex(),
        seals=summary.seals,
        unsealed=summary.unsealed,
        claims=summary.claims,
        unchecked=summary.unchecked,
        problems=[finding.what for finding in sorted(found)],
    )


# --- databases -------------------------------------------------------------------------------------


def _stored(path: Path, expected: bytes | None) -> Contents:
    audit = SqliteAudit(path, is_reader=True)
    try:
        identities = IdentityDirectory()
        _learn(identities, [data for _, data in audit.records()])
        seals = [seal for _, seal in _seals(audit)]
        return Contents(_node_of(seals, expected), identities, _rows(path), seals, [])
    finally:
        audit.close()


def _node_of(seals: Sequence[Seal], expected: bytes | None) -> bytes:
    if expected is not None:
        return expected
    for seal in seals:
        try:
            return read_statement(seal).node
        except PeerViolation:
            continue
    raise UsageError("no seal says whose audit log this is", code="unsealed", remedy="name its node with --node")


def _rows(path: Path) -> Iterator[Stored]:
    audit, after = SqliteAudit(path, is_reader=True), -(1 << 62)
    try:
        while page := audit.rows(after, _PAGE):
            yield from page
            after = page[-1].n
    finally:
        audit.close()


def _seals(audit: SqliteAudit) -> Iterator[tuple[int, Seal]]:
    after = 0
    while page := audit.seals(after, _PAGE):
        yield from page
        after = page[-1][0]


def _learn(identities: IdentityDirectory, records: Sequence[bytes]) -> None:
    """Add identity records, whatever their order among nodes; what does not hold vouches for nothing."""
    for data in records:
        try:
            identities.add(parse_signed_record(data))
        except PeerViolation:
            continue


# --- exported files --------------------------------------------------------------------------------


def export(home: Home) -> Iterator[str]:
    """Yield the lines of a home's audit log: identities, rows with the seal after each, witnesses."""
    memory = recall(home)
    if memory is None or not home.audit.exists():
        raise NotFound(
            f"there is no audit log in {home.path}", remedy="a node writes one when it first decides something"
        )
    yield line_of(Opening(memory.node))
    yield from (line_of(Record(data)) for data in _vouching(memory))
    audit = SqliteAudit(home.audit, is_reader=True)
    try:
        seals = dict(_seals(audit))
        for stored in _rows(home.audit):
            yield line_of(stored)
            if stored.n in seals:
                yield line_of(seals[stored.n])
    finally:
        audit.close()
    yield from (line_of(Witness(row.envelope.encode())) for row in memory.told if _concerns(row, memory))


def _concerns(row: Row, memory: Remembered) -> bool:
    """Whether an event tells a head of this node, or countersigns one."""
    witness = witness_of(row)
    return memory.identities.node_of(row.epoch) == memory.node if witness is None else witness.node == memory.node


def _vouching(memory: Remembered) -> list[bytes]:
    """Return the identity records of this node and of those that witnessed it."""
    writers = {memory.identities.node_of(row.epoch) for row in memory.told if _concerns(row, memory)}
    return [data for data in memory.records if parse_signed_record(data).node in {memory.node, *writers}]


def _exported(path: Path) -> Contents:
    """Read a file whole but for its rows, which are read again when they are checked."""
    identities, node = IdentityDirectory(), None
    seals: list[Seal] = []
    witnesses: list[bytes] = []
    for item in _items(path):
        match item:
            case Opening():
                node = node or item.node
            case Record(data=data):
                _learn(identities, [data])
            case Seal():
                seals.append(item)
            case Witness():
                witnesses.append(item.envelope)
            case _:
                pass
    if node is None:
        raise UsageError(f"{path} does not say whose audit log it is", code="no_audit_log")
    told = [_witnessed(envelope, identities) for envelope in witnesses]
    rows = (item for item in _items(path) if isinstance(item, Stored))
    return Contents(node, identities, rows, seals, told)


def _items(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8", errors="replace") as file:
        lines: Iterator[str] = iter(lambda: file.readline(LINE_MAX), "")
        try:
            yield from items(lines)
        except Malformed as error:
            raise UsageError(
                str(error), code="no_audit_log", remedy="make it anew with `foedus audit export`"
            ) from None


def _witnessed(envelope: bytes, identities: IdentityDirectory) -> Row:
    """Return an event of an exported file; its signatures are checked, since no log has admitted it."""
    try:
        parsed = parse_envelope(envelope)
        event = parsed.event
        view = identities.epoch(event.epoch)
        is_true = digest_matches(parsed.envelope, event.act) and view is not None
        if is_true and view is not None and all(ed25519.verify_many(signature_checks(parsed, view.ed25519))):
            return Row(
                0, parsed.id, event.epoch, event.stream, event.seq, event.hlc, event.act.kind, parsed.envelope,
                Verdict.ACCEPTED, "", "",
            )  # fmt: skip
    except PeerViolation:
        pass
    raise UsageError("a witness in this file is damaged or forged", code="bad_witness", remedy="make the file anew")


def read_rows(path: Path, after: int, limit: int) -> list[Stored]:
    """Return rows with a number > ``after``, none where nothing was written yet. Raises Unavailable."""
    audit = _reader(path)
    if audit is None:
        return []
    try:
        return audit.rows(after, limit)
    finally:
        audit.close()


def newest(path: Path, limit: int) -> list[Stored]:
    """Return the last rows, oldest first, none where nothing was written yet. Raises Unavailable."""
    audit = _reader(path)
    if audit is None:
        return []
    try:
        return audit.rows(audit.end().head.rows - limit, limit)
    finally:
        audit.close()


def _reader(path: Path) -> SqliteAudit | None:
    """Return the log to read, None where nothing was written yet: its node makes the file a moment before."""
    if not path.exists():
        return None
    try:
        return SqliteAudit(path, is_reader=True)
    except NothingWritten:
        return None


def row_view(stored: Stored) -> AuditRowView:
    """Return a row as surfaces show it."""
    row = parse_row(stored.data)
    return AuditRowView(
        n=row.n,
        at=row.at,
        until=row.until,
        actor=row.actor,
        act=row.act,
        subject=row.subject,
        rule=row.rule,
        outcome=row.outcome,
        times=row.times,
        first=row.first,
        last=row.last,
        digest=(row.digest or b"").hex(),
        aggregated=row.aggregated,
        hash=sha256(stored.data).hex(),
        cursor=str(row.n),
        why=meaning(row.rule),
    )
