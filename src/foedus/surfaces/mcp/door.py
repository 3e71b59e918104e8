"""The door at /mcp: streamable HTTP for who has a participant's token. MCP itself is loaded when the first comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from foedus.base.errors import UsageError
from foedus.base.limits import HTTP_BODY_MAX
from foedus.surfaces.http.callers import ParticipantCaller, identify, until_dead, view_for
from foedus.surfaces.http.exposure import address_of
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import Event, Receive, Scope, Send, read_body, send_error
from foedus.surfaces.mcp.participants_only import ParticipantsOnly

if TYPE_CHECKING:
    from foedus.node.api import NodeService
    from foedus.surfaces.mcp.inside import Application

PATH = "/mcp"
DESK = "foedus.desk"
"""Key of a scope: the desk of who asks."""


class McpDoor:
    """Serves MCP. ``application``: what answers requests to the API, which the tools make as the participant."""

    def __init__(self, node: NodeService, application: Application, streams: Streams) -> None:
        self._node = node
        self._application = application
        self._streams = streams
        self._loading = asyncio.Lock()
        self._serving: Any = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def watched(event: Event) -> None:
            nonlocal begun
            begun = True
            await send(event)

        try:
            await self._serve(scope, receive, watched)
        except Exception as error:  # noqa: BLE001  # the last net: error_of logs what nobody expected
            if not begun:
                await send_error(send, error)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._node.check_rate("", address_of(scope))
        caller = identify(scope, self._node)
        if not isinstance(caller, ParticipantCaller):
            raise ParticipantsOnly("an agent acts as its own participant, and this token is the operator's")
        body = await read_body(scope, receive, HTTP_BODY_MAX) if scope["method"] == "POST" else b""
        await view_for(caller, self._node, scope, body)  # refuses a token whose device is not here to prove itself
        manager = await self._manager()
        with self._streams.counted(caller.did), until_dead(self._node, caller) as dead:
            async with _desk(self._node, self._application, caller, scope) as desk:
                inner = {**scope, DESK: desk, "user": manager.user(caller.did)}
                await _until(dead, manager.handle(inner, _again(body, receive), send))

    async def _manager(self) -> Any:
        """Return what speaks MCP, loaded beside the loop: that takes a second."""
        async with self._loading:
            if self._serving is None:
                module = await asyncio.to_thread(_load)
                self._serving = module.Serving()
                ready = asyncio.Event()
                self._running = asyncio.create_task(self._serving.run(ready, self._streams.closed()), name="mcp")
                await ready.wait()
            return self._serving


class McpMissing(UsageError):
    """The package that speaks MCP is not installed."""

    code = "mcp_missing"
    http_status = 501
    remedy = "install it beside foedus: `pip install mcp`"


def _load() -> Any:
    try:
        return import_module("foedus.surfaces.mcp.streamable")
    except ModuleNotFoundError as error:
        raise McpMissing(f"this installation lacks {error.name}") from None


@contextlib.asynccontextmanager
async def _desk(
    node: NodeService, application: Application, caller: ParticipantCaller, scope: Scope
) -> AsyncIterator[Any]:
    """Lend a desk for the time of one request."""
    from foedus.surfaces.mcp.desk import Desk  # noqa: PLC0415  # with the SDK and its HTTP client: when first used
    from foedus.surfaces.mcp.inside import Caller, client_inside  # noqa: PLC0415  # as above

    client = client_inside(application, Caller(caller.token, scope["client"]))
    desk = Desk(client, node.identity().node, caller.did)
    try:
        yield desk
    finally:
        await desk.close()


async def _until(dead: asyncio.Event | None, work: Any) -> None:
    """Do the work, but no longer than the token lives."""
    working = asyncio.ensure_future(work)
    ending = asyncio.ensure_future((dead or asyncio.Event()).wait())
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in (working, ending):
            task.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives a body which was read once more, and then what comes after it."""
    pending: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Event:
        return pending.pop() if pending else await receive()

    return again
