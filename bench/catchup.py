"""Catch-up: B was away while participants of A said much; from B's start until it has all of it, durably."""

from __future__ import annotations

import time

from bench.author import BATCH, Speakers
from bench.nodes import run, running
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.node.home import Home
from foedus.values.node import StatusView

_SAMPLE_S = 0.05
_PATIENCE_S = 300.0


async def _write(home: Home, room: str, count: int) -> None:
    async with running(home) as node:
        await (await Speakers.at(node, room)).say(count // BATCH)


def _stored(node: BenchNode) -> int:
    return node.client.get("/status", StatusView).last_local


def catchup(options: Options) -> Figures:
    count = options.size(100_000, 4_000)
    with Cluster(options.folder) as cluster:
        one, other, room = cluster.pair()
        one.stop()
        other.stop()
        run(_write(one.home, room, count))
        one.start()
        other.start()
        begun = time.perf_counter()
        first, held = other.resident_mb(), _stored(other)
        most = first
        while one.peer_lag() != 0:
            most = max(most, other.resident_mb())
            assert time.perf_counter() < begun + _PATIENCE_S, "B does not catch up"
            time.sleep(_SAMPLE_S)
        seconds = time.perf_counter() - begun
        most = max(most, other.resident_mb())
        assert _stored(other) - held >= count
    return {"catchup_per_s": count / seconds, "catchup_growth_mb": max(0.0, most - first)}
