"""What a council that seals keeps on disk of its checkpoints, and what of it shows that a batch was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.consensus.ledger import BEGINNING, Parts, linked
from foedus.consensus.seals import DIGESTS_MAX, Seals
from foedus.log.port import EventLog, Value

if TYPE_CHECKING:
    from foedus.consensus.line import Line
    from foedus.consensus.membership import Membership
    from foedus.node.council_records import Made

_PAGE = 16
"""Places that are read at once: 4 MiB of updates at most."""
_SEQUENCE_BYTES = 8


class Checkpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="checkpoint"):
    """A stable checkpoint: what its root is the hash of, and a quorum of seals. Until that is here, none."""

    epoch: int
    parts: Parts
    seals: Seals

    @property
    def ends(self) -> bool:
        """Whether its epoch ends there."""
        return self.parts.border == self.parts.sequence


class Covered(NamedTuple):
    """A sealed checkpoint, and the chain from before a batch up to it."""

    checkpoint: Checkpoint
    before: bytes
    digests: tuple[bytes, ...]


class SealRecords:
    """The checkpoints of one council: those that ended an epoch for ever, others as long as what was made there."""

    def __init__(self, log: EventLog, council: bytes) -> None:
        self._log = log
        self._kept = f"council_checkpoints:{council.hex()}"
        self._ends = f"council_sealed_ends:{council.hex()}"

    def value(self, checkpoint: Checkpoint) -> Value:
        """Return what keeps a checkpoint; a later one of the same place replaces it."""
        space = self._ends if checkpoint.ends else self._kept
        return Value(space, _ordered(checkpoint.parts.sequence), encode(to_plain(checkpoint)))

    def until(self, sequence: int) -> list[Value]:
        """Return what lets go of the checkpoints up to a place, but for ends of epochs. Reads the disk."""
        if sequence <= 0:
            return []
        return [Value(self._kept, key, None) for key in self._log.values_between(self._kept, b"", _ordered(sequence))]

    def at(self, sequence: int) -> Checkpoint | None:
        """Return the checkpoint at a place, where it is held."""
        return next(iter(self.between(sequence - 1, sequence)), None)

    def between(self, after: int, upto: int) -> list[Checkpoint]:
        """Return the checkpoints after a place, up to another, in order."""
        bounds = (_ordered(max(0, after)), _ordered(max(0, upto)))
        held = self._log.values_between(self._kept, *bounds) | self._log.values_between(self._ends, *bounds)
        return [decode_as(held[key], Checkpoint) for key in sorted(held)]

    # --- what covers a batch -------------------------------------------------------------------

    def ends_of(self, line: Line, epoch: int) -> list[Checkpoint] | None:
        """Return the sealed ends of all epochs before one; None where the seals of one are missing."""
        found = [self.at(renewal.stable.sequence) for renewal in line.renewals[:epoch]]
        sealed = [end for end in found if end is not None and end.seals]
        return sealed if len(sealed) == epoch else None

    def covering(
        self, membership: Membership, sequence: int, last: int, made: Callable[[int, int], list[Made]]
    ) -> Covered | None:
        """Return the first sealed checkpoint that covers a place of this epoch, None where none does yet.

        ``last``: the last place of the epoch that is made; ``made``: what was made after a place, up to another.
        """
        interval = membership.interval
        first = sequence + -sequence % interval
        places = range(first, min(last, sequence + DIGESTS_MAX) + 1, interval)
        held = (found for place in places if (found := self.at(place)) is not None)
        sealed = next((it for it in held if it.seals and it.epoch == membership.epoch), None)
        start = self._chain_before(sequence, interval)
        if sealed is None or start is None:
            return None
        place, chain = start
        before, digests = chain, list[bytes]()
        while place < sealed.parts.sequence:
            page = made(place, min(place + _PAGE, sealed.parts.sequence))
            for each in page:
                place += 1
                before = chain if place == sequence else before
                chain = linked(chain, place, each.certificate.digest)
                digests += [each.certificate.digest] if place > sequence else []
            if not page:
                break
        is_whole = (place, chain) == (sealed.parts.sequence, sealed.parts.chain)
        return Covered(sealed, before, tuple(digests)) if is_whole else None

    def _chain_before(self, sequence: int, interval: int) -> tuple[int, bytes] | None:
        """Return the last checkpoint before a place that is held, and its chain."""
        newest = (sequence - 1) // interval * interval
        for place in range(newest, max(0, newest - DIGESTS_MAX), -interval):
            if (found := self.at(place)) is not None:
                return place, found.parts.chain
        return (0, BEGINNING) if newest < DIGESTS_MAX else None


def _ordered(sequence: int) -> bytes:
    return sequence.to_bytes(_SEQUENCE_BYTES, "big")


learn(Checkpoint)
