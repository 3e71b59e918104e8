"""The transfer CRDT: what learning in one domain brought to another, merged without coordination.

Of each (source, target) the newest measurement counts: the one of the greatest cycle. Of two measurements of one cycle
the later writer's counts, by (clock, node) as everywhere, so that a mistake can be corrected downwards, too; between
equal stamps, which only made-up states have, the greater confidence and then the greater improvement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import convert, learn
from foedus.base.clock import Hlc
from foedus.state.crdt.base import Crdt, check_ascending
from foedus.state.crdt.limits import CYCLE_MAX, ENTRIES_MAX, IMPROVEMENT_MAX, MILLION
from foedus.state.crdt.map import Key
from foedus.state.crdt.register import Counter, Microseconds
from foedus.state.crdt.seen import Epoch

Cycle: TypeAlias = Annotated[int, Meta(ge=0, le=CYCLE_MAX)]
Confidence: TypeAlias = Annotated[int, Meta(ge=0, le=MILLION)]
Improvement: TypeAlias = Annotated[int, Meta(ge=-IMPROVEMENT_MAX, le=IMPROVEMENT_MAX)]


class Measured(NamedTuple):
    """What a transfer brought, in millionths, and who measured it when. The greatest as a tuple counts."""

    cycle: Cycle
    us: Microseconds
    counter: Counter
    node: Epoch
    confidence: Confidence
    improvement: Improvement


class Prior(NamedTuple):
    """The best source for a target: what it brought, how sure that is (both millionths), and in which cycle."""

    source: str
    improvement: int
    confidence: int
    cycle: int


_Shape: TypeAlias = Annotated[list[tuple[Key, Key, Measured]], Meta(max_length=ENTRIES_MAX)]


class Transfers(Crdt):
    """Join: for each (source, target) the greater of the two."""

    __slots__ = ("measured",)
    type = "transfer"

    def __init__(self, measured: dict[tuple[str, str], Measured] | None = None) -> None:
        self.measured = measured if measured is not None else {}

    def copy(self) -> Self:
        """Return an equal state."""
        return type(self)(dict(self.measured))

    def _join(self, other: Transfers) -> None:
        for pair, theirs in other.measured.items():
            mine = self.measured.get(pair)
            if mine is None or theirs > mine:
                self.measured[pair] = theirs

    def best(self, target: str) -> Prior | None:
        """Return the prior for a target with the greatest improvement times confidence; None where none would help.

        Of equal products the one of the greater cycle, then of the greater improvement, then the smaller name.
        """
        found = [
            Prior(source, it.improvement, it.confidence, it.cycle)
            for (source, into), it in self.measured.items()
            if into == target and it.improvement * it.confidence > 0
        ]
        return min(found, key=_worse, default=None)

    def targets(self) -> list[str]:
        """Return the domains to which something was transferred."""
        return sorted({target for _, target in self.measured})

    def plain(self) -> list[Any]:
        """Return ``[[source, target, [cycle, µs, counter, node, confidence, improvement]] …]``, sorted."""
        return [[*pair, list(self.measured[pair])] for pair in sorted(self.measured)]

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such a list."""
        rows = convert(plain, _Shape)
        check_ascending([(source, target) for source, target, _ in rows])
        return cls({(source, target): measured for source, target, measured in rows})

    def value(self) -> dict[str, Any]:
        """Return of each target its best prior (null: none would help) and what every source brought."""
        shown: dict[str, Any] = {}
        for (source, target), it in sorted(self.measured.items()):
            row = {"improvement": it.improvement, "confidence": it.confidence, "cycle": it.cycle}
            shown.setdefault(target, {"best": None, "sources": {}})["sources"][source] = row
        for target, best in self._bests().items():
            shown[target]["best"] = best.source
        return shown

    def _bests(self) -> dict[str, Prior]:
        """Return the best prior of each target for which one would help, in one walk."""
        found: dict[str, Prior] = {}
        for (source, target), it in self.measured.items():
            prior = Prior(source, it.improvement, it.confidence, it.cycle)
            if it.improvement * it.confidence > 0 and (target not in found or _worse(prior) < _worse(found[target])):
                found[target] = prior
        return found

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether the node measured everything, and no later."""
        del covers
        return all(it.node == node and Hlc(it.us, it.counter) <= until for it in self.measured.values())

    def size(self) -> int:
        """Return how many pairs of domains it knows."""
        return len(self.measured)


def _worse(prior: Prior) -> tuple[int, int, int, str]:
    return -prior.improvement * prior.confidence, -prior.cycle, -prior.improvement, prior.source


learn(_Shape)
