"""Which events of the log are to be judged anew, in as few ranges as is cheap to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.log import streams
from foedus.log.chains import Chain, Limit
from foedus.log.waiting import Place


class Recheck(NamedTuple):
    """The events of a chain from ``from_seq`` on, up to ``to_seq`` (None: all), are to be judged anew."""

    epoch: bytes
    stream: str
    from_seq: int
    to_seq: int | None


class Spans:
    """Gathers places to judge anew, each chain's in as few ranges as is cheap to read."""

    _GAP = 16
    """Reading so many rows in between costs less than another query."""

    def __init__(self) -> None:
        self._from: dict[tuple[bytes, str], int] = {}
        self._single: dict[tuple[bytes, str], set[int]] = {}

    def add_places(self, places: Iterable[Place]) -> None:
        """Take in single events."""
        for place in places:
            self._single.setdefault((place.epoch, place.stream), set()).add(place.seq)

    def add_chains(self, chains: Iterable[Chain], cuts: dict[bytes, int]) -> None:
        """Take in all of these chains beyond their cut (where none is named, from the start)."""
        for chain in chains:
            start = cuts.get(streams.chain_id(chain.epoch, chain.stream), 0) + 1
            if start <= chain.seq:
                self._from[chain.key] = min(start, self._from.get(chain.key, start))

    def rechecks(self) -> list[Recheck]:
        """Return the ranges."""
        found = [Recheck(epoch, stream, start, None) for (epoch, stream), start in self._from.items()]
        for (epoch, stream), seqs in self._single.items():
            end = self._from.get((epoch, stream))
            first = last = 0
            for seq in sorted(seq for seq in seqs if end is None or seq < end):
                if first and seq - last <= self._GAP:
                    last = seq
                    continue
                if first:
                    found.append(Recheck(epoch, stream, first, last))
                first = last = seq
            if first:
                found.append(Recheck(epoch, stream, first, last))
        return found


def between(chain: Chain, former: Limit) -> Recheck:
    """Return the part of a chain whose verdicts follow from the change of its limit."""
    bounds = sorted(limit.seq for limit in (former, chain.limit) if limit.seq is not None)
    same = former[1:] == chain.limit[1:]
    return Recheck(chain.epoch, chain.stream, bounds[0] + 1, bounds[-1] if same and len(bounds) == 2 else None)  # noqa: PLR2004
