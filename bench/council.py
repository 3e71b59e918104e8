"""A council of four real nodes (processes): operations a second and how long one takes, each of them durable.

Its updates are signed by agents' devices and carried by a person's grants; every member checks and judges them.
``council_blocks`` says what a block costs as members grow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import combinations
from statistics import median, quantiles
from typing import NamedTuple

import msgspec

from bench.council_updates import Author, agents
from bench.disk import fsync_ms
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster, Connection
from bench.processor import spent_by_s
from foedus.base.base64url import to_base64url
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import eventually
from foedus.values.councils import CouncilDecisionView, CouncilView

_MEMBERS = 4
_BATCH = 100
_CALLERS = 4
_LIFE = 1_000
_AUTHORS = 8
_decisions = msgspec.json.Decoder(list[CouncilDecisionView]).decode


def founded(cluster: Cluster) -> tuple[list[BenchNode], str, list[Author]]:
    """Return four nodes, each connected with each, the id of their council, and agents of the first."""
    nodes = [cluster.add(f"n{number}") for number in range(_MEMBERS)]
    authors = agents(nodes[0], _AUTHORS)
    for one, other in combinations(nodes, 2):
        cluster.connect(one, other)
    first, *others = nodes
    made = first.client.post("/councils", CouncilView, {"name": "board", "peers": [it.id for it in others]})
    for node in others:
        eventually("it is asked", lambda node=node: node.client.get("/councils", list[CouncilView]))
        node.client.post(path_of("councils", made.id, "join"), CouncilView)
    for node in nodes:
        eventually("it has begun", lambda node=node: _view(node, made.id).state == "running")
    return nodes, made.id, authors


def _view(node: BenchNode, council: str) -> CouncilView:
    return node.client.get(path_of("councils", council), CouncilView)


async def _caller(node: BenchNode, council: str, bodies: Sequence[bytes], times: list[float]) -> None:
    """Send requests one after the other; note how long each took, in ms."""
    async with Connection.to(node) as connection:
        for body in bodies:
            begun = time.perf_counter()
            decisions = _decisions(await connection.send(f"/councils/{council}/updates:signed", body))
            times.append((time.perf_counter() - begun) * 1_000)
            assert all(it.outcome == "done" for it in decisions), decisions


class _Run(NamedTuple):
    """What a load gave. ``processor_ms``: of all members together, for one update and for one block."""

    per_s: float
    times_ms: list[float]
    processor_ms: float
    block_ms: float

    def figures(self, name: str) -> Figures:
        return {
            f"{name}_per_s": self.per_s,
            f"{name}_p50_ms": median(self.times_ms),
            f"{name}_p95_ms": quantiles(self.times_ms, n=20)[-1],
            f"{name}_processor_ms": self.processor_ms,
            f"{name}_block_ms": self.block_ms,
        }


class _Load:
    """Makes requests of signed updates and sends them."""

    def __init__(self, nodes: Sequence[BenchNode], council: str, authors: Sequence[Author]) -> None:
        self._nodes = nodes
        self._council = council
        self._authors = authors
        self._number = 0

    def _bodies(self, count: int, size: int) -> list[bytes]:
        until = self._made() + _LIFE
        council, found = bytes.fromhex(self._council), []
        for _ in range(count):
            updates = []
            for _ in range(size):
                self._number += 1
                updates.append(
                    to_base64url(self._authors[self._number % _AUTHORS].update(council, self._number, until))
                )
            found.append(msgspec.json.encode({"updates": updates}))
        return found

    async def run(self, requests: int, size: int, callers: int) -> _Run:
        """Let callers send ``requests`` each, of ``size`` updates."""
        times: list[float] = []
        work = [self._bodies(requests, size) for _ in range(callers)]
        blocks, spent = self._made(), self._spent_s()
        begun = time.perf_counter()
        await asyncio.gather(*(_caller(self._nodes[0], self._council, bodies, times) for bodies in work))
        seconds = time.perf_counter() - begun
        count = requests * size * callers
        spent = self._spent_s() - spent
        return _Run(count / seconds, times, spent * 1_000 / count, spent * 1_000 / (self._made() - blocks))

    def _made(self) -> int:
        return _view(self._nodes[0], self._council).made or 0

    def _spent_s(self) -> float:
        return sum(spent_by_s(node.pid) for node in self._nodes)


async def _measure(load: _Load, options: Options) -> Figures:
    await load.run(10, 1, 1)
    alone = await load.run(options.size(300, 20), 1, 1)
    shared = await load.run(options.size(60, 5), 1, 16)
    batched = await load.run(options.size(40, 4), _BATCH, _CALLERS)
    return alone.figures("council_alone") | shared.figures("council16") | batched.figures("council_batch")


def _view_change_ms(nodes: Sequence[BenchNode], made: str) -> float:
    """Kill the leader; return how long it takes until the next update is made, which is asked for at once."""
    leader = next(it.node for it in _view(nodes[0], made).members if it.leads)
    left = [node for node in nodes if node.id != leader]
    body = {"key": "k", "value": to_base64url(b"after")}
    next(node for node in nodes if node not in left).kill()
    begun = time.perf_counter()
    left[0].client.post(path_of("councils", made, "updates"), CouncilDecisionView, body, timeout_s=60)
    return (time.perf_counter() - begun) * 1_000


def council(options: Options) -> Figures:
    with Cluster(options.folder) as cluster:
        nodes, made, authors = founded(cluster)
        figures = asyncio.run(_measure(_Load(nodes, made, authors), options))
        figures["council_view_change_ms"] = _view_change_ms(nodes, made)
    return figures | {"council_fsync_ms": median(fsync_ms(options.folder, 100, 0.005))}
