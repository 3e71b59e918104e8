"""Two connected nodes whose clock can be set ahead, so that what they hold grows old."""

from contextlib import asynccontextmanager

from foedus.node.store import wall_clock
from tests.node.nodes import connect, share, street


class Clock:
    """The wall clock of all nodes of a test, which can be set ahead."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return wall_clock() + self.ahead


@asynccontextmanager
async def aging_pair(folder):
    """Yield the nodes ``anna`` and ``bert`` with a ``room`` of both, and their ``clock``."""
    async with street(folder) as nodes:
        nodes.clock = Clock()
        nodes.anna, nodes.bert = await nodes.add("anna", nodes.clock), await nodes.add("bert", nodes.clock)
        await connect(nodes.anna, nodes.bert)
        nodes.room = await share(nodes.anna, nodes.bert)
        yield nodes
