"""Nodes whose HTTP doors are open, requests signed by hand, and a proxy that refuses what it is told to."""

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web
from yarl import URL

from foedus.adapters.federation_client import Door, Query
from foedus.node.composition import Node
from foedus.node.federation import Federation
from foedus.node.home import Home
from foedus.node.service import Service
from foedus.surfaces.demo.processes import free_port
from foedus.surfaces.http.app import create_app
from foedus.surfaces.http.exposure import Exposure
from foedus.surfaces.http.server import HttpServer
from foedus.sync.http_signature import Signer, Target, sign_request, verify_response
from tests.node.nodes import Noted, Running, Street, connect

ROOT = "/api/federation"
LINK = f"{ROOT}/link"
STREAM = f"{ROOT}/stream"
EVENTS = "application/vnd.foedus.events"
RECORDS = "application/vnd.foedus.records"
_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "date"}


class FederatedStreet(Street):
    """Nodes with all doors. ``behind``: nodes named there are reached through a proxy only."""

    def __init__(self, folder, behind=()):
        super().__init__(folder)
        self.behind = set(behind)
        self.proxies = {}

    async def start(self, name, clock=None):
        home = Home(self.folder / name)
        self.ports.setdefault(name, free_port())
        node = Node(home, clock) if clock else Node(home)
        service, noted = Service(node), Noted(node)
        app = create_app(service, Federation(node, service), node.links, Exposure())
        server = HttpServer(app, port=self.ports[name])
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        if name in self.behind:
            if name not in self.proxies:
                self.proxies[name] = Proxy(url)
                await self.proxies[name].start()
            url = self.proxies[name].url
        node.peers.advertised = [url]
        await node.start()
        self.running[name] = Running(name, home.path, node, service, server, url, self.words[name], noted)
        return self.running[name]

    async def close(self):
        await super().close()
        for proxy in self.proxies.values():
            await proxy.stop()


@asynccontextmanager
async def federated_street(folder, behind=()):
    it = FederatedStreet(folder, behind)
    try:
        yield it
    finally:
        await it.close()


@asynccontextmanager
async def two_connected(folder, tier="CORE", gives="CORE", behind=()):
    """Alice and bob, connected. ``gives``: what alice gives bob; ``tier``: what bob gives alice."""
    async with federated_street(folder, behind) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob, tier=tier, gives=gives)
        yield it, alice, bob


def door_of(node):
    return Door(node.url, node.node.store.node)


async def ask(asker, asked, method, path, *, body=b"", media_type="", **parameters):
    """Ask as a node does; return the verified answer, or raise what it raises."""
    return await asker.node.client.call(door_of(asked), Query(method, ROOT + path, parameters, body, media_type))


def signed_headers(asker, asked, method, uri, body=b"", *, now=None, key=None, nonce=None, node=None):
    """Return the headers of a request that ``asker`` signs; each part may be given wrong."""
    store = asker.node.store
    target = Target(method, uri, node or asked.node.store.node)
    signer = Signer(store.epoch, key or store.keys.ed25519)
    return sign_request(target, body, signer, nonce or secrets.token_bytes(16), store.now() if now is None else now)


async def send(method, uri, headers=(), body=b"", media_type=""):
    """Send any request; return status, headers and body."""
    fields = dict(headers) | ({"Content-Type": media_type} if media_type else {})
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, URL(uri, encoded=True), headers=fields, data=body or None, skip_auto_headers=["Content-Type"]
        ) as response,
    ):
        return response.status, dict(response.headers), await response.read()


def is_signed_by(node, response, request_headers):
    """Check an answer's signature by hand; raises BadHttpSignature."""
    record = node.node.store.record
    keys = {record.id: record.record.keys.ed25519}
    return verify_response(response, request_headers["Signature"], keys.get, node.node.store.now())


class Proxy:
    """Stands before a node. ``refused``: paths that it answers with 403 itself."""

    def __init__(self, target):
        self.target = target
        self.refused = set()
        self.seen = []
        self._open = set()
        self._session = None
        self._runner = None

    async def start(self):
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        app = web.Application(client_max_size=1 << 23)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def stop(self):
        await self.cut()
        await self._runner.cleanup()
        await self._session.close()

    async def refuse(self, *paths):
        """Refuse these paths from now on, and cut what is open."""
        self.refused = set(paths)
        await self.cut()

    async def cut(self):
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)

    async def _handle(self, request):
        self.seen.append((request.method, request.path))
        if request.path in self.refused:
            return web.Response(status=403, text="not through here")
        self._open.add(request.transport)
        try:
            return await (self._link(request) if request.path == LINK else self._carry(request))
        except (aiohttp.ClientError, ConnectionError):
            return web.Response(status=502)
        finally:
            self._open.discard(request.transport)

    async def _carry(self, request):
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        uri = URL(self.target + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, uri, headers=headers, data=await request.read(), allow_redirects=False
        ) as upstream:
            response = web.StreamResponse(status=upstream.status)
            for name, value in upstream.headers.items():
                if name.lower() not in _HOP:
                    response.headers[name] = value
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            return response

    async def _link(self, request):
        here = web.WebSocketResponse(max_msg_size=0, compress=False)
        await here.prepare(request)
        async with self._session.ws_connect(self.target + LINK, max_msg_size=0, compress=0) as there:
            pumps = [asyncio.create_task(_pump(here, there)), asyncio.create_task(_pump(there, here))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        with suppress(ConnectionError):
            await here.close()
        return here


async def _pump(source, sink):
    async for message in source:
        await sink.send_bytes(message.data)
