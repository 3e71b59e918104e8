"""Two nodes, a room of one of them, and the people and agents of the other who speak in it."""

from contextlib import asynccontextmanager

from tests.node.nodes import connect, share, street
from tests.node.people import agent, enrol


async def settle_border(it, host="a", guest="b", clock=None):
    """Connect two new nodes of a street: the host has a room, the guest the human ada, who is named, and scout."""
    a, b = await it.add(host, clock), await it.add(guest, clock)
    ada = await enrol(b, "ada")
    scout = await agent(b, "scout")
    await connect(b, a)
    await share(a, b)
    return a, b, ada, scout


@asynccontextmanager
async def border_of(folder, clock=None):
    """Node a hosts a room; node b has the human ada, whom the agreement names, and the agent scout."""
    async with street(folder) as it:
        yield it, *await settle_border(it, clock=clock)
