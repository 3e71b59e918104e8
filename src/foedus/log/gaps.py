"""What chains no longer hold: the prefixes that retention dropped, each under a checkpoint that vouches for it.

A chain of a later epoch keeps its first event, since that is the cut of the epoch before; so a gap begins behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from foedus.base.clock import ZERO
from foedus.log import streams
from foedus.log.chains import Chain, ChainKey
from foedus.log.checkpoints import Statement
from foedus.log.port import Gap


class Gaps:
    """The gaps of all chains, as admission has them."""

    def __init__(self, gaps: Iterable[Gap] = ()) -> None:
        self._by_chain: dict[ChainKey, list[Gap]] = {}
        for gap in gaps:
            self.add(gap)

    def add(self, gap: Gap) -> None:
        """Note a gap; it takes the place of those inside it."""
        key = (gap.epoch, gap.stream)
        kept = [one for one in self._by_chain.get(key, []) if not gap.after < one.seq <= gap.seq]
        self._by_chain[key] = sorted([*kept, gap], key=lambda one: one.seq)

    def cut(self, key: ChainKey, from_seq: int) -> None:
        """Forget what ends at ``from_seq`` or beyond: the chain's owner chose another branch."""
        if key in self._by_chain:
            self._by_chain[key] = [gap for gap in self._by_chain[key] if gap.seq < from_seq]

    def behind(self, key: ChainKey, seq: int) -> Gap | None:
        """Return the gap in which the event after ``seq`` lies."""
        gap = self.next(key, seq)
        return gap if gap is not None and gap.after <= seq else None

    def next(self, key: ChainKey, seq: int) -> Gap | None:
        """Return the first gap that one meets who reads on after ``seq``."""
        return next((gap for gap in self._by_chain.get(key, ()) if seq < gap.seq), None)

    def of(self, key: ChainKey) -> list[Gap]:
        """Return the gaps of a chain."""
        return list(self._by_chain.get(key, ()))

    def events(self) -> int:
        """Return how many events all gaps leave out."""
        return sum(gap.seq - gap.after for gaps in self._by_chain.values() for gap in gaps)


def is_of(statement: Statement, epoch: bytes, stream: str) -> bool:
    """Whether a checkpoint speaks of this chain and counts all its events."""
    chain = streams.chain_id(epoch, stream)
    return (statement.chain, statement.epoch, statement.count) == (chain, epoch, statement.seq)


def may_prune(chain: Chain, seq: int) -> bool:
    """Whether a chain may lose its events up to ``seq``: no verdict elsewhere stands on their places.

    Control streams are folded whole; a forked chain may have to give its branch back; and where a later epoch cut a
    chain, the event that it names keeps its place.
    """
    limit = chain.limit
    return chain.kind == "room" and not chain.contested and not limit.pends and (limit.seq is None or seq < limit.seq)


def gap_from(statement: Statement, stream: str, after: int, checkpoint: bytes) -> Gap:
    """Return the gap with which a chain begins that is taken up at a checkpoint: its clock there is not known."""
    return Gap(statement.epoch, stream, after, statement.seq, statement.id, ZERO, checkpoint)
