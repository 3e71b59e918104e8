"""Evidence files: gathered from a home's log, and checked without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from foedus.adapters.memory_log import MemoryLog
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.cbor import decode_as
from foedus.base.clock import Hlc
from foedus.base.errors import NotFound, PeerViolation, UsageError
from foedus.identity.record import parse_signed_record
from foedus.log import streams
from foedus.log.bodies import AgreementSign
from foedus.log.event import parse_event
from foedus.log.port import EventLog, Row
from foedus.node.home import Home
from foedus.node.proof_excerpt import excerpt
from foedus.trust.agreements.document import agreement_id
from foedus.trust.proof.file import EVENTS_MAX, FILE_MAX, RECEIPTS_MAX, ProofFile, encode_proof
from foedus.trust.proof.receipt import Receipt, read_receipt
from foedus.trust.proof.verify import Case, ProofFailed, Proved, verify

_PAGE = 1_000

_Place: TypeAlias = tuple[str, bytes | None]
"""(stream, agreement): the stream of two nodes, and the id of what they agreed, None where a receipt names nothing."""


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
    with path.open("rb") as file:
        return verify(file.read(FILE_MAX + 1), MemoryLog())


def _gather(log: EventLog, event_id: bytes) -> ProofFile:
    crossing = log.by_ids([event_id]).get(event_id)
    if crossing is None:
        raise NotFound(f"this node holds no event {event_id.hex()}", remedy="see `foedus log list`")
    stands_on = _stands_on(log, crossing)
    offered = list(_receipts(log, event_id))
    agreed = _agreements(log, [(row.stream, receipt.agreement) for row, receipt in offered])
    used = [crossing, *stands_on, *(row for row, _ in offered), *(row for rows in agreed.values() for row in rows)]
    event, grounds, records = crossing.envelope.encode(), _encoded(stands_on), _records(log, used)
    found = _held(Case(event, grounds, records, MemoryLog()), offered, agreed)
    if not found:
        raise NotFound(
            f"no receipt of event {event_id.hex()} is held",
            code="no_receipt",
            remedy="receipts come within seconds, for border acts that the other node accepted",
        )
    return ProofFile(
        v=1,
        event=event,
        stands_on=grounds,
        agreements=tuple(dict.fromkeys(agreement for _, agreement in found if agreement is not None)),
        receipts=tuple(receipt for receipt, _ in found),
        records=records,
    )


def _held(
    case: Case, offered: list[tuple[Row, Receipt]], agreed: dict[_Place, list[Row]]
) -> list[tuple[bytes, bytes | None]]:
    """Return (receipt, agreement that it names) of each that holds: a peer may write what holds for nothing at all."""
    documents = {place: document for place, rows in agreed.items() if (document := _agreement(case, rows)) is not None}
    found: list[tuple[bytes, bytes | None]] = []
    for row, receipt in offered:
        document = documents.get((row.stream, receipt.agreement))
        with suppress(ProofFailed):
            agreements = [] if document is None else [case.agreement("the agreement", document)]
            case.receipt("the receipt", data := row.envelope.encode(), agreements)
            found.append((data, document))
    return found[:RECEIPTS_MAX]


def _agreement(case: Case, rows: list[Row]) -> bytes | None:
    """Return the first of these events that holds the agreement of which it speaks."""
    for row in rows:
        with suppress(ProofFailed):
            case.agreement("the agreement", data := row.envelope.encode())
            return data
    return None


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


def _agreements(log: EventLog, wanted: list[_Place]) -> dict[_Place, list[Row]]:
    """Return, of each agreement that a receipt names, the events that say they hold it."""
    found: dict[_Place, list[Row]] = {place: [] for place in wanted if place[1] is not None}
    for row in log.control_rows():
        if row.kind == "agreement.sign" and row.envelope.body is not None:
            with suppress(PeerViolation):
                place = (row.stream, agreement_id(decode_as(row.envelope.body, AgreementSign).agreement))
                found.get(place, []).append(row)
    return found


def _stands_on(log: EventLog, crossing: Row) -> list[Row]:
    """Return whole control streams: of the author, of the room's members, of whoever wrote what is cited."""
    act = parse_event(crossing.envelope).event.act
    wanted = {streams.participant(act.author)} if isinstance(act.author, str) else set()
    stream = streams.parse(crossing.stream)
    if stream.kind == "room":
        wanted.add(streams.members(bytes.fromhex(stream.subject)))
    cited = log.by_ids(act.auth).values()
    wanted |= {row.stream for row in cited if streams.parse(row.stream).is_folded}
    rows = [row for head in log.heads() if head.stream in wanted for row in _chain(log, head.epoch, head.stream)]
    if len(rows) > EVENTS_MAX:  # whoever writes one of them could go on until no file holds it
        end = max(row.hlc for row in (crossing, *cited))
        rows = [row for row in rows if row.hlc <= end]
    if len(rows) > EVENTS_MAX:
        rows = excerpt(sorted(rows, key=_place), act.auth, _node_of(log, crossing.epoch), EVENTS_MAX)
    if len(rows) > EVENTS_MAX:
        raise UsageError(f"the act stands on {len(rows)} events, of which a file holds {EVENTS_MAX}", code="too_large")
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[Hlc, int]:
    return row.hlc, row.seq


def _node_of(log: EventLog, epoch: bytes) -> bytes:
    """Return whose epoch it is."""
    records = (parse_signed_record(data) for _, data in log.records())
    return next((record.node for record in records if record.id == epoch), b"")


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
