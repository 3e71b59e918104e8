"""Calls between two real nodes: one at a time, then many at once. An agent at the second asks for work and answers.

Each call is written five times before its caller has the result: made, taken up, handed over and ended at its node,
ended at the caller's. So the fsync of the same minute stands beside it.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles
from typing import Any

import msgspec

from bench.disk import fsync_ms
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster, Connection
from foedus.values.calls import CallView, CapabilityView, WorkPage
from foedus.values.node import ParticipantView

_WORKERS = 8
_AT_ONCE = 32
_INPUT = {"text": "what lies at the north quay?"}
_work = msgspec.json.Decoder(WorkPage).decode
_call = msgspec.json.Decoder(CallView).decode


async def _agent(node: BenchNode, did: str) -> None:
    """Answer what comes, for ever."""
    async with Connection.to(node) as connection:
        while True:
            page = _work(await connection.ask("GET", f"/calls/work?agent={did}&wait_ms=1000"))
            if page.work is not None:
                result = {"output": page.work.input, "agent": did}
                await connection.ask("POST", f"/calls/{page.work.call}/result", result)


async def _caller(node: BenchNode, body: dict[str, Any], count: int) -> list[float]:
    """Make calls one after the other; return how long each took, in ms."""
    times: list[float] = []
    async with Connection.to(node) as connection:
        for _ in range(count):
            begun = time.perf_counter()
            view = _call(await connection.ask("POST", "/calls", body))
            times.append((time.perf_counter() - begun) * 1_000)
            assert view.outcome == "result", view
    return times


async def _measure(one: BenchNode, other: BenchNode, options: Options) -> Figures:
    did = other.client.post("/participants", ParticipantView, {"name": "clerk"}).did
    offer = other.client.post("/capabilities", CapabilityView, {"name": "echo", "agent": did})
    body = {"name": "echo", "node": other.id, "offer": offer.offer, "input": _INPUT, "wait_ms": 30_000}
    alone, together = options.size(500, 50), options.size(100, 5)
    agents = [asyncio.create_task(_agent(other, did)) for _ in range(_WORKERS)]
    await _caller(one, body, alone // 5)
    times = await _caller(one, body, alone)
    begun = time.perf_counter()
    await asyncio.gather(*(_caller(one, body, together) for _ in range(_AT_ONCE)))
    per_s = _AT_ONCE * together / (time.perf_counter() - begun)
    for task in agents:
        task.cancel()
    await asyncio.gather(*agents, return_exceptions=True)
    return {"call_p50_ms": median(times), "call_p95_ms": quantiles(times, n=20)[-1], "calls_per_s": per_s}


def calls(options: Options) -> Figures:
    with Cluster(options.folder) as cluster:
        one, other, _ = cluster.pair()
        figures = asyncio.run(_measure(one, other, options))
    return figures | {"call_fsync_ms": median(fsync_ms(options.folder, 100, 0.005))}
