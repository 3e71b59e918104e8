"""What members say to each other. Every vote binds council, membership, epoch, view, sequence, digest and phase.

After Castro and Liskov, "Practical Byzantine Fault Tolerance" (OSDI 1999), sections 4.2 to 4.4, with signatures.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import encode, learn, to_plain
from foedus.base.ids import sha256
from foedus.consensus.membership import MEMBERS_MAX, WINDOW_MAX, Membership
from foedus.consensus.updates import Batch, Sequence
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Id, Signature

PART_BYTES = 262_144
"""One part of a snapshot in transfer: one frame of a link."""
PARTS_MAX = 320
"""80 MiB of state: what the machine may hold (64 MiB), and what a ledger remembers."""

Index: TypeAlias = Annotated[int, Meta(ge=0, lt=MEMBERS_MAX)]
View: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
Phase: TypeAlias = Literal["pre-prepare", "prepare", "commit", "checkpoint"]


class Signed(NamedTuple):
    """A member's signature, by its index."""

    member: Index
    signature: Signature


Signatures: TypeAlias = Annotated[tuple[Signed, ...], Meta(max_length=MEMBERS_MAX)]


class Vote(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="vote"):
    """One member's word on one digest. Of a checkpoint the digest is the state's root, and the view is 0."""

    phase: Phase
    view: View
    sequence: Sequence
    digest: Id
    member: Index
    signature: Signature


class Proposal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="proposal"):
    """What the leader of a view puts at a place: its pre-prepare, and the batch."""

    vote: Vote
    batch: Batch


class Prepared(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="prepared"):
    """A quorum of one view for a digest at a place: the leader's pre-prepare and others' prepares."""

    view: View
    sequence: Sequence
    digest: Id
    proposal: Signature
    prepares: Signatures


class Committed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="committed"):
    """A quorum of commits of one view: the digest holds this place for ever."""

    view: View
    sequence: Sequence
    digest: Id
    commits: Signatures


class Stable(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="stable"):
    """A quorum that says the same of the state at a checkpoint."""

    sequence: Sequence
    root: Id
    votes: Signatures


class Decided(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="decided"):
    """A decision for who missed it."""

    certificate: Committed
    batch: Batch


class ViewChange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="view-change"):
    """A member leaves all views below ``view``: its stable checkpoint (None: the start), and what it prepared since."""

    view: View
    stable: Stable | None
    prepared: Annotated[tuple[Prepared, ...], Meta(max_length=WINDOW_MAX)]
    member: Index
    signature: Signature


class NewView(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="new-view"):
    """The leader of a view opens it: a quorum of view-changes, a pre-prepare for each place that they leave open."""

    view: View
    changes: Annotated[tuple[ViewChange, ...], Meta(max_length=MEMBERS_MAX)]
    proposals: Annotated[tuple[Vote, ...], Meta(max_length=WINDOW_MAX)]
    signature: Signature


class Status(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="status"):
    """How far a member is, so that others send what it misses. A hint: nothing is believed because of it."""

    view: View
    active: bool
    executed: Sequence
    stable: Sequence


class WantBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want-batch"):
    """Ask for the updates behind a digest."""

    sequence: Sequence
    digest: Id


class HaveBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have-batch"):
    """The updates at a place."""

    sequence: Sequence
    batch: Batch


class WantState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want-state"):
    """Ask for one part of the snapshot at a stable checkpoint."""

    sequence: Sequence
    part: Annotated[int, Meta(ge=0, lt=PARTS_MAX)]


class HaveState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have-state"):
    """One part of a snapshot."""

    sequence: Sequence
    part: Annotated[int, Meta(ge=0, lt=PARTS_MAX)]
    parts: Annotated[int, Meta(ge=1, le=PARTS_MAX)]
    data: Annotated[bytes, Meta(max_length=PART_BYTES)]


class Ask(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ask"):
    """Updates that somebody wants made, in any order."""

    batch: Batch


Message: TypeAlias = (
    Ask
    | Vote
    | Proposal
    | Decided
    | Stable
    | ViewChange
    | NewView
    | Status
    | WantBatch
    | HaveBatch
    | WantState
    | HaveState
)


def plain(said: Struct) -> object:
    """Return what ``encode`` takes of a message or record. Of a vote, the most of all, quicker than ``to_plain``."""
    if type(said) is Vote:
        return ["vote", said.phase, said.view, said.sequence, said.digest, said.member, said.signature]
    return to_plain(said)


# --- what is signed ----------------------------------------------------------------------------------


def vote_bytes(membership: Membership, phase: Phase, view: int, sequence: int, digest: bytes) -> bytes:
    """Return what a vote signs (label ``vote``)."""
    bound = [membership.council, membership.id, membership.epoch, view, sequence, digest, phase]
    return signed_bytes("vote", encode(bound))


def change_bytes(membership: Membership, change: ViewChange) -> bytes:
    """Return what a view-change signs: the new view and what it claims; its certificates prove themselves."""
    stable = [change.stable.sequence, change.stable.root] if change.stable else None
    claims = [[it.sequence, it.view, it.digest] for it in change.prepared]
    return signed_bytes(
        "view-change", encode([membership.council, membership.id, membership.epoch, change.view, stable, claims])
    )


def new_view_bytes(
    membership: Membership, view: int, changes: tuple[ViewChange, ...], votes: tuple[Vote, ...]
) -> bytes:
    """Return what a new view's leader signs: whose view-changes it stands on, and what it proposes again."""
    stands_on = [[change.member, sha256(change_bytes(membership, change))] for change in changes]
    proposals = [[vote.sequence, vote.digest] for vote in votes]
    return signed_bytes(
        "new-view", encode([membership.council, membership.id, membership.epoch, view, stands_on, proposals])
    )


learn(Message)
