"""A direct question: five real processes, one of which asks its four peers; each answers from its messages.

And a global one over fifty simulated nodes: what their desks cost together, and how many frames they send.
"""

from __future__ import annotations

import time
from http.client import HTTPConnection
from statistics import median, quantiles
from urllib.parse import urlsplit

import msgspec

from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.surfaces.cli.client import API, path_of
from foedus.values.node import ParticipantView, Placed
from foedus.values.queries import AnswersView
from tests.query.federation import SECOND, World

_PEERS = 4
_EVERY = 40
"""One message in so many has the word that is asked for."""
_decode = msgspec.json.Decoder(AnswersView).decode


def _fill(node: BenchNode, room: str, messages: int) -> None:
    """Let an agent say many things in a room."""
    node.client.post("/participants", ParticipantView, {"name": "scout"})
    texts = [
        f"{'harbour' if number % _EVERY == 0 else 'meadow'} of {node.name}, day {number}" for number in range(messages)
    ]
    for start in range(0, messages, 250):
        page = [{"text": text, "as": "scout"} for text in texts[start : start + 250]]
        node.client.post(path_of("rooms", room) + "/messages:batch", list[Placed], page)


def _ask(connection: HTTPConnection, node: BenchNode, results: int) -> tuple[float, AnswersView]:
    """Return how long a question took, in ms, and the answers."""
    body = msgspec.json.encode({"kind": "text", "text": "harbour day", "results": results, "wait_ms": 10_000})
    head = {"Authorization": f"Bearer {node.home.token()}", "Content-Type": "application/json"}
    begun = time.perf_counter()
    connection.request("POST", f"{API}/queries", body, head)
    data = connection.getresponse().read()
    return (time.perf_counter() - begun) * 1_000, _decode(data)


def query(options: Options) -> Figures:
    messages, questions = options.size(1_000, 50), options.size(500, 20)
    times: list[float] = []
    with Cluster(options.folder) as cluster:
        asker = cluster.add("a")
        for number in range(_PEERS):
            peer = cluster.add(f"peer{number}")
            _fill(peer, cluster.join(peer, asker, f"room{number}"), messages)
        parts = urlsplit(asker.url)
        connection = HTTPConnection(parts.hostname or "", parts.port)
        for _ in range(questions // 5):
            _ask(connection, asker, 10)
        for _ in range(questions):
            taken, answers = _ask(connection, asker, 10)
            times.append(taken)
            assert len(answers.nodes) == _PEERS + 1
            assert all(node.results == 10 for node in answers.nodes), answers.nodes  # as asked
        connection.close()
    return {"query5_p50_ms": median(times), "query5_p95_ms": quantiles(times, n=20)[-1]} | _simulated(options)


def _simulated(options: Options) -> Figures:
    """Ask one question of fifty desks on a virtual clock, as the tests do; there are no keys and no bytes in it."""
    turns = options.size(50, 5)
    costs: list[float] = []
    frames: list[int] = []
    for seed in range(turns):
        world = World(seed)
        begun = time.process_time()
        world.ask(world.ids[0], 8)
        world.run(10 * SECOND)
        costs.append((time.process_time() - begun) * 1_000)
        frames.append(world.frames)
    return {"query50_desks_ms": median(costs), "query50_frames": median(frames)}
