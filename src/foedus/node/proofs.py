"""Evidence files: gathered from a home's log, and checked without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from foedus.adapters.memory_log import MemoryLog
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.cbor import decode_as
from foedus.base.errors import NotFound, PeerViolation, UsageError
from foedus.identity.record import parse_signed_record
from foedus.log import streams
from foedus.log.bodies import AgreementSign
from foedus.log.event import parse_event
from foedus.log.port import EventLog, Row
from foedus.node.home import Home
from foedus.trust.agreements.document import agreement_id
from foedus.trust.proof.file import EVENTS_MAX, RECEIPTS_MAX, ProofFile, encode_proof
from foedus.trust.proof.receipt import Receipt, read_receipt
from foedus.trust.proof.verify import Proved, verify

_PAGE = 1_000


def prove(home: Home, event_id: bytes) -> bytes:
    """Return the evidence file of one crossing. The node may run meanwhile.

    Raises NotFound (no such event, or no receipt of it is held), UsageError (it stands on too much), or Unavailable.
    """
    home.require()
    log = SqliteLog(home.database)
    try:
        return encode_proof(_gather(log, event_id))
    finally:
        log.close()


def check(path: Path) -> Proved:
    """Return what a file proves; raise ProofFailed, or NotFound. Needs no node."""
    if not path.exists():
        raise NotFound(f"there is no file {path}")
    return verify(path.read_bytes(), MemoryLog())


def _gather(log: EventLog, event_id: bytes) -> ProofFile:
    crossing = log.by_ids([event_id]).get(event_id)
    if crossing is None:
        raise NotFound(f"this node holds no event {event_id.hex()}", remedy="see `foedus log list`")
    receipts = list(_receipts(log, event_id))[:RECEIPTS_MAX]
    if not receipts:
        raise NotFound(
            f"no receipt of event {event_id.hex()} is held",
            code="no_receipt",
            remedy="receipts come within seconds, for border acts that the other node accepted",
        )
    stands_on = _stands_on(log, crossing)
    agreements = _agreements(log, [(row.stream, receipt.agreement) for row, receipt in receipts])
    used = [crossing, *stands_on, *agreements, *(row for row, _ in receipts)]
    return ProofFile(
        v=1,
        event=crossing.envelope.encode(),
        stands_on=_encoded(stands_on),
        agreements=_encoded(agreements),
        receipts=_encoded([row for row, _ in receipts]),
        records=_records(log, used),
    )


def _encoded(rows: list[Row]) -> tuple[bytes, ...]:
    return tuple(row.envelope.encode() for row in rows)


def _receipts(log: EventLog, event_id: bytes) -> Iterator[tuple[Row, Receipt]]:
    for row in log.control_rows():
        if row.kind == "crossing.receipt" and row.envelope.body is not None and event_id in row.envelope.body:
            try:
                receipt = read_receipt(row.envelope.body)[1]
            except PeerViolation:
                continue
            if event_id in receipt.ids:
                yield row, receipt


def _agreements(log: EventLog, wanted: list[tuple[str, bytes | None]]) -> list[Row]:
    """Return, of each agreement that a receipt names, the first event that holds it."""
    found: dict[bytes, Row] = {}
    named = {(stream, agreement) for stream, agreement in wanted if agreement is not None}
    for row in log.control_rows():
        if row.kind == "agreement.sign" and row.envelope.body is not None:
            agreement = agreement_id(decode_as(row.envelope.body, AgreementSign).agreement)
            if (row.stream, agreement) in named:
                found.setdefault(agreement, row)
    return list(found.values())


def _stands_on(log: EventLog, crossing: Row) -> list[Row]:
    """Return whole control streams: of the author, of the room's members, of whoever wrote what is cited."""
    act = parse_event(crossing.envelope).event.act
    wanted = {streams.participant(act.author)} if isinstance(act.author, str) else set()
    stream = streams.parse(crossing.stream)
    if stream.kind == "room":
        wanted.add(streams.members(bytes.fromhex(stream.subject)))
    wanted |= {row.stream for row in log.by_ids(act.auth).values() if streams.parse(row.stream).is_folded}
    rows = [row for head in log.heads() if head.stream in wanted for row in _chain(log, head.epoch, head.stream)]
    if len(rows) > EVENTS_MAX:
        raise UsageError(f"the act stands on {len(rows)} events, of which a file holds {EVENTS_MAX}", code="too_large")
    return sorted(rows, key=lambda row: (row.hlc, row.seq))


def _chain(log: EventLog, epoch: bytes, stream: str) -> Iterator[Row]:
    seq = 0
    while page := log.chain(epoch, stream, seq, _PAGE):
        yield from page
        seq = page[-1].seq


def _records(log: EventLog, used: list[Row]) -> tuple[bytes, ...]:
    """Return all identity records of the nodes that wrote what is used, each after the one before it."""
    epochs = {row.epoch for row in used}
    parsed = [(parse_signed_record(data), data) for _, data in log.records()]
    nodes = {record.node for record, _ in parsed if record.id in epochs}
    return tuple(data for record, data in parsed if record.node in nodes)
