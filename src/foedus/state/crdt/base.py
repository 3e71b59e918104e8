"""What every CRDT here is: a join-semilattice whose deltas are small states (Almeida, Shoker and Baquero, 2018).

``merge`` is the join: commutative, associative, idempotent, for all states that ``parse`` takes, honest or not. A delta
is a state like any other, so merging deltas one by one, in any order, repeatedly or in groups gives the same state as
merging states. Nothing here knows when something arrived: what decides stands in the events (``Origin``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

from foedus.base.cbor import Malformed, decode, encode
from foedus.base.clock import Hlc, Instant
from foedus.base.errors import UsageError
from foedus.state.crdt.limits import OPERATIONS_BITS, OPERATIONS_MAX

Value: TypeAlias = bytes
"""The canonical bytes of a value: equal values have equal bytes, and bytes have a total order."""

VERSION = 1


class UnequalTypes(UsageError):
    """Two CRDTs of different types do not merge."""

    code = "unequal_types"
    http_status = 409
    remedy = "use another name: a name and a type together name one CRDT"


class Origin(NamedTuple):
    """Where a delta stands in the log: nobody can choose it, since its node's clock and chain only grow."""

    hlc: Hlc
    node: bytes
    epoch: bytes
    seq: int


class Stamp(NamedTuple):
    """By what the last writer wins: its clock, then its node id. Compares as a tuple."""

    us: Instant
    counter: int
    node: bytes


def dot(seq: int, index: int) -> int:
    """Return the number, within its chain, of one operation of the event at ``seq``."""
    return seq << OPERATIONS_BITS | index


def last_dot(seq: int) -> int:
    """Return the greatest number that an operation of the event at ``seq`` can have."""
    return dot(seq, OPERATIONS_MAX - 1)


class Crdt(ABC):
    """A state. ``merge`` makes a new one; ``absorb`` and ``cover`` change this one, for whoever owns it alone."""

    __slots__ = ()
    type: ClassVar[str]

    def merge(self, other: Crdt) -> Self:
        """Return the join of two states of one type; raise UnequalTypes."""
        merged = self.copy()
        merged.absorb(other)
        return merged

    def absorb(self, other: Crdt) -> None:
        """Become the join of this and another state of the same type; raise UnequalTypes, and change nothing."""
        if type(other) is not type(self):
            raise UnequalTypes(f"a {self.type} does not merge with a {other.type}")
        self._join(other)

    def cover(self, epoch: bytes, upto: int) -> None:  # noqa: B027  # most types need not remember what they have seen
        """Take note that this state holds every operation of ``epoch`` with a number up to ``upto``.

        Only who has read the chain up to there may say so. It is what keeps states small (``seen``).
        """

    def encode(self) -> bytes:
        """Return the canonical bytes: equal states have equal bytes, on every node."""
        return encode({"type": self.type, "v": VERSION, "state": self.plain()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crdt) and type(other) is type(self) and self.plain() == other.plain()

    __hash__ = None  # type: ignore[assignment]  # states change

    @abstractmethod
    def copy(self) -> Self:
        """Return an equal state that shares nothing which changes."""

    @abstractmethod
    def _join(self, other: Any) -> None:
        """Become the join of this and another of the same class."""

    @abstractmethod
    def plain(self) -> Any:
        """Return the state as lists of bytes, text and integers, in the one order that is canonical."""

    @classmethod
    @abstractmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such lists; raise Malformed where they are not canonical or break a bound."""

    @abstractmethod
    def value(self) -> Any:
        """Return what people see: plain values (maps, lists, text, bytes, integers)."""

    @abstractmethod
    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether ``node`` could have said all of this itself, by a clock up to ``until``.

        ``covers``: each of its epochs with the greatest number (``last_dot``) of which it speaks.
        """

    @abstractmethod
    def size(self) -> int:
        """Return how many entries it holds: what it costs in memory."""


def check_value(value: Value) -> Value:
    """Return the bytes of a value; raise NotCanonical where they are not its canonical ones."""
    decode(value)
    return value


def check_ascending(items: list[Any]) -> None:
    """Raise Malformed unless every item is greater than the one before it: one state, one encoding."""
    for one, following in pairwise(items):
        if not one < following:
            raise Malformed("the entries of a state are sorted, each once")
