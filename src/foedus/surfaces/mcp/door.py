"""The door at /mcp: streamable HTTP for who has a participant's token. MCP itself is loaded when the first comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from foedus.surfaces.http.callers import ParticipantCaller
from foedus.surfaces.http.other_protocols import admitted, answered, loaded, while_admitted
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import Receive, Scope, Send

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
        await answered(self._serve, self._node, scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller, again = await admitted(self._node, scope, receive)
        serving = await self._loaded()
        async with _desk(self._node, self._application, caller, scope) as desk:
            inner = {**scope, DESK: desk, "user": serving.user(caller.did)}
            await while_admitted(self._node, self._streams, caller, serving.handle(inner, again, send))

    async def _loaded(self) -> Any:
        """Return what speaks MCP."""
        async with self._loading:
            if self._serving is None:
                module = await loaded("foedus.surfaces.mcp.streamable")
                self._serving = module.Serving()
                ready = asyncio.Event()
                self._running = asyncio.create_task(self._serving.run(ready, self._streams.closed()), name="mcp")
                await ready.wait()
            return self._serving


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
