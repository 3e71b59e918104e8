"""Authoring: custodial participants' messages, hashed, signed twice and durable, in batches."""

from __future__ import annotations

import asyncio
import time

from bench.nodes import make_home, run, running
from bench.options import Figures, Options
from foedus.log import streams
from foedus.log.memberships import Room
from foedus.log.participants import Participant
from foedus.node.author import Draft
from foedus.node.composition import Node
from foedus.node.service import Service

BATCH = 250
CALLERS = 4
"""API callers that speak at once: while one batch is being written the next is signed."""


class Speakers:
    """Custodial participants of a node in a room of its own."""

    def __init__(self, node: Node, room: Room, agents: list[Participant]) -> None:
        self.node = node
        self.room = room
        self._stream = streams.room(room.id)
        self._agents = agents

    @classmethod
    async def at(cls, node: Node, room: str = "") -> Speakers:
        """Make the participants, and the room where none is named by id."""
        service = Service(node)
        room_id = bytes.fromhex(room or (await service.room_create("harbour")).room)
        agents = [await node.agents.add(f"agent {number}") for number in range(4)]
        return cls(node, node.store.admission.authority.rooms[room_id], agents)

    def _draft(self, number: int) -> Draft:
        agents = self.node.agents
        who = self._agents[number % len(self._agents)]
        member = self.room.of(self.node.store.node, who.did)
        assert member is not None
        auth = [agents.enrolment(who), member.id]
        body = {"text": f"The harbour is calm and every lamp is lit; nothing moves on the water tonight. {number}"}
        return self.node.author.custodial_act(self._stream, "message.text", body, auth, who.did, agents.key(who))

    async def say(self, batches: int) -> float:
        """Say BATCH messages so many times, by CALLERS at once; return the seconds until all are durable."""
        left = iter(range(batches))

        async def call() -> None:
            for number in left:
                await self.node.author.order([self._draft(number * BATCH + place) for place in range(BATCH)])

        begun = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        return time.perf_counter() - begun


async def _author(options: Options) -> Figures:
    batches = options.size(120, 12)
    async with running(make_home(options.folder, "author")) as node:
        speakers = await Speakers.at(node)
        await speakers.say(8)
        seconds = await speakers.say(batches)
    return {"author_per_s": batches * BATCH / seconds}


def author(options: Options) -> Figures:
    return run(_author(options))
