"""Real nodes (`foedus up`), and a client lean enough not to be what is measured."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from foedus.node.home import Home, create_home
from foedus.surfaces.cli.client import API, path_of
from foedus.surfaces.demo.processes import NodeProcess, eventually
from foedus.values.node import IdentityView, PeerView
from foedus.values.rooms import RoomView

_LINE_MAX = 4 * 1_048_576
_GOOD = frozenset({b"200", b"201", b"204"})
_POLICY = """[federation.limits]
api_per_token = "1000000/second"
speech_per_participant = "1000000/second"
queries_per_peer = "1000000/second"
queries_per_participant = "1000000/second"
"""
"""One caller and one agent stand for all that a node may have, and one peer for many."""


class BenchNode(NodeProcess):
    """A node's process, with what benchmarks read of it."""

    @property
    def pid(self) -> int:
        """The process."""
        return self._running().pid

    @property
    def id(self) -> str:
        """The node's id."""
        return self.client.get("/identity", IdentityView).node

    def is_ready(self) -> bool:
        """Whether it serves."""
        return self._is_ready()

    def resident_mb(self) -> float:
        """Return the resident memory now, with what its checking processes do not share."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        threads = Path(f"/proc/{self.pid}/task").glob("*/children")
        children = [int(pid) for thread in threads for pid in thread.read_text(encoding="ascii").split()]
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(_private_mb(pid) for pid in children)

    def is_linked(self) -> bool:
        """Whether there is a link with every peer."""
        return all(peer.link == "link" for peer in self.client.get("/peers", list[PeerView]))

    def peer_lag(self) -> int | None:
        """Return how many events its one peer has not acknowledged; None while there is no link."""
        (peer,) = self.client.get("/peers", list[PeerView])
        return peer.lag if peer.link == "link" else None


def _private_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):  # a checking process that has just ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1_024 / 1e6


class Cluster:
    """Real nodes in one folder; ended together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes: list[BenchNode] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for node in self.nodes:
            if kind is not None and node.complaint():
                print(f"{node.name}: {node.complaint()}", file=sys.stderr)
            node.end()

    def home(self, name: str) -> BenchNode:
        """Make a node that does not run yet."""
        home = Home(self._folder / name)
        create_home(home, name)
        home.policy_path.write_text(_POLICY, encoding="utf-8")
        node = BenchNode(name, home)
        self.nodes.append(node)
        return node

    def add(self, name: str) -> BenchNode:
        """Make a node and start it."""
        node = self.home(name)
        node.start()
        return node

    def pair(self) -> tuple[BenchNode, BenchNode, str]:
        """Return two connected nodes and the id of a room of the first that both are in."""
        one, other = self.add("a"), self.add("b")
        return one, other, self.join(one, other, "harbour")

    def connect(self, one: BenchNode, other: BenchNode) -> None:
        """Let ``other`` ask and ``one`` accept, and wait for the link."""
        other.client.post("/peers/request", PeerView, {"url": one.url, "expect": one.id})
        eventually("the request arrives", lambda: one.client.get("/peers/pending", list[PeerView]))
        one.client.post(path_of("peers", other.id, "accept"), PeerView, {"tier": "CORE"})
        for node in (one, other):
            eventually("both are connected", lambda node=node: node.is_linked())

    def join(self, one: BenchNode, other: BenchNode, name: str) -> str:
        """Connect two nodes; return the id of a room of the first that both are in."""
        self.connect(one, other)
        room = one.client.post("/rooms", RoomView, {"name": name}).room
        one.client.post(path_of("rooms", room, "share"), RoomView, {"peer": other.id})
        eventually(
            "the room is there", lambda: room in {view.room for view in other.client.get("/rooms", list[RoomView])}
        )
        return room


class Connection:
    """One HTTP connection to a node's API, kept open."""

    def __init__(self, node: BenchNode, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"Host: {urlsplit(node.url).netloc}\r\nAuthorization: Bearer {node.home.token()}\r\n"

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, node: BenchNode) -> AsyncIterator[Connection]:
        """Connect."""
        parts = urlsplit(node.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_LINE_MAX)
        try:
            yield cls(node, reader, writer)
        finally:
            writer.close()

    def _request(self, path: str, body: bytes, method: str = "POST") -> bytes:
        head = f"{method} {API}{path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """Ask for something; return the answer's body, empty where it has none."""
        self._writer.write(self._request(path, b"" if body is None else msgspec.json.encode(body), method))
        return await self._answer()

    async def post(self, path: str, body: Any) -> bytes:
        """Create something; return the answer's body."""
        return await self.send(path, msgspec.json.encode(body))

    async def send(self, path: str, body: bytes) -> bytes:
        """Create something from a body that is encoded already."""
        self._writer.write(self._request(path, body))
        return await self._answer()

    async def _answer(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        body = await self._reader.readexactly(length)
        assert head.split(b" ", 2)[1] in _GOOD, body
        return body

    async def events(self, room: str) -> AsyncIterator[bytes]:
        """Follow a room from now on; the first item is empty and comes once the stream is open."""
        self._writer.write(
            f"GET {API}/events?stream=room:{room} HTTP/1.1\r\n{self._head}Accept: text/event-stream\r\n\r\n".encode()
        )
        await self._reader.readuntil(b"retry: 1000\n\n")
        yield b""
        while line := await self._reader.readline():
            if line.startswith(b"data: "):
                yield line[6:]
