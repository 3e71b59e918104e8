"""The line between a client and its node: both directions are slow, keep their order, and end together."""

import asyncio
from collections import deque


class Line:
    """A ByteStream for the node; ``say`` and ``hear`` are the client's."""

    def __init__(self, network):
        self._to_node = _Way(network)
        self._to_client = _Way(network)

    async def send(self, data):
        if self._to_client.has_ended:
            raise ConnectionResetError("the client is gone")
        self._to_client.put(data)

    async def receive(self):
        return await self._to_node.get()

    async def close(self, _code=1000):
        self.end()

    def say(self, data):
        self._to_node.put(data)

    async def hear(self):
        return await self._to_client.get()

    def end(self):
        """What is on its way is lost."""
        self._to_node.end()
        self._to_client.end()


class _Way:
    def __init__(self, network):
        self._network = network
        self._arrived = deque()
        self._changed = asyncio.Event()
        self._last = 0.0
        self.has_ended = False

    def put(self, data):
        loop = asyncio.get_running_loop()
        self._last = max(self._last + 1e-6, loop.time() + self._network.delay(len(data)))
        loop.call_at(self._last, self._arrive, data)

    def _arrive(self, data):
        if not self.has_ended:
            self._arrived.append(data)
            self._changed.set()

    async def get(self):
        while not self._arrived:
            if self.has_ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._arrived.popleft()

    def end(self):
        self.has_ended = True
        self._arrived.clear()
        self._changed.set()
