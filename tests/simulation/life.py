"""One life of a node: the real composition, from a start to a crash or the end. Everything in it knows whose it is."""

import asyncio
from contextlib import contextmanager
from contextvars import Context, ContextVar
from pathlib import Path

from foedus.node.composition import Node
from foedus.node.parts import Parts
from foedus.node.service import Service
from tests.simulation.disk import MemoryHome, SlowWriter

_BASE_EVERY = 3
"""Updates of a room after which it is kept: few, so that it is gone on from again and again."""
CURRENT = ContextVar("simulated_life", default=None)
"""Whose code is running."""


class Life:
    """A node from a start to its end. ``place`` names its disk and address for ever."""

    def __init__(self, world, place, disk):
        self.world = world
        self.place = place
        self.disk = disk
        self.address = f"10.{place.number >> 8}.{place.number & 255}.1"
        self.dead = False
        self.tasks = {}
        self.lines = {}
        """Of clients. They break when the node ends."""
        disk.write = self._file_write
        with self.current():
            self.node = Node(MemoryHome(Path(f"/simulated/{place}"), disk), world.wall_clock(place), self._parts)
            self.node.documents.base_every = _BASE_EVERY
            self.service = Service(self.node)
            self.node.peers.advertised = [place.url]

    def _parts(self, home):
        disk = home.disk
        return Parts(
            self,
            disk.log,
            self,
            lambda log, _loop: SlowWriter(self, log),
            blobs=lambda _path: disk.blobs,
            bases=lambda _path: disk.bases,
        )

    def release(self):
        """Let go of the lock that nobody else wants."""

    async def connect(self, url):
        return await self.world.network.connect(self, url)

    async def close(self):
        """Nothing is shared by the streams."""

    def _file_write(self, what):
        if self.dead:
            raise asyncio.CancelledError
        fault = self.world.fault_at_write(self, what)
        if fault == "crash before":
            self.crash()
            raise asyncio.CancelledError

    @contextmanager
    def current(self):
        """All that is begun in here is of this life."""
        token = CURRENT.set(self)
        try:
            yield
        finally:
            CURRENT.reset(token)

    def spawn(self, work):
        with self.current():
            return asyncio.get_running_loop().create_task(work)

    async def start(self):
        await self.spawn(self._start())

    async def _start(self):
        await self.node.start()
        await self.node.fallback.close()  # there is no HTTP here
        self.world.network.listening[self.place.url] = self

    async def stop(self):
        """End in order: what was begun is written, peers are told."""
        self._break_lines()
        await self.spawn(self.node.close())
        self.dead = True
        self.world.trace(f"{self.place} stops")
        self.world.network.crashed(self)
        self.place.disk = self.disk.copy()

    def crash(self):
        """Kill -9: what is durable stays, nothing else happens any more."""
        if self.dead:
            return
        self.dead = True
        self.world.trace(f"{self.place} crashes at write {self.place.writes}")
        self.world.network.crashed(self)
        self._break_lines()
        for task in list(self.tasks):
            task.cancel()
        self.place.disk = self.disk.copy()
        Context().run(self.world.on_crash, self.place)

    def _break_lines(self):
        for line in list(self.lines):
            line.end()
