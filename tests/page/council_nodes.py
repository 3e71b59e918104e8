"""Nodes of a council, all in one process beside the browser: their loop runs in a thread of its own."""

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from itertools import combinations

from tests.node.nodes import connect, street

PATIENCE_S = 60.0


class Loop:
    """An event loop in a thread."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, awaited):
        """Return what comes of a coroutine there."""
        return asyncio.run_coroutine_threadsafe(awaited, self._loop).result(PATIENCE_S)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


class Nodes:
    """Nodes of a street; those of ``names`` are to decide together. A Visitor comes to the first."""

    def __init__(self, loop, it, names):
        self.run = loop.run
        self._street = it
        self.running = [loop.run(it.add(name)) for name in names]
        self.newcomer = None
        self.url = self.running[0].url
        self.client = self

    def meet(self, newcomer):
        """Connect each of them to each, and the first to a newcomer."""
        self.run(self._meet(newcomer))

    async def _meet(self, newcomer):
        self.newcomer = await self._street.add(newcomer)
        await connect(self.newcomer, self.running[0])
        for one, other in combinations(self.running, 2):
            await connect(one, other)

    def ask(self, _method, _path, _answer, body):
        """Open a code for a browser at the first node, as the operator does."""
        return self.run(self._code(body))

    async def _code(self, body):
        return self.running[0].service.pair_generate(body["participant"], body["kind"], architect=body["architect"])


@contextmanager
def nodes_in_thread(folder, names):
    loop = Loop()
    stack = AsyncExitStack()
    try:
        yield Nodes(loop, loop.run(stack.enter_async_context(street(folder))), names)
    finally:
        loop.run(stack.aclose())
        loop.close()
