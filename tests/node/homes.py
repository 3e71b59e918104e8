"""A node of one home, alone, that does something and ends."""

import asyncio

from foedus.node.composition import Node
from foedus.node.room_forms import Said
from foedus.node.service import Service


def run(coroutine):
    """Run on a loop of its own."""
    return asyncio.run(coroutine)


async def spoken(home, *texts):
    """Let an agent of the node say something in a new room; return the room's stream."""
    node = Node(home)
    await node.start(network=False)
    service = Service(node)
    await service.participant_add_custodial("scout")
    room = (await service.room_create("harbour")).room
    await service.say_batch(room, [Said(text=text, as_="scout") for text in texts])
    await node.close()
    return f"room:{room}"


async def identity_of(home):
    """Return who the node is; its token is there afterwards."""
    node = Node(home)
    identity = Service(node).identity()
    await node.close()
    return identity
