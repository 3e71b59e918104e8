"""Real servers for tests: one in the test's own loop, one in a thread for tests that are not async."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import uvloop

from foedus.surfaces.http.app import create_app
from foedus.surfaces.http.exposure import Exposure
from foedus.surfaces.http.server import HttpServer
from tests.surfaces.http.fake import TOKEN, FakeService
from tests.surfaces.http.fake_doors import FakeDoors, FakeLinks

PATIENCE_S = 20.0
"""For what takes milliseconds on an idle machine."""
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


class Served:
    """A running server and what stands behind it."""

    def __init__(self, exposure=None):
        self.service, self.doors, self.links = FakeService(), FakeDoors(), FakeLinks()
        self.app = create_app(self.service, self.doors, self.links, exposure or Exposure())
        self.server = HttpServer(self.app, "127.0.0.1", 0)

    @property
    def port(self):
        return self.server.port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(exposure=None):
    """Serve in this loop; also give a client with the token."""
    served = Served(exposure)
    await served.server.start()
    try:
        async with aiohttp.ClientSession(served.url, headers=AUTHORIZED) as client:
            served.client = client
            yield served
    finally:
        await served.server.stop()


@contextmanager
def serving_in_thread():
    """Serve in a thread of its own, as the command line does: on uvloop."""
    ready, box = threading.Event(), {}

    async def run():
        box["served"], box["stop"], box["loop"] = Served(), asyncio.Event(), asyncio.get_running_loop()
        await box["served"].server.start()
        ready.set()
        await box["stop"].wait()
        await box["served"].server.stop()

    thread = threading.Thread(target=lambda: uvloop.run(run()))
    thread.start()
    assert ready.wait(PATIENCE_S)
    try:
        yield box["served"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(PATIENCE_S)


def exchange(port, data, *, timeout=PATIENCE_S, finish=False):
    """Send raw bytes; return what comes back until the server closes. ``finish``: say that no more will come."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(data)
            if finish:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                received += part
        except OSError:
            pass  # it closed, or had nothing to say
        return received


def request_bytes(method, path, body=b"", **headers):
    """Return an HTTP request with the token."""
    fields = {"Host": "127.0.0.1", "Content-Length": len(body), "Connection": "close", **AUTHORIZED, **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def until(condition):
    """Wait until ``condition()`` holds; fail after some seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.01)


def status_of(response):
    """Return the status of a raw HTTP response."""
    return int(response.split(b" ", 2)[1])
