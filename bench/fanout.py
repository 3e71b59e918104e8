"""Fan-out: one node, twenty peers over real handshakes and sealed frames; each peer decrypts, counts and acknowledges.

All run in this process on one loop, so the work of the sinks counts against the figure.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from bench.author import BATCH, Speakers
from bench.nodes import make_home, run, running
from bench.options import Figures, Options
from bench.world import ForeignNode
from foedus.base.cbor import split_frames
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.log.event import parse_envelope
from foedus.node import membership
from foedus.node.composition import Node
from foedus.node.handshakes import CAPABILITIES
from foedus.node.membership import Seat
from foedus.sync.effects import Deliver, Established, Send, SendFrame, SessionEffect
from foedus.sync.frames.events import ChainPosition
from foedus.sync.frames.peering import Introduction, Ready
from foedus.sync.handshake import Initiator, Local
from foedus.sync.session import Session

_PEERS = 20


class Pipe:
    """One side of a stream in memory (``node.ports.ByteStream``)."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.other = self

    @classmethod
    def pair(cls) -> tuple[Pipe, Pipe]:
        """Return both sides."""
        one, other = cls(), cls()
        one.other, other.other = other, one
        return one, other

    async def send(self, data: bytes) -> None:
        """Send one message."""
        self.other.incoming.put_nowait(data)

    def try_send(self, make: Callable[[], bytes]) -> bool:
        """Send one message now."""
        self.other.incoming.put_nowait(make())
        return True

    async def receive(self) -> bytes | None:
        """Return the next message."""
        return await self.incoming.get()

    async def close(self, code: int = 1000) -> None:  # noqa: ARG002  # the port's
        """Close both sides."""
        self.incoming.put_nowait(None)
        self.other.incoming.put_nowait(None)


class Sink:
    """A peer that takes what comes. ``messages`` counts room events that it decrypted."""

    def __init__(self, identity: ForeignNode) -> None:
        self.identity = identity
        self.messages = 0
        self.goal = 0
        self.reached = asyncio.Event()

    async def run(self, node: Node, stream: Pipe) -> None:
        """Dial the node over ``stream`` and take frames until it closes."""
        established = await self._shake(node, stream)
        session = Session(initiator=True, now=node.store.now())

        async def carry(made: list[SessionEffect]) -> None:
            for effect in made:
                if isinstance(effect, SendFrame):
                    await stream.send(established.sending.seal(effect.data))
                elif isinstance(effect, Deliver):
                    await carry(session.durable([self._count(effect.batch)], effect.cost))

        await carry(session.offer([]) + session.open(Ready(Introduction("sink", "CORE"))))
        while (data := await stream.receive()) is not None:
            await carry(session.handle(established.receiving.open(data), node.store.now()))

    async def _shake(self, node: Node, stream: Pipe) -> Established:
        initiator = Initiator(
            local=Local(self.identity.keys, [self.identity.record], CAPABILITIES),
            expected=node.store.node,
            ephemeral_seed=secrets.token_bytes(32),
            random=secrets.token_bytes(32),
            known=lambda _: False,
            now=node.store.now(),
        )
        effects = initiator.start()
        while True:
            for effect in effects:
                if isinstance(effect, Send):
                    await stream.send(effect.message)
            if found := [effect for effect in effects if isinstance(effect, Established)]:
                return found[0]
            effects = initiator.handle(await stream.receive() or b"", node.store.now())

    def _count(self, batch: bytes) -> ChainPosition:
        envelopes = split_frames(batch, BATCH_EVENTS_MAX)
        last = parse_envelope(envelopes[-1])
        if last.event.stream.startswith("room:"):
            self.messages += len(envelopes)
            if self.messages >= self.goal:
                self.reached.set()
        return ChainPosition(last.event.epoch, last.event.stream, last.event.seq, last.id)

    async def count_to(self, goal: int) -> None:
        """Wait until so many messages have come."""
        self.goal = goal
        self.reached.clear()
        if self.messages < goal:
            await self.reached.wait()


async def _fanout(options: Options) -> Figures:
    sinks = [Sink(ForeignNode()) for _ in range(_PEERS)]
    home = make_home(options.folder, "fanout", [sink.identity.record for sink in sinks])
    async with running(home) as node:
        speakers = await Speakers.at(node)
        for sink in sinks:
            await membership.add(node.store, node.author, speakers.room, Seat(sink.identity.id, None))
        tasks = []
        for sink in sinks:
            ours, theirs = Pipe.pair()
            tasks += [asyncio.create_task(node.links.accept(ours, "127.0.0.1"))]
            tasks += [asyncio.create_task(sink.run(node, theirs))]
        while len(node.links.open()) < _PEERS:  # noqa: ASYNC110  # the node tells nobody outside
            await asyncio.sleep(0.01)
        await _burst(speakers, sinks, 4)
        batches = options.size(80, 4)
        seconds = await _burst(speakers, sinks, batches)
        await node.links.close()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {"fanout20_per_s": _PEERS * batches * BATCH / seconds}


async def _burst(speakers: Speakers, sinks: list[Sink], batches: int) -> float:
    """Say so much, and wait until every sink has all of it. Checkpoints that come between count for nobody's good."""
    begun = time.perf_counter()
    goals = [sink.messages + batches * BATCH for sink in sinks]
    async with asyncio.TaskGroup() as group:
        group.create_task(speakers.say(batches))
        for sink, goal in zip(sinks, goals, strict=True):
            group.create_task(sink.count_to(goal))
    return time.perf_counter() - begun


def fanout(options: Options) -> Figures:
    return run(_fanout(options))
