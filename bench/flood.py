"""What a link feels of another's flood, and of a crowd of strangers: p95 with and without, turn by turn.

Three processes: H talks to V at a steady pace, and C, a peer of V as well, has more for V than V wants at once. C is
stopped (SIGSTOP) in the quiet turns. The strangers are a fourth process (`bench.strangers`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import quantiles

from bench.author import BATCH, Speakers
from bench.deliver import segment
from bench.nodes import run
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.node.composition import Node
from foedus.node.home import Home
from foedus.node.values import ParticipantView, RoomView
from foedus.surfaces.demo.processes import eventually

_TURNS = 4
_MESSAGES = 200
_SETTLE_S = 0.5


async def _write(home: Home, room: str, count: int) -> None:
    """Say much without a network: nobody hears it yet."""
    node = Node(home)
    try:
        await node.start(network=False)
        await (await Speakers.at(node, room)).say(count // BATCH)
    finally:
        await node.close()


class _Talk:
    """H speaks and V hears, in a room that C is not in."""

    def __init__(self, speaker: BenchNode, hearer: BenchNode, room: str, options: Options) -> None:
        self._ends = speaker, hearer, room
        self._turns, self._messages = options.size(_TURNS, 1), options.size(_MESSAGES, 60)
        self._number = 0
        speaker.client.post("/participants", ParticipantView, {"name": "scout"})
        eventually("V knows who speaks", lambda: hearer.client.get("/participants", list[ParticipantView]))
        eventually("H may speak", lambda: _is_in(speaker, room))
        self._say()

    def _say(self) -> list[float]:
        self._number += 1
        texts = [f"{self._number}.{each}" for each in range(self._messages)]
        return run(segment(*self._ends, texts))

    def compare(self, trouble: Callable[[], contextlib.AbstractContextManager[None]]) -> tuple[float, float]:
        """Return the p95 of delivery in quiet, and in trouble, in ms."""
        quiet: list[float] = []
        troubled: list[float] = []
        for _ in range(self._turns):
            quiet += self._say()
            with trouble():
                troubled += self._say()
        return quantiles(quiet, n=20)[-1], quantiles(troubled, n=20)[-1]


def _is_in(node: BenchNode, room: str) -> bool:
    own, rooms = node.id, node.client.get("/rooms", list[RoomView])
    return any(own in {member.node for member in view.members} for view in rooms if view.room == room)


@contextlib.contextmanager
def _going(pid: int) -> Iterator[None]:
    """Let a stopped process go on for a while."""
    os.kill(pid, signal.SIGCONT)
    try:
        time.sleep(_SETTLE_S)
        yield
    finally:
        os.kill(pid, signal.SIGSTOP)


@contextlib.contextmanager
def _strangers(url: str) -> Iterator[None]:
    """Let a crowd come. It is imported and ready before it is let loose."""
    crowd = subprocess.Popen(
        [sys.executable, "-m", "bench.strangers", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        crowd.stdout.readline()
        crowd.stdin.write(b"\n")
        crowd.stdin.flush()
        yield
    finally:
        crowd.kill()
        crowd.wait()


def flood(options: Options) -> Figures:
    with Cluster(options.folder) as cluster:
        honest, victim, room = cluster.pair()
        flooder = cluster.add("c")
        backlog = cluster.join(flooder, victim, "flood")
        flooder.stop()
        run(_write(flooder.home, backlog, options.size(30_000, 10_000)))
        talk = _Talk(honest, victim, room, options)
        before = victim.resident_mb()
        crowd_quiet, crowd_p95 = talk.compare(lambda: _strangers(victim.url))
        crowd_mb = victim.resident_mb() - before
        flooder.start()
        os.kill(flooder.pid, signal.SIGSTOP)
        before = victim.resident_mb()
        try:
            flood_quiet, flood_p95 = talk.compare(lambda: _going(flooder.pid))
        finally:
            os.kill(flooder.pid, signal.SIGCONT)
        flood_mb = victim.resident_mb() - before
    return {
        "flood_p95_ratio": flood_p95 / flood_quiet,
        "flood_growth_mb": max(0.1, flood_mb),
        "strangers_p95_ratio": crowd_p95 / crowd_quiet,
        "strangers_growth_mb": max(0.1, crowd_mb),
    }
