"""Ingest of participants' events beside raw signature checks, and how the cost grows with the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.nodes import feed, make_home, run, running
from bench.options import Figures, Options
from bench.processor import spent_s
from bench.raw_checks import Raw, RawPair, raw_pair
from bench.world import World
from foedus.base.limits import FRAME_EVENTS
from foedus.node.composition import Node

_SEGMENT = 16
"""Batches between two slices of raw checks."""
_ROUND = 16
"""Batches timed in the small and in the large log, by turns."""
_CHECKS_PER_EVENT = 2


async def timed(node: Node, batches: Sequence[bytes], carrier: bytes) -> float:
    """Feed batches; return the seconds that took."""
    begun = time.perf_counter()
    accepted = await feed(node, batches, carrier)
    spent = time.perf_counter() - begun
    assert accepted == len(batches) * FRAME_EVENTS, accepted
    return spent


class _Ingest:
    def __init__(self, options: Options, pair: RawPair) -> None:
        self.options = options
        self.pair = pair
        self.world = World()
        self.first = self.world.batches(_ROUND + 4)
        self.raw = Raw(self.world, self.first[0])
        self.friends = [node.record for node in self.world.nodes]
        self.carrier = self.world.host.id
        self.sizes: Figures = {}
        self.events = 0
        self.seconds = 0.0
        self.spent_s = 0.0
        """Processor time of all threads and processes while these seconds ran."""

    async def prepare(self, node: Node) -> None:
        await feed(node, self.world.prelude, self.carrier)

    async def run(self) -> Figures:
        await self._small_round(self.options.folder, -1)  # every path warm
        self.raw.rates.clear()
        async with running(make_home(self.options.folder, "large", self.friends)) as node:
            await self.prepare(node)
            await self._grow(node)
            figures = self._figures()
            figures["growth_ratio"] = await self._growth(node)
        return figures

    async def _grow(self, node: Node) -> None:
        """Fill the log to each size in turn, raw slices between the segments."""
        sizes = [1_000, 2_000] if self.options.quick else [1_000, 10_000, 100_000]
        queue = list(self.first)
        done = 0
        for size in [*sizes, 1_000_000] if self.options.soak else sizes:
            self.pair.turn()
            events, seconds, spent = 0, 0.0, 0.0
            while done < size:
                count = min(_SEGMENT, -(-(size - done) // FRAME_EVENTS))
                queue += self.world.batches(max(0, count - len(queue)))
                part, queue = queue[:count], queue[count:]
                self.raw.slice()
                before = spent_s()
                seconds += await timed(node, part, self.carrier)
                spent += spent_s() - before
                events += count * FRAME_EVENTS
                done += count * FRAME_EVENTS
            self.sizes[f"ingest_checks_per_s_to_{size}"] = _CHECKS_PER_EVENT * events / seconds
            if size <= 100_000:
                self.events, self.seconds = self.events + events, self.seconds + seconds
                self.spent_s += spent
        self.raw.slice()
        self.pair.turn()
        self.rest = queue

    def _figures(self) -> Figures:
        raw = median(self.raw.rates)
        rate = _CHECKS_PER_EVENT * self.events / self.seconds
        return {
            "ingest_checks_per_s": rate,
            "raw_verify_per_s": raw,
            "ingest_ratio": rate / raw,
            "raw_pair_ratio": self.pair.ratio,
            "ingest_processor_us": self.spent_s * 1e6 / self.events,
            "raw_processor_us": median(self.raw.costs_us),
            **self.sizes,
        }

    async def _growth(self, large: Node) -> float:
        """Compare the cost per event in the grown log with that in fresh logs of 10³ events.

        All rounds of the large log count together, since moving its write-ahead log falls on some of them only.
        """
        small, grown = [], []
        for number in range(1 if self.options.quick else 6):
            batches = self.rest + self.world.batches(_ROUND - len(self.rest))
            self.rest = []
            small.append(await self._small_round(self.options.folder, number))
            grown.append(await timed(large, batches, self.carrier))
        return sum(grown) / sum(small)

    async def _small_round(self, folder: Path, number: int) -> float:
        async with running(make_home(folder, f"small{number}", self.friends), warm=True) as node:
            await self.prepare(node)
            await feed(node, self.first[:4], self.carrier)
            return await timed(node, self.first[4:], self.carrier)


def ingest(options: Options) -> Figures:
    with raw_pair() as pair:
        return run(_Ingest(options, pair).run())
