"""Frames by which two logs meet: how far chains are held, envelopes, records, proofs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from foedus.base.limits import ACKS_PER_FRAME, CREDIT_BYTES, CURSORS_PER_FRAME, RECORDS_MAX, WANTS_PER_FRAME
from foedus.log.event import Id
from foedus.sync.frames.fields import Document, EnvelopeBytes, PlainRecord, Seq, StreamName


class ChainPosition(NamedTuple):
    """How far a chain is held: ``id`` is the event at ``seq``; at seq 0 (nothing held) it is NO_EVENT."""

    epoch: Id
    stream: StreamName
    seq: Seq
    id: Id


class AckPosition(NamedTuple):
    """A chain that is durable up to ``seq``."""

    epoch: Id
    stream: StreamName
    seq: Seq


NO_EVENT = bytes(32)
"""The id in a position at seq 0."""


class Cursors(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cursors"):
    """Heads of chains that are held and that the other may see; ``more``: pages follow."""

    positions: Annotated[tuple[ChainPosition, ...], Meta(max_length=CURSORS_PER_FRAME)]
    more: bool


class Records(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="records"):
    """Signed identity records, oldest first."""

    records: Annotated[tuple[PlainRecord, ...], Meta(max_length=RECORDS_MAX)]


class WantRecords(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_records"):
    """Asks for identity records by epoch."""

    epochs: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Events(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="events"):
    """A batch of envelopes. Costs its length in credit."""

    batch: Annotated[bytes, Meta(min_length=1)]


class Ack(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ack"):
    """Durable prefixes, and bytes of credit returned."""

    positions: Annotated[tuple[AckPosition, ...], Meta(max_length=ACKS_PER_FRAME)]
    credit: Annotated[int, Meta(ge=0, le=CREDIT_BYTES)]


class Want(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want"):
    """Asks for events by id."""

    ids: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Missing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="missing"):
    """Wanted events that are not held, or not for the asker: one answer for both."""

    ids: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Proof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="proof"):
    """An equivocation proof: two envelopes without bodies, the smaller id first."""

    one: EnvelopeBytes
    other: EnvelopeBytes


class Pruned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pruned"):
    """The sender no longer holds what follows ``after`` in a chain, up to the event that ``checkpoint`` names."""

    epoch: Id
    stream: StreamName
    after: Seq
    checkpoint: Document
