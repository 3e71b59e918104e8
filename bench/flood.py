"""What a link feels of another's flood, and of a crowd of strangers: p95 with and without, turn by turn.

Three processes: H talks to V at a steady pace whatever comes of it (what is late does not hold up the next), and C,
a peer of V as well, has more for V than V wants at once. C is stopped (SIGSTOP) in the quiet turns. The strangers are
a fourth process (`bench.strangers`). A pass first warms what is slow the first time. On two cores all of them share
the processor with V, so what each of them took is counted, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from bench.author import BATCH, Speakers
from bench.deliver import segment
from bench.nodes import run
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.node.composition import Node
from foedus.node.home import Home
from foedus.surfaces.demo.processes import eventually
from foedus.values.node import ParticipantView
from foedus.values.rooms import RoomView

_TURNS = 8
_MESSAGES = 200
"""At 100/s: two seconds, in which the strangers come twice."""
_WARM = 50
_SETTLE_S = 0.5


async def _write(home: Home, room: str, count: int) -> None:
    """Say much without a network: nobody hears it yet."""
    node = Node(home)
    try:
        await node.start(network=False)
        await (await Speakers.at(node, room)).say(count // BATCH)
    finally:
        await node.close()


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken so far, all threads, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Felt(NamedTuple):
    """Delivery in quiet and in trouble, ms, turn by turn, and what V and the trouble took of a core meanwhile."""

    quiet: list[list[float]]
    troubled: list[list[float]]
    victim_cores: float
    trouble_cores: float

    def figures(self, name: str) -> Figures:
        """Return what is printed: medians of the turns, so that one in which the machine was busy does not count."""
        quiet, troubled = ([quantiles(turn, n=20)[-1] for turn in turns] for turns in (self.quiet, self.troubled))
        return {
            f"{name}_p95_ratio": median(after / before for before, after in zip(quiet, troubled, strict=True)),
            f"{name}_p95_ms": median(troubled),
            f"{name}_quiet_p95_ms": median(quiet),
            f"{name}_p50_ms": median(median(turn) for turn in self.troubled),
            f"{name}_quiet_p50_ms": median(median(turn) for turn in self.quiet),
            f"{name}_victim_cores": self.victim_cores,
            f"{name}_trouble_cores": self.trouble_cores,
        }


Trouble = Callable[[], contextlib.AbstractContextManager[int]]
"""Makes trouble for a while; gives the process that makes it."""


class _Talk:
    """H speaks and V hears, in a room that C is not in."""

    def __init__(self, speaker: BenchNode, hearer: BenchNode, room: str, options: Options) -> None:
        self._ends = speaker, hearer, room
        self._turns, self._messages = options.size(_TURNS, 1), options.size(_MESSAGES, 50)
        self._number = 0
        speaker.client.post("/participants", ParticipantView, {"name": "scout"})
        eventually("V knows who speaks", lambda: hearer.client.get("/participants", list[ParticipantView]))
        eventually("H may speak", lambda: _is_in(speaker, room))

    def _say(self, count: int) -> list[float]:
        self._number += 1
        return segment(*self._ends, [f"{self._number}.{each}" for each in range(count)])

    def compare(self, trouble: Trouble) -> Felt:
        """Say as much in quiet as in trouble, by turns."""
        quiet: list[list[float]] = []
        troubled: list[list[float]] = []
        victim = culprit = spent = 0.0
        for _ in range(self._turns):
            self._say(_WARM)
            quiet.append(self._say(self._messages))
            with trouble() as pid:
                self._say(_WARM)
                begun, ours, theirs = time.monotonic(), _cpu_s(self._ends[1].pid), _cpu_s(pid)
                troubled.append(self._say(self._messages))
                spent += time.monotonic() - begun
                victim += _cpu_s(self._ends[1].pid) - ours
                culprit += _cpu_s(pid) - theirs
        return Felt(quiet, troubled, victim / spent, culprit / spent)


def _is_in(node: BenchNode, room: str) -> bool:
    own, rooms = node.id, node.client.get("/rooms", list[RoomView])
    return any(own in {member.node for member in view.members} for view in rooms if view.room == room)


@contextlib.contextmanager
def _going(pid: int) -> Iterator[int]:
    """Let a stopped process go on for a while."""
    os.kill(pid, signal.SIGCONT)
    try:
        time.sleep(_SETTLE_S)
        yield pid
    finally:
        os.kill(pid, signal.SIGSTOP)


@contextlib.contextmanager
def _strangers(url: str) -> Iterator[int]:
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
        yield crowd.pid
    finally:
        crowd.kill()
        crowd.wait()


def flood(options: Options) -> Figures:
    with Cluster(options.folder) as cluster:
        honest, victim, room = cluster.pair()
        flooder = cluster.add("c")
        backlog = cluster.join(flooder, victim, "flood")
        flooder.stop()
        run(_write(flooder.home, backlog, options.size(120_000, 5_000)))
        talk = _Talk(honest, victim, room, options)
        before = victim.resident_mb()
        crowd = talk.compare(lambda: _strangers(victim.url))
        crowd_mb = victim.resident_mb() - before
        flooder.start()
        os.kill(flooder.pid, signal.SIGSTOP)
        before = victim.resident_mb()
        try:
            felt = talk.compare(lambda: _going(flooder.pid))
        finally:
            os.kill(flooder.pid, signal.SIGCONT)
        flood_mb = victim.resident_mb() - before
    return {
        **felt.figures("flood"),
        "flood_growth_mb": max(0.1, flood_mb),
        **crowd.figures("strangers"),
        "strangers_growth_mb": max(0.1, crowd_mb),
    }
