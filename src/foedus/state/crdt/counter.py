"""The counter (PN): what each chain added and took away, so that nothing is counted twice.

Of each epoch it holds the totals of its operations up to a number, and single operations beyond it, as ``Seen`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import Malformed, convert, learn
from foedus.base.clock import Hlc
from foedus.state.crdt.base import Crdt, check_ascending
from foedus.state.crdt.limits import AMOUNT_MAX, ENTRIES_MAX, REPLICAS_MAX, TOTAL_MAX
from foedus.state.crdt.seen import Epoch, Number

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
_Sum: TypeAlias = Annotated[int, Meta(ge=0, le=TOTAL_MAX)]
_Singles: TypeAlias = Annotated[list[tuple[Number, Amount, Amount]], Meta(max_length=ENTRIES_MAX)]
_Shape: TypeAlias = Annotated[list[tuple[Epoch, Number, _Sum, _Sum, _Singles]], Meta(max_length=REPLICAS_MAX)]


class _Totals(NamedTuple):
    """Of the operations up to a number; the greater number knows more. Of two that lie, the greater sums."""

    upto: int
    plus: int
    minus: int


_NONE = _Totals(0, 0, 0)


class Counter(Crdt):
    """Join: of each epoch the totals that reach further, and the single operations beyond them."""

    __slots__ = ("singles", "totals")
    type = "counter"

    def __init__(self) -> None:
        self.totals: dict[bytes, _Totals] = {}
        self.singles: dict[bytes, dict[int, tuple[int, int]]] = {}

    def add(self, epoch: bytes, number: int, plus: int, minus: int) -> None:
        """Count one operation, once. Of two that lie about one, the greater amounts count."""
        if number > self.totals.get(epoch, _NONE).upto:
            singles = self.singles.setdefault(epoch, {})
            held = singles.get(number, (0, 0))
            singles[number] = (max(plus, held[0]), max(minus, held[1]))

    def cover(self, epoch: bytes, upto: int) -> None:
        """Add the single operations up to there to the totals."""
        before = self.totals.get(epoch, _NONE)
        if upto <= before.upto:
            return
        singles = self.singles.pop(epoch, {})
        within = [amounts for number, amounts in singles.items() if number <= upto]
        plus = min(TOTAL_MAX, before.plus + sum(it[0] for it in within))
        minus = min(TOTAL_MAX, before.minus + sum(it[1] for it in within))
        self.totals[epoch] = _Totals(upto, plus, minus)
        self._keep(epoch, {number: it for number, it in singles.items() if number > upto})

    def _keep(self, epoch: bytes, singles: dict[int, tuple[int, int]]) -> None:
        if singles:
            self.singles[epoch] = singles

    def copy(self) -> Self:
        """Return an equal state."""
        twin = type(self)()
        twin.totals = dict(self.totals)
        twin.singles = {epoch: dict(singles) for epoch, singles in self.singles.items()}
        return twin

    def _join(self, other: Counter) -> None:
        for epoch, theirs in other.totals.items():
            mine = self.totals.get(epoch, _NONE)
            if theirs.upto == mine.upto:
                self.totals[epoch] = _Totals(mine.upto, max(mine.plus, theirs.plus), max(mine.minus, theirs.minus))
            elif theirs.upto > mine.upto:
                self.totals[epoch] = theirs
                singles = self.singles.pop(epoch, {})
                self._keep(epoch, {number: it for number, it in singles.items() if number > theirs.upto})
        for epoch, singles in other.singles.items():
            for number, (plus, minus) in singles.items():
                self.add(epoch, number, plus, minus)

    def plain(self) -> list[Any]:
        """Return ``[[epoch, upto, plus, minus, [[number, plus, minus] …]] …]``, sorted."""
        epochs = sorted(self.totals.keys() | self.singles.keys())
        return [
            [
                epoch,
                *self.totals.get(epoch, _NONE),
                [[n, *it] for n, it in sorted(self.singles.get(epoch, {}).items())],
            ]
            for epoch in epochs
        ]

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such lists."""
        rows = convert(plain, _Shape)
        check_ascending([row[0] for row in rows])
        state = cls()
        for epoch, upto, plus, minus, singles in rows:
            check_ascending([upto, *(number for number, _, _ in singles)])
            if not upto and (plus or minus or not singles):
                raise Malformed("an epoch of which nothing was counted has no place in a state")
            if upto:
                state.totals[epoch] = _Totals(upto, plus, minus)
            state._keep(epoch, {number: (more, less) for number, more, less in singles})
        return state

    def value(self) -> int:
        """Return the sum."""
        totals = sum(it.plus - it.minus for it in self.totals.values())
        return totals + sum(plus - minus for it in self.singles.values() for plus, minus in it.values())

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether it counts only what the chains that it covers hold."""
        del node, until
        totals = ((epoch, it.upto) for epoch, it in self.totals.items())
        singles = ((epoch, max(numbers)) for epoch, numbers in self.singles.items())
        return all(number <= covers.get(epoch, -1) for epoch, number in (*totals, *singles))

    def size(self) -> int:
        """Return how many totals and single operations it holds."""
        return len(self.totals) + sum(map(len, self.singles.values()))


learn(_Shape)
