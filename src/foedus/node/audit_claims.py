"""What a log of events remembers of audit logs: heads that nodes told, and those that others countersigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from foedus.base.cbor import decode, decode_as, encode
from foedus.base.errors import PeerViolation
from foedus.log import streams
from foedus.log.bodies import AuditHead, AuditWitness
from foedus.log.port import EventLog, Row, Value, Verdict
from foedus.node.store import Store
from foedus.trust.audit.rows import START, Head
from foedus.trust.audit.seals import Seal, Statement, read_statement
from foedus.trust.audit.verify import Claim

HEAD, WITNESS = "audit.head", "audit.witness"
_LOOKED_THROUGH = 64
"""Events at the end of a pair's chain in which the last head is looked for."""
_END = 1 << 53
_NEWEST = "audit_heads"
"""Space of the log's values: node → [rows, hash] of the newest head of it that was told (our own) or countersigned."""


def seal_of(row: Row) -> Seal | None:
    """Return the seal that an event carries, None where it carries none; its signatures are not checked."""
    if row.kind != HEAD or row.envelope.body is None:
        return None
    try:
        head = decode_as(row.envelope.body, AuditHead)
    except PeerViolation:
        return None
    return Seal(head.statement, head.ed25519, head.mldsa65)


def statement_of(seal: Seal | None) -> Statement | None:
    """Return what a seal says, None where it says nothing."""
    try:
        return read_statement(seal) if seal is not None else None
    except PeerViolation:
        return None


def witness_of(row: Row) -> AuditWitness | None:
    """Return what an event countersigns, None where it countersigns nothing."""
    if row.kind != WITNESS or row.envelope.body is None:
        return None
    try:
        return decode_as(row.envelope.body, AuditWitness)
    except PeerViolation:
        return None


def last_head(log: EventLog, epoch: bytes, stream: str) -> Head:
    """Return the head that the end of a chain tells of, START where it tells of none."""
    for row in log.chain_backwards(epoch, stream, _END, _LOOKED_THROUGH):
        statement = statement_of(seal_of(row))
        if statement is not None:
            return Head(statement.count, statement.head)
    return START


def last_witness(store: Store, node: bytes) -> Head:
    """Return the newest head of ``node`` that this node countersigned."""
    for row in store.log.chain_backwards(store.epoch, streams.pair(store.node, node), _END, _LOOKED_THROUGH):
        witness = witness_of(row)
        if witness is not None and witness.node == node:
            return _newer(Head(witness.count, witness.hash), _noted(store, node))
    return _noted(store, node)


def remembered(store: Store) -> Head:
    """Return the newest head that this node told anyone, by its own log of events."""
    heads = [
        last_head(store.log, chain.epoch, chain.stream)
        for chain in store.admission.chains
        if chain.node == store.node and chain.seq and chain.stream.startswith("pair:")
    ]
    return max([*heads, _noted(store, store.node)], key=lambda head: head.rows)


def note_of(node: bytes, head: Head) -> Value:
    """Return what is stored of a head of ``node``, which this node tells or countersigns now.

    Much may come after it in the stream of the two; what a backup does not know of it, that stream still has.
    """
    return Value(_NEWEST, node, encode(list(head)))


def _noted(store: Store, node: bytes) -> Head:
    data = store.log.values(_NEWEST).get(node)
    return Head(*decode(data)) if data is not None else START


def _newer(one: Head, other: Head) -> Head:
    return max(one, other, key=lambda head: head.rows)


def claims_of(rows: Iterable[Row], node: bytes, node_of: Callable[[bytes], bytes | None]) -> list[Claim]:
    """Return what events say of the audit log of ``node``: heads that it told, and witnesses of just these.

    A witness of what the node never signed is its author's word alone, and counts for nothing.
    """
    held = [row for row in rows if row.verdict is Verdict.ACCEPTED]
    told: dict[bytes, Head] = {}
    claims = []
    for row in held:
        statement = statement_of(seal_of(row))
        if statement is not None and node_of(row.epoch) == node == statement.node:
            told[row.id] = Head(statement.count, statement.head)
            claims.append(Claim(statement.count, statement.head, f"what the node itself told in event {row.id.hex()}"))
    for row in held:
        witness, writer = witness_of(row), node_of(row.epoch)
        if witness is None or writer is None or witness.node != node:
            continue
        if told.get(witness.told) == (witness.count, witness.hash):
            claims.append(Claim(witness.count, witness.hash, f"the witness of node {writer.hex()}"))
    return claims
