"""What a replica has taken in, by the number of each operation in its chain: a version vector with exceptions.

Of each epoch it holds ``upto``, below which everything is taken in, and the single numbers beyond it. While a chain is
read without holes the numbers fall together into one ``upto``, so what a set has to remember of all that was ever
removed from it is one number for each epoch that wrote. A number beyond a hole (an event that waits for something, or
is withheld here) is remembered by itself until the hole is closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from foedus.base.cbor import Malformed, convert, learn
from foedus.base.ids import ID_BYTES
from foedus.state.crdt.base import check_ascending
from foedus.state.crdt.limits import ENTRIES_MAX, REPLICAS_MAX

Epoch: TypeAlias = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Numbers: TypeAlias = Annotated[list[Number], Meta(max_length=ENTRIES_MAX)]
_Shape: TypeAlias = Annotated[list[tuple[Epoch, Number, Numbers]], Meta(max_length=REPLICAS_MAX)]
"""(epoch, upto, numbers beyond it). No operation has the number 0: the first event's is 1,024."""


class Seen:
    """Mutable. ``numbers`` of an epoch are all greater than its ``upto``."""

    __slots__ = ("_beyond", "_upto")

    def __init__(self) -> None:
        self._upto: dict[bytes, int] = {}
        self._beyond: dict[bytes, set[int]] = {}

    def has(self, epoch: bytes, number: int) -> bool:
        """Whether an operation was taken in."""
        return number <= self._upto.get(epoch, 0) or number in self._beyond.get(epoch, ())

    def upto(self, epoch: bytes) -> int:
        """Return the number below which everything of an epoch is taken in."""
        return self._upto.get(epoch, 0)

    def beyond(self) -> Iterable[tuple[bytes, set[int]]]:
        """Yield each epoch with the single numbers that were taken in beyond its ``upto``."""
        return self._beyond.items()

    def covered(self) -> Iterable[tuple[bytes, int]]:
        """Yield each epoch with its ``upto``."""
        return self._upto.items()

    def add(self, epoch: bytes, number: int) -> None:
        """Take in one operation."""
        if number > self._upto.get(epoch, 0):
            self._beyond.setdefault(epoch, set()).add(number)

    def cover(self, epoch: bytes, upto: int) -> None:
        """Take in everything of an epoch up to a number."""
        if upto <= self._upto.get(epoch, 0):
            return
        self._upto[epoch] = upto
        left = {number for number in self._beyond.pop(epoch, ()) if number > upto}
        if left:
            self._beyond[epoch] = left

    def join(self, other: Seen) -> None:
        """Take in what another has taken in."""
        for epoch, upto in other._upto.items():
            self.cover(epoch, upto)
        for epoch, numbers in other._beyond.items():
            upto = self._upto.get(epoch, 0)
            if left := {number for number in numbers if number > upto}:
                self._beyond.setdefault(epoch, set()).update(left)

    def copy(self) -> Seen:
        """Return an equal one."""
        twin = Seen()
        twin._upto = dict(self._upto)
        twin._beyond = {epoch: set(numbers) for epoch, numbers in self._beyond.items()}
        return twin

    def size(self) -> int:
        """Return how many numbers are kept."""
        return len(self._upto) + sum(map(len, self._beyond.values()))

    def plain(self) -> list[list[Any]]:
        """Return ``[[epoch, upto, [number beyond …]] …]``, sorted."""
        epochs = sorted(self._upto.keys() | self._beyond.keys())
        return [[epoch, self._upto.get(epoch, 0), sorted(self._beyond.get(epoch, ()))] for epoch in epochs]

    @classmethod
    def from_plain(cls, plain: Any) -> Seen:
        """Return what such lists say; raise Malformed where they are not canonical."""
        seen = cls()
        rows = convert(plain, _Shape)
        check_ascending([epoch for epoch, _, _ in rows])
        for epoch, upto, numbers in rows:
            check_ascending([upto, *numbers])
            if not upto and not numbers:
                raise Malformed("an epoch of which nothing was taken in has no place in a state")
            if upto:
                seen._upto[epoch] = upto
            if numbers:
                seen._beyond[epoch] = set(numbers)
        return seen


learn(_Shape)
