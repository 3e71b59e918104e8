"""A Yjs document at two real nodes: from one client's edit to the other's sight of it, and how many edits a second."""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles

import aiohttp
import uvloop
from pycrdt import Doc, Text

from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.state.documents import messages
from foedus.surfaces.cli.client import API
from foedus.values.documents import TicketView
from foedus.values.node import ParticipantView

_PER_S = 100
_PATIENCE_S = 60.0
_MB = 1_000_000


def _address(node: BenchNode, room: str, agent: str, document: str = "page") -> str:
    """Return the URL, with its ticket, at which an agent opens a document."""
    path = f"/rooms/{room}/documents/{document}"
    ticket = node.client.post(f"{path}/ticket?as={agent}", TicketView).ticket
    return f"{node.url.replace('http', 'ws', 1)}{API}{path}?ticket={ticket}"


def _edits(count: int) -> list[bytes]:
    """Return the updates of one character each that a client makes."""
    doc = Doc({"text": Text()})
    found: list[bytes] = []
    watch = doc.observe(lambda event: found.append(event.update))
    for number in range(count):
        doc.get("text", type=Text).insert(number, "x")
    doc.unobserve(watch)
    assert len(found) == count
    return found


class Ended(Exception):
    """The node ended a connection: what was not acknowledged has to be sent again."""


async def _next(socket: aiohttp.ClientWebSocketResponse) -> messages.Message:
    found = await socket.receive()
    if found.type is not aiohttp.WSMsgType.BINARY:
        raise Ended(f"{found.type.name}: {socket.close_code} {found.extra or ''}")
    return messages.read(found.data)


async def _begin(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Ask what there is, as any client does: what came before the answer is in it, what comes after is sent."""
    await socket.send_bytes(messages.asks(Doc().get_state()))
    while not (isinstance(message := await _next(socket), messages.Brings) and message.is_answer):
        pass


async def _see(socket: aiohttp.ClientWebSocketResponse, seen: Doc, until: int, times: list[float]) -> None:
    """Take in what comes until the text is so long; note when each character was there."""
    text = seen.get("text", type=Text)
    while len(times) < until:
        message = await _next(socket)
        if isinstance(message, messages.Brings):
            seen.apply_update(message.update)
            times += [time.perf_counter()] * (len(str(text)) - len(times))


async def _first(watching: asyncio.Task[None], echoes: asyncio.Task[None]) -> None:
    """Wait until the reader saw all; raise at once what the writer's connection raises."""
    async with asyncio.timeout(_PATIENCE_S):
        done, _ = await asyncio.wait({watching, echoes}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
        await watching


async def _measure(writer: str, reader: str, paced: int, burst: int) -> Figures:
    edits, seen, times = _edits(paced + burst), Doc({"text": Text()}), list[float]()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(writer) as out,
        session.ws_connect(reader) as into,
    ):
        for socket in (out, into):
            await _begin(socket)
        echoes = asyncio.create_task(_see(out, Doc({"text": Text()}), paced + burst, []))
        begun = time.perf_counter()
        watching = asyncio.create_task(_see(into, seen, paced, times))
        sent = []
        for number, edit in enumerate(edits[:paced]):
            await asyncio.sleep(max(0.0, begun + number / _PER_S - time.perf_counter()))
            sent.append(time.perf_counter())
            await out.send_bytes(messages.brings(edit))
        await _first(watching, echoes)
        delays = [(came - went) * 1_000 for went, came in zip(sent, times, strict=True)]
        watching = asyncio.create_task(_see(into, seen, paced + burst, times))
        begun = time.perf_counter()
        for edit in edits[paced:]:
            await out.send_bytes(messages.brings(edit))
        await _first(watching, echoes)
        took = time.perf_counter() - begun
        await asyncio.wait_for(echoes, _PATIENCE_S)
    return {
        "document_p50_ms": median(delays),
        "document_p95_ms": quantiles(delays, n=20)[-1],
        "document_updates_per_s": burst / took,
    }


async def _carry(writer: str, reader: str, size: int) -> Figures:
    """Measure one large update: from the client that sends it to the other's sight of it, by chunks on the way."""
    doc, seen = Doc({"text": Text()}), Doc({"text": Text()})
    doc.get("text", type=Text).insert(0, "x" * size)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(writer) as out,
        session.ws_connect(reader, max_msg_size=0) as into,
    ):
        begun = time.perf_counter()
        await out.send_bytes(messages.brings(doc.get_update()))
        while len(str(seen.get("text", type=Text))) < size:
            message = messages.read(await asyncio.wait_for(into.receive_bytes(), _PATIENCE_S))
            if isinstance(message, messages.Brings):
                seen.apply_update(message.update)
        return {"blob_mb_per_s": size / _MB / (time.perf_counter() - begun)}


def documents(options: Options) -> Figures:
    with Cluster(options.folder) as cluster:
        one, other, room = cluster.pair()
        for node, name in ((one, "scout"), (other, "reader")):
            node.client.post("/participants", ParticipantView, {"name": name})
        ends = (one, room, "scout"), (other, room, "reader")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            counts = options.size(1_000, 100), options.size(20_000, 500)
            figures = runner.run(_measure(*(_address(*end) for end in ends), *counts))
            size = options.size(12 * _MB, _MB)
            return figures | runner.run(_carry(*(_address(*end, "large") for end in ends), size))
