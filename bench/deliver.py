"""From A's API to a subscriber of B: two real processes, single messages at a steady pace.

The client is two threads on plain sockets that mostly sleep: an event loop of its own between the clock and the socket
would be measured with the nodes.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from statistics import median, quantiles
from threading import Event, Thread
from urllib.parse import urlsplit

import msgspec

from bench.disk import fsync_ms
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.surfaces.cli.client import API
from foedus.values.node import ParticipantView

PER_S = 100
_PATIENCE_S = 10.0


class _Message(msgspec.Struct):
    text: str


class _Event(msgspec.Struct):
    message: _Message | None = None


_decode = msgspec.json.Decoder(_Event).decode


def connect(node: BenchNode) -> tuple[socket.socket, str]:
    """Return a connection to a node's API, and the head lines of every request on it."""
    parts = urlsplit(node.url)
    connection = socket.create_connection((parts.hostname, parts.port), _PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, f"Host: {parts.netloc}\r\nAuthorization: Bearer {node.home.token()}\r\n"


def _listen(node: BenchNode, room: str, arrived: dict[str, float], listening: Event, wanted: str) -> None:
    connection, head = connect(node)
    with connection:
        request = f"GET {API}/events?stream=room:{room} HTTP/1.1\r\n{head}Accept: text/event-stream\r\n\r\n"
        connection.sendall(request.encode())
        for now, data in lines(connection):
            if data.startswith(b"retry:"):
                listening.set()
            message = _decode(data[6:]).message if data.startswith(b"data: ") else None
            if message is not None:
                arrived[message.text] = now
                if message.text == wanted:
                    return


def lines(connection: socket.socket) -> Iterator[tuple[float, bytes]]:
    """Yield each line with the instant at which its end was there."""
    rest = b""
    while data := connection.recv(65_536):
        now = time.perf_counter()
        *lines, rest = (rest + data).split(b"\n")
        yield from ((now, line) for line in lines)


def speak(node: BenchNode, room: str, texts: list[str], sent: dict[str, float]) -> None:
    connection, head = connect(node)
    with connection:
        begun = time.perf_counter()
        for number, text in enumerate(texts):
            body = msgspec.json.encode({"text": text, "as": "scout"})
            request = f"POST {API}/rooms/{room}/messages HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
            data = f"{request}Content-Length: {len(body)}\r\n\r\n".encode() + body
            time.sleep(max(0.0, begun + number / PER_S - time.perf_counter()))
            sent[text] = time.perf_counter()
            connection.sendall(data)
            _answered(connection)


def _answered(connection: socket.socket) -> None:
    """Take the whole answer to a request from the socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"201", data
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65_536)


def segment(one: BenchNode, other: BenchNode, room: str, texts: list[str]) -> list[float]:
    """Let ``one`` speak and ``other`` hear; return how long each text took, in ms."""
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    listening = Event()
    listener = Thread(target=_listen, args=(other, room, arrived, listening, texts[-1]), daemon=True)
    listener.start()
    assert listening.wait(_PATIENCE_S)
    speak(one, room, texts, sent)
    listener.join(_PATIENCE_S)
    assert sent.keys() == arrived.keys()
    return [(arrived[text] - begun) * 1_000 for text, begun in sent.items()]


def deliver(options: Options) -> Figures:
    segments, each = options.size(5, 1), options.size(200, 100)
    times: list[float] = []
    disk: list[float] = []
    with Cluster(options.folder) as cluster:
        one, other, room = cluster.pair()
        one.client.post("/participants", ParticipantView, {"name": "scout"})
        segment(one, other, room, [f"warm {number}" for number in range(each // 2)])
        for turn in range(segments):
            disk += fsync_ms(options.folder, 100, 1 / PER_S)
            times += segment(one, other, room, [f"{turn}.{number}" for number in range(each)])
    return {
        "deliver_p50_ms": median(times),
        "deliver_p95_ms": quantiles(times, n=20)[-1],
        "fsync_p50_ms": median(disk),
    }
