"""What a replica asks of its driver.

Run the effects of one call in order. Nothing may leave before what is kept in the same call is durable, in one
transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foedus.consensus.ledger import Parts
    from foedus.consensus.membership import Member
    from foedus.consensus.messages import Committed, Message, NewView, Stable, ViewChange, Vote
    from foedus.consensus.records import Place, Record
    from foedus.consensus.updates import Batch


class Keep(NamedTuple):
    """Store a record at its place, or drop what is there (None)."""

    place: Place
    record: Record | None


class Send(NamedTuple):
    """Send to one member (its index), or to all others (None)."""

    to: int | None
    message: Message


class Executed(NamedTuple):
    """A batch was made. ``results`` are those of its updates, in order. Their proof is the certificate."""

    sequence: int
    batch: Batch
    results: Sequence[bytes]
    certificate: Committed


class Checkpointed(NamedTuple):
    """The state at a sequence number is stable: a quorum holds it. ``parts``: those of its root."""

    certificate: Stable
    parts: Parts


class Exposed(NamedTuple):
    """A member said two things of one place under its signature."""

    first: Vote | NewView | ViewChange
    second: Vote | NewView | ViewChange


class CheckAgain(NamedTuple):
    """Check and handle a message that did not concern this replica before (``Replica.concerns``): now it does."""

    sender: int
    message: Vote


class Diverged(NamedTuple):
    """A quorum's state at a checkpoint is not ours: this replica votes no more until it has taken theirs."""

    sequence: int
    ours: bytes
    theirs: bytes


class Renewed(NamedTuple):
    """The epoch has ended at a stable checkpoint; these members go on from there."""

    members: tuple[Member, ...]
    certificate: Stable


Effect: TypeAlias = Keep | Send | Executed | Checkpointed | Exposed | CheckAgain | Diverged | Renewed
