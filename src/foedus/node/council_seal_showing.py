"""What shows by seals alone that a council made a batch: gathered from what this node keeps and knows of members."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from foedus.consensus.line import Line
from foedus.consensus.membership import Member, Membership
from foedus.consensus.seals import Sealed
from foedus.identity.directory import IdentityDirectory
from foedus.identity.key_line import KeyLine, key_line
from foedus.identity.record import SignedRecord
from foedus.node.council_seal_records import Checkpoint

if TYPE_CHECKING:
    from foedus.node.council_seat import Seat


def records_of(membership: Membership, identities: IdentityDirectory) -> dict[Member, SignedRecord]:
    """Return the identity record by whose keys each member decides in an epoch, where it is known here."""
    return {
        member: signed
        for member in membership.members
        for signed in identities.held(member.node)
        if signed.record.keys.ed25519 == member.ed25519
    }


async def show(seat: Seat, identities: IdentityDirectory, sequence: int) -> Sealed | None:
    """Return what shows by seals that the batch at a place was made, None where that is not sealed here yet."""
    line, records, made = seat.line, seat.records.seals, seat.records.made
    epoch = len(line.before(sequence))
    last = line.renewals[epoch].stable.sequence if epoch < len(line.renewals) else seat.made
    ends = await asyncio.to_thread(records.ends_of, line, epoch)
    covered = await asyncio.to_thread(records.covering, line.memberships()[epoch], sequence, last, made)
    if ends is None or covered is None:
        return None
    checkpoint = covered.checkpoint
    lines = _lines(line, [*ends, checkpoint], identities)
    if lines is None:
        return None
    by_ends = tuple(end.seals for end in ends)
    return Sealed(checkpoint.parts, checkpoint.seals, covered.before, covered.digests, by_ends, lines)


def _lines(line: Line, sealed: Iterable[Checkpoint], identities: IdentityDirectory) -> tuple[KeyLine, ...] | None:
    """Return the keys by which seals hold, each once; None where one is not known here."""
    found: dict[Member, SignedRecord | None] = {}
    for checkpoint in sealed:
        membership = line.memberships()[checkpoint.epoch]
        keys = records_of(membership, identities)
        members = [membership.members[seal.member] for seal in checkpoint.seals]
        found |= {member: keys.get(member) for member in members}
    records = [signed for signed in found.values() if signed is not None]
    return tuple(key_line(_history(it, identities)) for it in records) if len(records) == len(found) else None


def _history(signed: SignedRecord, identities: IdentityDirectory) -> list[SignedRecord]:
    """Return the records of a node up to one, oldest first."""
    before = [identities.epoch(epoch) for epoch in reversed(identities.ancestors(signed.id))]
    return [*(view.record for view in before if view is not None), signed]
