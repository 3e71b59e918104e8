"""What one council keeps on disk: the records of its replica, and what was made, with what proves it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.consensus.effects import Effect, Executed, Keep
from foedus.consensus.messages import Committed
from foedus.consensus.records import Place, Record
from foedus.consensus.updates import BATCH_UPDATES_MAX, Batch
from foedus.log.port import EventLog, Value

MADE_KEPT = 65_536
"""Places whose decisions are kept for the log and for proofs: the newest. Their results live on in the state."""
_SEQUENCE_BYTES = 8


class Made(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="made"):
    """A batch that was made: a quorum's word for it, and the results of its updates in order."""

    certificate: Committed
    batch: Batch
    results: Annotated[tuple[bytes, ...], Meta(max_length=BATCH_UPDATES_MAX)]


class CouncilRecords:
    """The two spaces of a council. What was made is written with the record that made it so: they never differ."""

    def __init__(self, log: EventLog, council: bytes) -> None:
        self._log = log
        self._kept = f"council:{council.hex()}"
        self._made = f"council_made:{council.hex()}"

    def load(self) -> dict[Place, Record]:
        """Return what the replica kept."""
        return {
            _place_of(key): decode_as(data, Record)  # type: ignore[arg-type]  # msgspec takes a union
            for key, data in self._log.values(self._kept).items()
        }

    def values(self, effects: Iterable[Effect]) -> list[Value]:
        """Return what must be durable before anything of these effects leaves."""
        values: list[Value] = []
        for effect in effects:
            if isinstance(effect, Keep):
                record = effect.record
                data = None if record is None else encode(to_plain(record))
                values.append(Value(self._kept, _key_of(effect.place), data))
            elif isinstance(effect, Executed):
                made = Made(effect.certificate, effect.batch, tuple(effect.results))
                values.append(Value(self._made, _ordered(effect.sequence), encode(to_plain(made))))
                if effect.sequence > MADE_KEPT:
                    values.append(Value(self._made, _ordered(effect.sequence - MADE_KEPT), None))
        return values

    def made(self, after: int, upto: int) -> list[Made]:
        """Return what was made at the places after ``after``, up to ``upto``, in order; not all may be held."""
        held = self._log.values_between(self._made, _ordered(after), _ordered(upto))
        return [decode_as(held[key], Made) for key in sorted(held)]


def _ordered(sequence: int) -> bytes:
    return sequence.to_bytes(_SEQUENCE_BYTES, "big")


def _key_of(place: Place) -> bytes:
    return f"{place.kind}:{place.sequence}".encode()


def _place_of(key: bytes) -> Place:
    kind, _, sequence = key.decode().rpartition(":")
    return Place(kind, int(sequence))


learn(Made)
