"""What the council has made so far: the machine's state, which updates it must not make again, a chain of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from foedus.base.cbor import check_items, convert, decode, encode, to_plain
from foedus.base.ids import sha256
from foedus.consensus.machine import StateMachine
from foedus.consensus.membership import INTERVAL, WINDOW, Member
from foedus.consensus.updates import BATCH_UPDATES_MAX, LIFE
from foedus.log.event import Id

if TYPE_CHECKING:
    from foedus.consensus.updates import Batch, Update

M = TypeVar("M", bound=StateMachine)

_Plain: TypeAlias = tuple[int, bytes, int | None, list[tuple[int, list[Id]]], Id]
_ITEMS_MAX = 2 * LIFE * BATCH_UPDATES_MAX
"""Values in a snapshot beside the machine's own: it remembers what was made in LIFE places."""
REPEATED = encode(["repeated", None])
LATE = encode(["late", None])
EARLY = encode(["early", None])
"""Results of updates that are not made: it was made before; its time is over; it claims more time than it may have."""


BEGINNING = bytes(32)
"""The chain before the first place."""


def linked(chain: bytes, sequence: int, digest: bytes) -> bytes:
    """Return the chain after a batch: a hash (32 bytes) of all digests up to its place, in their order."""
    return sha256(chain, sequence.to_bytes(8, "big"), digest)


class Parts(NamedTuple):
    """What a state's root is the hash of: with it, a checkpoint proves who the next members are, and what was made."""

    sequence: int
    machine: Id
    border: int | None
    members: Id | None
    made: Id
    chain: Id

    def root(self) -> bytes:
        """Return the root."""
        return sha256(encode(list(self)))


def members_id(members: tuple[Member, ...]) -> bytes:
    """Return the hash by which a state names the members of the next epoch."""
    return sha256(encode([to_plain(member) for member in members]))


class Ledger(Generic[M]):
    """The state after ``sequence`` batches."""

    def __init__(self, machine: M, sequence: int = 0, *, window: int = WINDOW, interval: int = INTERVAL) -> None:
        """``window`` and ``interval``: those of the membership."""
        self.machine = machine
        self.sequence = sequence
        self._window, self._interval = window, interval
        self.border: int | None = None
        """The last place of this epoch, once the machine has decided on other members."""
        self._made: dict[int, set[bytes]] = {}
        """Updates made, by the last place at which each could be made again: none outlives that."""
        self.chain = BEGINNING
        """What was made, through all epochs (``linked``)."""

    def make(self, batch: Batch) -> list[bytes]:
        """Make the next batch; return the results of its updates."""
        self.sequence += 1
        self.chain = linked(self.chain, self.sequence, batch.digest)
        self._made.pop(self.sequence - 1, None)
        results = [self._make(update) for update in batch.updates]
        if self.border is None and self.machine.renewal is not None:
            last = self.sequence + self._window  # no proposal can lie beyond: this place was in the window of each
            self.border = last + -last % self._interval
        return results

    def _make(self, update: Update) -> bytes:
        if update.until < self.sequence:
            return LATE
        if update.until > self.sequence + LIFE:
            return EARLY
        made = self._made.setdefault(update.until, set())
        if update.id in made:
            return REPEATED
        made.add(update.id)
        return self.machine.apply(self.sequence, update)

    def is_over(self, update: Update) -> bool:
        """Whether an update was made, or can never be."""
        return update.until <= self.sequence or update.id in self._made.get(update.until, ())

    def parts(self) -> Parts:
        """Return what the root is the hash of."""
        renewal = self.machine.renewal
        members = None if renewal is None else members_id(renewal)
        made = sha256(encode(self._plain()))
        return Parts(self.sequence, self.machine.root(), self.border, members, made, self.chain)

    def root(self) -> bytes:
        """Return a hash of all that the next batch's results depend on."""
        return self.parts().root()

    def snapshot(self) -> bytes:
        """Return the whole of it; ``restored`` gives it back."""
        return encode([self.sequence, self.machine.snapshot(), self.border, self._plain(), self.chain])

    def restored(self, state: bytes) -> Ledger[M]:
        """Return a ledger from a snapshot; raise Malformed or NotCanonical. Compare its root before it is used."""
        check_items(state, _ITEMS_MAX)
        plain: _Plain = convert(decode(state), _Plain)  # type: ignore[arg-type]  # msgspec takes any type
        sequence, machine, border, made, chain = plain
        fresh = Ledger(self.machine.restored(machine), sequence, window=self._window, interval=self._interval)
        fresh.border, fresh.chain = border, chain
        fresh._made = {until: set(ids) for until, ids in made}  # one of us
        return fresh

    def renewed(self, machine: M) -> Ledger[M]:
        """Return the ledger with which the next epoch begins: ``machine`` in its new form, and what was made."""
        fresh = Ledger(machine, self.sequence, window=self._window, interval=self._interval)
        fresh._made = {until: set(ids) for until, ids in self._made.items()}  # one of us
        fresh.chain = self.chain
        return fresh

    def _plain(self) -> list[list[object]]:
        return [[until, sorted(ids)] for until, ids in sorted(self._made.items()) if ids]
