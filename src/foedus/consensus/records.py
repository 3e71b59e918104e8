"""What a replica keeps through a crash: enough never to contradict a vote that it may have sent."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import learn
from foedus.consensus.messages import PART_BYTES, PARTS_MAX, Committed, NewView, Prepared, Stable, View, ViewChange
from foedus.consensus.updates import Batch, Sequence
from foedus.log.event import Id, Signature

BATCHES_MAX = 5
"""At one place: what is accepted, prepared and decided there may be three, and two more of earlier views. It bounds
what leaders that lie can fill; a member prepares nothing whose batch it has not, so fewer cost time alone."""


STATE_MAX = PARTS_MAX * PART_BYTES
"""Bytes of a state: what can be given to others."""


class InView(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="in-view"):
    """The view this replica is in, whether it is open, and by what: its view-change, the new view."""

    view: View
    active: bool
    change: ViewChange | None
    opened_by: NewView | None


class Accepted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="accepted"):
    """The proposal that this replica took at a place, in a view."""

    view: View
    sequence: Sequence
    digest: Id
    proposal: Signature


class Batches(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batches"):
    """The batches that may still be made at a place: what was accepted there, in this view and before."""

    batches: Annotated[tuple[Batch, ...], Meta(max_length=BATCHES_MAX)]


class Snapshot(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="snapshot"):
    """The state at a stable checkpoint."""

    certificate: Stable
    state: Annotated[bytes, Meta(max_length=STATE_MAX)]


Record: TypeAlias = InView | Accepted | Batches | Prepared | Committed | Snapshot


class Place(NamedTuple):
    """Where a record is kept; the kinds in SLOT_KINDS are kept by sequence number."""

    kind: str
    sequence: int = 0


SLOT_KINDS = ("accepted", "batches", "prepared", "committed")
VIEW = Place("view")
SNAPSHOT = Place("snapshot")

learn(Record)
