"""How soon a grant that is taken back is so everywhere: four real processes, one of them with a talkative agent.

A round begins before the person's device asks its node where the chains end, and is over when the last of the three
connected nodes has published the revocation: from then on what stands on the grant is rejected there.
"""

from __future__ import annotations

import time
from queue import Queue
from statistics import median
from threading import Event, Thread

import msgspec

from bench.deliver import PER_S, connect, lines, speak
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.surfaces.cli.client import API
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.demo.people import Person
from foedus.trust.border import SPEAK
from foedus.values.node import ParticipantView

_PATIENCE_S = 30.0
_NODES = ("b", "c", "d")


class _Event(msgspec.Struct):
    kind: str


_decode = msgspec.json.Decoder(_Event).decode


class _Listener:
    """Hears of what a person takes back, at one node."""

    def __init__(self, node: BenchNode, did: str) -> None:
        self.heard: Queue[float] = Queue()
        self._listening = Event()
        Thread(target=self._listen, args=(node, did), daemon=True).start()
        assert self._listening.wait(_PATIENCE_S)

    def _listen(self, node: BenchNode, did: str) -> None:
        connection, head = connect(node)
        connection.settimeout(None)
        with connection:
            request = f"GET {API}/events?stream=participant:{did} HTTP/1.1\r\n{head}Accept: text/event-stream\r\n\r\n"
            connection.sendall(request.encode())
            for now, data in lines(connection):
                if data.startswith(b"retry:"):
                    self._listening.set()
                if data.startswith(b"data: ") and _decode(data[6:]).kind == "grant.revoke":
                    self.heard.put(now)


def _rounds(ada: Person, room: str, listeners: list[_Listener], count: int) -> list[float]:
    """Give and take back so often; return how long each took to be everywhere, in ms."""
    times = []
    for _ in range(count):
        granted = ada.give("scout", Scope(SPEAK, [room]))
        begun = time.perf_counter()
        ada.revoke(granted)
        times.append((max(it.heard.get(timeout=_PATIENCE_S) for it in listeners) - begun) * 1_000)
    return times


def revoke(options: Options) -> Figures:
    count = options.size(60, 3)
    with Cluster(options.folder) as cluster:
        one = cluster.add("a")
        others = [cluster.add(name) for name in _NODES[: options.size(3, 1)]]
        room, *_ = [cluster.join(one, other, f"with {other.name}") for other in others]
        one.client.post("/participants", ParticipantView, {"name": "scout"})
        ada = Person("ada", one, options.folder / "ada", "bench")
        ada.enrol()
        listeners = [_Listener(other, ada.did) for other in others]
        _rounds(ada, room, listeners, count // 5)
        quiet = _rounds(ada, room, listeners, count)
        texts = [f"boat {number}" for number in range(options.size(20, 1) * PER_S)]
        speaking = Thread(target=speak, args=(one, room, texts, {}), daemon=True)
        speaking.start()
        busy = _rounds(ada, room, listeners, count)
        speaking.join(_PATIENCE_S)
    return {"revoke_p50_ms": median(quiet), "revoke_busy_p50_ms": median(busy), "revoke_worst_ms": max(quiet + busy)}
