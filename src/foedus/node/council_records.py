"""What one council keeps on disk: its epochs, the records of its replica in the newest of them, and what was made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.consensus.effects import Checkpointed, Effect, Executed, Exposed, Keep
from foedus.consensus.membership import MEMBERS_MAX, Membership
from foedus.consensus.messages import Committed
from foedus.consensus.misconduct import Contradiction, contradiction_of
from foedus.consensus.proof import Renewal
from foedus.consensus.records import STATE_MAX, Place, Record
from foedus.consensus.updates import BATCH_UPDATES_MAX, Batch
from foedus.log.event import Id
from foedus.log.port import EventLog, Value
from foedus.node.council_seal_records import Checkpoint, SealRecords

MADE_KEPT = 65_536
"""Places whose decisions are kept for the log and for proofs: the newest. Their results live on in the state."""
_SEQUENCE_BYTES = 8
_ONE = b"\x00"
"""The key of a space that holds one value."""


class Made(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="made"):
    """A batch that was made: a quorum's word for it, and the results of its updates in order."""

    certificate: Committed
    batch: Batch
    results: Annotated[tuple[bytes, ...], Meta(max_length=BATCH_UPDATES_MAX)]


class Start(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="start"):
    """The state with which an epoch begins: that of the checkpoint which ended the one before."""

    epoch: int
    state: Annotated[bytes, Meta(max_length=STATE_MAX)]


class Standing(Struct, frozen=True, forbid_unknown_fields=True):
    """What the human of this node decided about a council, each with the epoch in which that was.

    ``joins``: to take a place in it; ``adds`` and ``removes``: with whom to go on. What came to pass since is over.
    """

    joins: int | None = None
    adds: Annotated[tuple[tuple[Id, int], ...], Meta(max_length=MEMBERS_MAX)] = ()
    removes: Annotated[tuple[tuple[Id, int], ...], Meta(max_length=MEMBERS_MAX)] = ()


class CouncilRecords:
    """The spaces of a council. What was made is written with the record that made it so: they never differ."""

    def __init__(self, log: EventLog, council: bytes, *, seals: bool = False) -> None:
        """``seals``: whether its members seal checkpoints."""
        self.seals = SealRecords(log, council)
        self._keeps_checkpoints = seals
        self._log = log
        self._council = f"council:{council.hex()}"
        self._start = f"council_start:{council.hex()}"
        self._standing = f"council_standing:{council.hex()}"
        self._made = f"council_made:{council.hex()}"
        self._epochs = f"council_epochs:{council.hex()}"
        self._exposed = f"council_exposed:{council.hex()}"

    # --- epochs ------------------------------------------------------------------------------

    def renewals(self) -> list[Renewal]:
        """Return how the epochs ended, from the first."""
        held = self._log.values(self._epochs)
        return [decode_as(held[key], Renewal) for key in sorted(held)]

    def start(self, epoch: int) -> Start | None:
        """Return the state with which an epoch begins, where it is held."""
        data = self._log.values(self._start).get(_ONE)
        start = decode_as(data, Start) if data is not None else None
        return start if start is not None and start.epoch == epoch else None

    def standing(self) -> Standing:
        """Return what the human decided."""
        data = self._log.values(self._standing).get(_ONE)
        return decode_as(data, Standing) if data is not None else Standing()

    def standing_value(self, standing: Standing) -> Value:
        """Return what keeps it."""
        return Value(self._standing, _ONE, encode(to_plain(standing)))

    def start_value(self, start: Start | None) -> Value:
        """Return what keeps the state with which an epoch begins; None: it is to be fetched."""
        return Value(self._start, _ONE, None if start is None else encode(to_plain(start)))

    def ended(self, renewal: Renewal, epoch: int, start: Start | None) -> list[Value]:
        """Return what keeps the end of ``epoch`` and lets go of what its replica kept. Reads the disk."""
        kept = self._kept(epoch)
        return [
            Value(self._epochs, _ordered(epoch), encode(to_plain(renewal))),
            self.start_value(start),
            *(Value(kept, key, None) for key in self._log.values(kept)),
        ]

    # --- the replica -------------------------------------------------------------------------

    def load(self, epoch: int) -> dict[Place, Record]:
        """Return what the replica of an epoch kept."""
        return {
            _place_of(key): decode_as(data, Record)  # type: ignore[arg-type]  # msgspec takes a union
            for key, data in self._log.values(self._kept(epoch)).items()
        }

    def values(self, effects: Iterable[Effect], membership: Membership, *, keeps: bool = True) -> list[Value]:
        """Return what must be durable before anything of these effects leaves. ``keeps``: whether the epoch goes on."""
        values: list[Value] = []
        kept = self._kept(membership.epoch)
        for effect in effects:
            if isinstance(effect, Keep) and keeps:
                record = effect.record
                data = None if record is None else encode(to_plain(record))
                values.append(Value(kept, _key_of(effect.place), data))
            elif isinstance(effect, Executed):
                made = Made(effect.certificate, effect.batch, tuple(effect.results))
                values.append(Value(self._made, _ordered(effect.sequence), encode(to_plain(made))))
                if effect.sequence > MADE_KEPT:
                    values.append(Value(self._made, _ordered(effect.sequence - MADE_KEPT), None))
            elif isinstance(effect, Checkpointed) and self._keeps_checkpoints:
                values.append(self.seals.value(Checkpoint(membership.epoch, effect.parts, ())))
            elif isinstance(effect, Exposed):
                values += self._contradiction(effect, membership)
        return values

    def made(self, after: int, upto: int) -> list[Made]:
        """Return what was made at the places after ``after``, up to ``upto``, in order; not all may be held."""
        held = self._log.values_between(self._made, _ordered(after), _ordered(upto))
        return [decode_as(held[key], Made) for key in sorted(held)]

    # --- evidence ----------------------------------------------------------------------------

    def _contradiction(self, effect: Exposed, membership: Membership) -> list[Value]:
        shown = contradiction_of(effect, membership)
        if shown is None:
            return []
        node = membership.members[shown.member].node
        return [Value(self._exposed, _ordered(shown.epoch) + node, encode(to_plain(shown)))]

    def exposed(self) -> dict[bytes, Contradiction]:
        """Return what convicts each node that contradicted itself, the newest of each."""
        held = self._log.values(self._exposed)
        return {key[_SEQUENCE_BYTES:]: decode_as(held[key], Contradiction) for key in sorted(held)}

    def _kept(self, epoch: int) -> str:
        return f"{self._council}:{epoch}"


def _ordered(sequence: int) -> bytes:
    return sequence.to_bytes(_SEQUENCE_BYTES, "big")


def _key_of(place: Place) -> bytes:
    return f"{place.kind}:{place.sequence}".encode()


def _place_of(key: bytes) -> Place:
    kind, _, sequence = key.decode().rpartition(":")
    return Place(kind, int(sequence))


learn(Made, Start, Standing)
