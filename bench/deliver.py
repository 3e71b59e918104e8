"""From A's API to a subscriber of B: two real processes, single messages at a steady pace."""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles

import msgspec

from bench.disk import fsync_ms
from bench.nodes import run
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster, Connection
from foedus.node.values import ParticipantView

_PER_S = 100


class _Message(msgspec.Struct):
    text: str


class _Event(msgspec.Struct):
    message: _Message | None = None


async def _listen(node: BenchNode, room: str, arrived: dict[str, float], listening: asyncio.Event, wanted: str) -> None:
    decode = msgspec.json.Decoder(_Event).decode
    async with Connection.to(node) as connection:
        async for data in connection.events(room):
            now = time.perf_counter()
            if not data:
                listening.set()
                continue
            message = decode(data).message
            if message is not None:
                arrived[message.text] = now
                if message.text == wanted:
                    return


async def _speak(node: BenchNode, room: str, texts: list[str], sent: dict[str, float]) -> None:
    async with Connection.to(node) as connection:
        begun = time.perf_counter()
        for number, text in enumerate(texts):
            await asyncio.sleep(max(0.0, begun + number / _PER_S - time.perf_counter()))
            sent[text] = time.perf_counter()
            await connection.post(f"/rooms/{room}/messages", {"text": text, "as": "scout"})


async def segment(one: BenchNode, other: BenchNode, room: str, texts: list[str]) -> list[float]:
    """Let ``one`` speak and ``other`` hear; return how long each text took, in ms."""
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    listening = asyncio.Event()
    listener = asyncio.create_task(_listen(other, room, arrived, listening, texts[-1]))
    await listening.wait()
    await _speak(one, room, texts, sent)
    await asyncio.wait_for(listener, 10)
    assert sent.keys() == arrived.keys()
    return [(arrived[text] - begun) * 1_000 for text, begun in sent.items()]


def deliver(options: Options) -> Figures:
    segments, each = options.size(5, 1), options.size(200, 100)
    times: list[float] = []
    disk: list[float] = []
    with Cluster(options.folder) as cluster:
        one, other, room = cluster.pair()
        one.client.post("/participants", ParticipantView, {"name": "scout"})
        run(segment(one, other, room, [f"warm {number}" for number in range(each // 2)]))
        for turn in range(segments):
            disk += fsync_ms(options.folder, 100, 1 / _PER_S)
            times += run(segment(one, other, room, [f"{turn}.{number}" for number in range(each)]))
    return {
        "deliver_p50_ms": median(times),
        "deliver_p95_ms": quantiles(times, n=20)[-1],
        "fsync_p50_ms": median(disk),
    }
