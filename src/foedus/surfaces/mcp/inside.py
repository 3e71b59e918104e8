"""A client of the node within the node's own process: requests and sockets go to its application, not to a network.

They pass every door that those of a network pass: token, rule, rates, audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

import aiohttp

from foedus.sdk.client import Client
from foedus.sdk.transport import Request, Socket, Transport, socket_closed
from foedus.surfaces.http.connection import DIRECT
from foedus.surfaces.http.wire import BODY_IS_HERE, Event, Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
_URL = "http://localhost"
_CHUNKS_MAX = 8
"""Pieces of an answer that wait to be read; then who sends it waits."""


_WORKING: set[asyncio.Task[None]] = set()
"""What is being done, also where nobody waits for it any more: the loop itself does not hold on to tasks."""


class Caller(NamedTuple):
    """Who asks through us: the bearer token, and the address it came from."""

    token: str
    address: tuple[str, int] | None


def client_inside(application: Application, caller: Caller) -> Client:
    """Return a client that asks ``application`` as whoever holds the token."""
    client = Client(_URL, caller.token)
    client.transport = _Inside(application, caller)
    return client


class _Inside(Transport):
    def __init__(self, application: Application, caller: Caller) -> None:
        super().__init__(_URL, caller.token, None, None)
        self._application = application
        self._caller = caller

    async def send(
        self, request: Request, data: bytes, headers: dict[str, str], limits: aiohttp.ClientTimeout
    ) -> _Exchange:
        """Ask the application, and return when the head of its answer is here."""
        scope = self._scope("http", request.target, headers) | {"method": request.method, BODY_IS_HERE: True}
        exchange = _Exchange(self._application, scope, data)
        try:
            async with asyncio.timeout(limits.total):
                await exchange.begin()
        except BaseException:
            exchange.close()
            raise
        return exchange

    @asynccontextmanager
    async def socket(self, target: str) -> AsyncIterator[Socket]:
        """Open a WebSocket of the application for the time of a block."""
        inside = _InsideSocket(self._application, self._scope("websocket", target, {}))
        try:
            await inside.begin()
            yield inside
        finally:
            await inside.end()

    def _scope(self, kind: str, target: str, headers: dict[str, str]) -> dict[str, Any]:
        path, _, query = target.partition("?")
        fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return {
            "type": kind,
            "scheme": "http" if kind == "http" else "ws",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *fields],
            "client": self._caller.address,
            "extensions": {DIRECT: {"try_send": _never, "take_up_to": _anything}},
        }


class _Exchange:
    """One request and its answer, as ``sdk.transport.Answer``."""

    def __init__(self, application: Application, scope: Scope, data: bytes) -> None:
        self.status = 0
        self._data: bytes | None = data
        self._begun = asyncio.Event()
        self._gone = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS_MAX)
        work = asyncio.create_task(self._run(application, scope), name="mcp inside")
        _WORKING.add(work)
        work.add_done_callback(_WORKING.discard)

    async def begin(self) -> None:
        """Wait for the head; raise ConnectionResetError where there is none."""
        await self._begun.wait()
        if not self.status:
            raise ConnectionResetError("the node gave no answer")

    @property
    def content(self) -> _Exchange:
        """The body."""
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    def close(self) -> None:
        """Read no more. What was asked for goes on, as it does when a client leaves; a stream ends."""
        self._gone.set()
        _empty(self._chunks)

    async def _run(self, application: Application, scope: Scope) -> None:
        try:
            await application(scope, self._receive, self._send)
        finally:
            self._begun.set()
            await self._put(None)

    async def _receive(self) -> Event:
        if self._data is not None:
            data, self._data = self._data, None
            return {"type": "http.request", "body": data, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self._begun.set()
        elif body := event.get("body", b""):
            await self._put(body)

    async def _put(self, chunk: bytes | None) -> None:
        if not self._gone.is_set():
            await self._chunks.put(chunk)


class _InsideSocket:
    """A WebSocket without a network."""

    def __init__(self, application: Application, scope: Scope) -> None:
        self._in: asyncio.Queue[Event] = asyncio.Queue()
        self._out: asyncio.Queue[Event] = asyncio.Queue(_CHUNKS_MAX)
        self._left = False
        self._in.put_nowait({"type": "websocket.connect"})
        self._work = asyncio.create_task(self._run(application, scope), name="mcp socket inside")

    async def _run(self, application: Application, scope: Scope) -> None:
        await application(scope, self._in.get, self._send)
        await self._send({"type": "websocket.close", "code": 1011, "reason": ""})  # as a server does that is left

    async def _send(self, event: Event) -> None:
        if not self._left:
            await self._out.put(event)

    async def begin(self) -> None:
        """Wait until it is open; raise StreamLost where it is refused."""
        event = await self._out.get()
        if event["type"] != "websocket.accept":
            raise socket_closed(event.get("code", 0), event.get("reason", ""))

    async def send(self, data: bytes) -> None:
        """Send one message."""
        self._in.put_nowait({"type": "websocket.receive", "bytes": data, "text": None})

    async def receive(self) -> bytes:
        """Return the next message; raise StreamLost once it is closed."""
        event = await self._out.get()
        if event["type"] != "websocket.send":
            raise socket_closed(event.get("code", 0), event.get("reason", ""))
        data: bytes = event["bytes"]
        return data

    async def end(self) -> None:
        """Close it, and wait until the node has let it go."""
        self._left = True
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        _empty(self._out)
        with suppress(Exception):
            await self._work


def _never(_make: Callable[[], bytes]) -> bool:
    """Send nothing past ASGI."""
    return False


def _anything(_size: int) -> None:
    """Bound nothing: what comes from this process was bounded where it came in."""


def _empty(queue: asyncio.Queue[Any]) -> None:
    """Let those go on who wait to put something in: nobody reads it."""
    while not queue.empty():
        queue.get_nowait()
