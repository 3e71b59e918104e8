"""Real nodes in one process, on loopback sockets, for tests that look inside."""

import asyncio
import shutil
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from foedus.base.errors import NotFound
from foedus.node.audited import QUIET
from foedus.node.composition import Node
from foedus.node.home import Home, create_home
from foedus.node.ports import FederationResponse
from foedus.node.room_forms import Said
from foedus.node.service import Service
from foedus.surfaces.demo.processes import free_port
from foedus.surfaces.http.app import create_app
from foedus.surfaces.http.exposure import Exposure
from foedus.surfaces.http.server import HttpServer

WAIT_S = 30.0
"""Two cores run two test workers and their nodes."""


class NoFederation:
    """For tests that use links only."""

    async def handle(self, _request):
        return FederationResponse(status=404)


def entries(node):
    """Return how many events a node holds beside those of its own upkeep, which come by the minute."""
    return sum(row.kind not in QUIET for row in node.log.since(0, 1_000_000))


_streets = []
"""Those that are open now."""


async def until(condition, what, wait_s=WAIT_S):
    """Wait until a condition holds (what is not there yet does not); fail by name.

    What it read is then published too: a row can be read from disk a moment before its node has taken note of it.
    """
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        with suppress(IndexError, NotFound):
            if condition():
                break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError(f"not in {wait_s} s: {what}")
    for running in [each for it in _streets for each in it.running.values()]:
        durable = running.node.log.last_local
        while running.noted.upto < durable:
            assert time.monotonic() < end + wait_s, f"{running.name} takes no note of what is durable: {what}"
            await asyncio.sleep(0.001)


class Noted:
    """Up to which local number all bookkeepers of a node have taken note."""

    def __init__(self, node):
        self.upto = node.log.last_local
        node.publisher.bookkeepers.append(self._published)

    def _published(self, published):
        if published.rows:
            self.upto = published.rows[-1].local


@dataclass
class Running:
    """A node that runs, with its service and server."""

    name: str
    path: Path
    node: Node
    service: Service
    server: HttpServer
    url: str
    words: list[str]
    noted: Noted

    @property
    def id(self):
        return self.node.store.node.hex()

    def texts(self, room="plans"):
        return [view.text for view in self.service.messages(room, limit=1000).messages]

    def all_texts(self):
        """Every message text held, whatever room, as stored."""
        return [view.text for view in self.messages_everywhere()]

    def messages_everywhere(self):
        return [view.message for view in self.service.events(limit=1000).events if view.message]

    def peer(self, other):
        return next((view for view in self.service.peers() if view.node == other.id), None)

    def is_linked(self, other):
        view = self.peer(other)
        return view is not None and view.state == "connected" and view.link == "link"

    async def say(self, text, agent="", room="plans"):
        return await self.service.say(room, Said(text=text, as_=agent))


class Street:
    """The nodes of one test. Restarted nodes keep their port, so that others find them again."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}
        self.words = {}
        self.ports = {}
        _streets.append(self)

    async def add(self, name, clock=None):
        home = Home(self.folder / name)
        _, self.words[name] = create_home(home, name)
        return await self.start(name, clock)

    async def start(self, name, clock=None):
        home = Home(self.folder / name)
        self.ports.setdefault(name, free_port())
        node = Node(home, clock) if clock else Node(home)
        service, noted = Service(node), Noted(node)
        server = HttpServer(create_app(service, NoFederation(), node.links, Exposure()), port=self.ports[name])
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        node.peers.advertised = [url]
        await node.start()
        self.running[name] = Running(name, home.path, node, service, server, url, self.words[name], noted)
        return self.running[name]

    async def stop(self, name):
        it = self.running.pop(name)
        await it.server.stop()
        await it.node.close()

    async def restart(self, name):
        await self.stop(name)
        return await self.start(name)

    def backup(self, name, to="backup"):
        """Copy the home folder of a stopped node."""
        shutil.rmtree(self.folder / to, ignore_errors=True)
        shutil.copytree(self.folder / name, self.folder / to)

    def restore(self, name, source="backup"):
        shutil.rmtree(self.folder / name)
        shutil.copytree(self.folder / source, self.folder / name)

    async def close(self):
        _streets.remove(self)
        for name in list(self.running):
            await self.stop(name)


@asynccontextmanager
async def street(folder):
    it = Street(folder)
    try:
        yield it
    finally:
        await it.close()


async def connect(asker, accepter, tier="CORE", gives="CORE"):
    """Connect two nodes by request and acceptance, and wait for the link."""
    await asker.service.peer_request(accepter.url, expect=accepter.id, tier=gives)
    await until(lambda: asker.id in {view.node for view in accepter.service.peers_pending()}, "the request arrives")
    await accepter.service.peer_accept(asker.id, tier)
    await until(lambda: asker.is_linked(accepter) and accepter.is_linked(asker), "both are connected")


async def share(host, *guests, room="plans"):
    """Make a room at ``host`` and share it with the guests, who see it."""
    view = await host.service.room_create(room)
    for guest in guests:
        await host.service.room_share(view.room, guest.id)
        await until(lambda guest=guest: view.room in {it.room for it in guest.service.rooms()}, f"{guest.name} sees it")
    return view.room
