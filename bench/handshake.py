"""The link handshake: both sides' work in one thread, and over a real socket to a real node."""

from __future__ import annotations

import asyncio
import secrets
import time
from statistics import median

from bench.nodes import make_home, run, running
from bench.options import Figures, Options
from bench.processes import Cluster
from bench.world import ForeignNode
from foedus.node.handshakes import CAPABILITIES
from foedus.sync.effects import Established, Send
from foedus.sync.handshake import Initiator, Local, Responder

_RUNS = 50
_PAUSE_S = 0.03
"""A node answers at most 50 strangers' handshakes a second."""


def _shake(one: ForeignNode, other: ForeignNode) -> float:
    begun = time.perf_counter()
    now = time.time_ns() // 1_000
    ours, theirs = (Local(node.keys, [node.record], CAPABILITIES) for node in (one, other))
    responder = Responder(
        local=theirs, ephemeral_seed=secrets.token_bytes(32), random=secrets.token_bytes(32),
        known=lambda _: False, now=now,
    )  # fmt: skip
    initiator = Initiator(
        local=ours, expected=other.id, ephemeral_seed=secrets.token_bytes(32), random=secrets.token_bytes(32),
        known=lambda _: False, now=now,
    )  # fmt: skip
    established = 0
    effects, turn = initiator.start(), [responder, initiator]
    while established < 2:
        messages = [effect.message for effect in effects if isinstance(effect, Send)]
        established += sum(isinstance(effect, Established) for effect in effects)
        effects = [effect for message in messages for effect in turn[0].handle(message, now)]
        assert effects or established == 2
        turn.reverse()
    return time.perf_counter() - begun


async def _over_socket(options: Options, url: str) -> list[float]:
    times = []
    async with running(make_home(options.folder, "dialler")) as node:
        for _ in range(options.size(_RUNS, 10)):
            begun = time.perf_counter()
            link = await node.links.dial(url, None)
            times.append(time.perf_counter() - begun)
            await link.stop()
            await asyncio.sleep(_PAUSE_S)
    return times


def handshake(options: Options) -> Figures:
    one, other = ForeignNode(), ForeignNode()
    _shake(one, other)
    inside = [_shake(one, other) for _ in range(_RUNS)]
    with Cluster(options.folder) as cluster:
        dialled = cluster.add("dialled")
        socket = run(_over_socket(options, dialled.url))
    return {"handshake_p50_ms": median(inside) * 1_000, "handshake_socket_p50_ms": median(socket) * 1_000}
