"""The network: connections that delay, break and stall; partitions; and an ear on every message."""

import asyncio
from collections import deque

from foedus.base.errors import Unavailable

_IN_FLIGHT_MAX = 64
"""Messages of one direction that are on their way or unread: beyond, the sender waits, as TCP does."""


class NoAnswer(Unavailable):
    """Nobody answers there."""

    code = "unreachable"


class End:
    """One end of a connection: the ByteStream that a node is given."""

    def __init__(self, connection, owner):
        self.connection = connection
        self.owner = owner
        self.other = None
        self._inbox = deque()
        self._in_flight = 0
        self._last = 0.0
        self._ended = False
        self._changed = asyncio.Event()

    async def send(self, data):
        while self._in_flight >= _IN_FLIGHT_MAX and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if self._ended or self.owner.dead:
            raise ConnectionResetError("the connection is gone")
        self._in_flight += 1
        self.connection.carry(self, data)

    def try_send(self, make):
        if self._in_flight >= _IN_FLIGHT_MAX:
            return False
        if self._ended or self.owner.dead:
            raise ConnectionResetError("the connection is gone")
        self._in_flight += 1
        self.connection.carry(self, make())
        return True

    async def receive(self):
        while not self._inbox:
            if self._ended or self.owner.dead:
                return None
            self._changed.clear()
            await self._changed.wait()
        data = self._inbox.popleft()
        self.other.freed()
        return data

    async def close(self, _code=1000):
        if not self.owner.dead:
            self.connection.finish(self)

    def freed(self):
        self._in_flight -= 1
        self._changed.set()

    def arrive(self, data):
        if not self._ended:
            self._inbox.append(data)
            self._changed.set()

    def end(self):
        """What has arrived may still be read; nothing more comes or goes."""
        self._ended = True
        self._changed.set()

    def deliver_at(self, when):
        """Return when a message sent now arrives: after all that were sent before it."""
        self._last = max(self._last + 1e-6, when)
        return self._last


class Connection:
    """Two ends. Messages keep their order in each direction; the last may be lost when it breaks."""

    def __init__(self, network, one, other):
        self._network = network
        self.ends = (End(self, one), End(self, other))
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]
        self.is_broken = False
        self._held = []

    @property
    def nodes(self):
        return self.ends[0].owner, self.ends[1].owner

    def carry(self, end, data):
        self._network.overheard(end.owner, end.other.owner, data)
        if self._network.are_parted(*self.nodes):
            self._held.append((end, data))
        else:
            self._send(end, data)

    def _send(self, end, data):
        loop = asyncio.get_running_loop()
        when = end.deliver_at(loop.time() + self._network.delay(len(data)))
        loop.call_at(when, self._arrive, end, data)

    def _arrive(self, end, data):
        if self.is_broken:
            return
        if self._network.are_parted(*self.nodes):
            self._held.append((end, data))
        else:
            end.other.arrive(data)

    def finish(self, end):
        """One side closes: what it sent before still arrives."""
        loop = asyncio.get_running_loop()
        end.end()
        loop.call_at(end.deliver_at(loop.time() + self._network.delay(0)), self.break_off)

    def break_off(self):
        """Lose what is on its way."""
        self.is_broken = True
        self._network.forget(self)
        for end in self.ends:
            end.end()

    def healed(self):
        """The partition is over: go on with what waited, in order."""
        held, self._held = self._held, []
        for end, data in held:
            if not self.is_broken:
                self._send(end, data)


class Network:
    """Who reaches whom. ``draw``: the world's randomness; ``hear``: called with (sender, receiver, message)."""

    def __init__(self, draw, hear):
        self._draw = draw
        self._hear = hear
        self.latency_s = 0.005
        self.listening = {}
        self._connections = {}
        self._sides = {}

    def delay(self, size):
        """Mostly short, now and then a thousand times longer; a slow line for large messages."""
        factor = self._draw.expovariate(1.0) if self._draw.random() < 0.97 else 100 * self._draw.random()
        return self.latency_s * (0.2 + factor) + size / 20e6

    def overheard(self, sender, receiver, data):
        self._hear(sender, receiver, data)

    def forget(self, connection):
        self._connections.pop(connection, None)

    # --- partitions ----------------------------------------------------------------------------

    def part(self, sides):
        """Let nodes reach only those of the same side; ``sides``: place → side, 0 for the others."""
        self._sides = {place.url: side for place, side in sides.items()}

    def heal(self):
        self._sides = {}
        for connection in list(self._connections):
            connection.healed()

    @property
    def is_parted(self):
        return bool(self._sides)

    def are_parted(self, one, other):
        return self._sides.get(one.place.url, 0) != self._sides.get(other.place.url, 0)

    # --- connections ----------------------------------------------------------------------------

    async def connect(self, dialler, url):
        await asyncio.sleep(self.delay(0))
        host = self.listening.get(url)
        if host is None or host.dead or self.are_parted(dialler, host):
            await asyncio.sleep(self.delay(0))
            raise NoAnswer(f"nobody answers at {url}")
        connection = Connection(self, dialler, host)
        self._connections[connection] = None
        host.spawn(host.node.links.accept(connection.ends[1], dialler.address))
        await asyncio.sleep(self.delay(0))
        return connection.ends[0]

    def connections(self):
        return list(self._connections)

    def crashed(self, node):
        """The other ends notice sooner or later."""
        loop = asyncio.get_running_loop()
        for connection in self.connections():
            if node in connection.nodes:
                for end in connection.ends:
                    if end.owner is node:
                        end.end()
                loop.call_later(self._draw.random() * 2.0, connection.break_off)
