"""The observed-remove set: what is removed is what the remover saw; who adds at the same time is not overruled.

The optimized set of Bieniusa et al., "An optimized conflict-free replicated set" (2012), as a delta state (Almeida et
al., 2018, section 7): each addition has a *dot* of its own, the place of its operation in the log. A removal names
dots; an element is in the set while one of its dots is. That a dot is gone is not remembered by itself: it is gone if
it was seen (``Seen``) and is not among the dots that live. So there are no tombstones: what stays of any number of
removals is one number for each epoch that wrote here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import Malformed, convert, decode, learn
from foedus.base.clock import Hlc
from foedus.state.crdt.base import Crdt, Value, check_ascending, check_value
from foedus.state.crdt.limits import ENTRIES_MAX, REPLICAS_MAX
from foedus.state.crdt.seen import Epoch, Number, Seen

_Lives: TypeAlias = Annotated[list[tuple[Number, Value]], Meta(min_length=1, max_length=ENTRIES_MAX)]


class _Shape(NamedTuple):
    living: Annotated[list[tuple[Epoch, _Lives]], Meta(max_length=REPLICAS_MAX)]
    seen: Any


class ObservedSet(Crdt):
    """Join: a dot lives if both have it, or if one has it and the other never saw it."""

    __slots__ = ("dots", "seen")
    type = "set"

    def __init__(self) -> None:
        self.dots: dict[bytes, dict[int, Value]] = {}
        self.seen = Seen()

    def add(self, epoch: bytes, number: int, value: Value) -> None:
        """Let an addition live; one that was seen before was removed since, and stays so."""
        if not self.seen.has(epoch, number):
            self.seen.add(epoch, number)
            self.dots.setdefault(epoch, {})[number] = value

    def remove(self, epoch: bytes, number: int) -> None:
        """End an addition, whether it has come yet or not."""
        self.seen.add(epoch, number)
        self._drop(epoch, number)

    def _drop(self, epoch: bytes, number: int) -> None:
        living = self.dots.get(epoch, {})
        if living.pop(number, None) is not None and not living:
            del self.dots[epoch]

    def dots_of(self, value: Value) -> list[tuple[bytes, int]]:
        """Return the (epoch, number) of each addition of a value that lives: what a removal names."""
        return sorted(
            (epoch, number)
            for epoch, living in self.dots.items()
            for number, held in living.items()
            if held == value
        )  # fmt: skip

    def cover(self, epoch: bytes, upto: int) -> None:
        """Take note that every operation up to there is in this state."""
        self.seen.cover(epoch, upto)

    def copy(self) -> Self:
        """Return an equal state."""
        twin = type(self)()
        twin.dots = {epoch: dict(living) for epoch, living in self.dots.items()}
        twin.seen = self.seen.copy()
        return twin

    def _join(self, other: ObservedSet) -> None:
        for epoch, numbers in other.seen.beyond():
            theirs = other.dots.get(epoch, {})
            for number in numbers:
                if number not in theirs:
                    self._drop(epoch, number)
        for epoch, upto in other.seen.covered():
            theirs = other.dots.get(epoch, {})
            gone = [it for it in self.dots.get(epoch, ()) if it <= upto and it not in theirs]
            for number in gone:
                self._drop(epoch, number)
        for epoch, theirs in other.dots.items():
            mine = self.dots.get(epoch, {})
            new = {
                number: max(value, mine.get(number, value))
                for number, value in theirs.items()
                if number in mine or not self.seen.has(epoch, number)
            }
            if new:
                self.dots.setdefault(epoch, {}).update(new)
        self.seen.join(other.seen)

    def plain(self) -> list[Any]:
        """Return ``[[[epoch, [[number, value] …]] …], seen]``, sorted."""
        living = [[epoch, [list(it) for it in sorted(dots.items())]] for epoch, dots in sorted(self.dots.items())]
        return [living, self.seen.plain()]

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such lists; every dot that lives was seen."""
        living, seen = convert(plain, _Shape)
        state = cls()
        state.seen = Seen.from_plain(seen)
        check_ascending([epoch for epoch, _ in living])
        for epoch, dots in living:
            check_ascending([number for number, _ in dots])
            if not all(state.seen.has(epoch, number) for number, _ in dots):
                raise Malformed("an addition that lives was not seen")
            state.dots[epoch] = {number: check_value(value) for number, value in dots}
        return state

    def members(self) -> set[Value]:
        """Return the values that are in the set."""
        return {value for living in self.dots.values() for value in living.values()}

    def value(self) -> list[Any]:
        """Return the members, by their bytes."""
        return [decode(value) for value in sorted(self.members())]

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether it adds only by the chains that it covers; single additions anybody may remove."""
        del node, until
        added = ((epoch, max(living)) for epoch, living in self.dots.items())
        return all(number <= covers.get(epoch, -1) for epoch, number in (*added, *self.seen.covered()))

    def size(self) -> int:
        """Return how many additions live, and what is remembered of the others."""
        return sum(map(len, self.dots.values())) + self.seen.size()


learn(_Shape)
