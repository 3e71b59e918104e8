"""Streamable HTTP by the official package: its sessions, within our bounds, each for the participant who opened it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from foedus.base.limits import HTTP_BODY_MAX
from foedus.surfaces.http.wire import Receive, Scope, Send
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.door import DESK
from foedus.surfaces.mcp.server import make_server

SESSIONS_MAX = 256
"""Sessions of clients from before 2026-07-28: each holds a task and a queue; as many as there may be streams."""
IDLE_S = 1_800.0
"""A session without a request ends after half an hour; its client opens another."""


class Serving:
    """Serves requests whose scope holds a desk."""

    def __init__(self) -> None:
        self._manager = StreamableHTTPSessionManager(
            make_server(_desk_of),
            max_sessions=SESSIONS_MAX,
            session_idle_timeout=IDLE_S,
            max_request_body_size=HTTP_BODY_MAX,
        )

    async def run(self, ready: asyncio.Event, closed: Awaitable[Any]) -> None:
        """Keep the sessions until the server stops."""
        async with self._manager.run():
            ready.set()
            await closed

    def user(self, did: str) -> AuthenticatedUser:
        """Return who may go on with a session: the participant who opened it."""
        return AuthenticatedUser(AccessToken(token="", client_id=did, scopes=[]))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._manager.handle_request(scope, receive, send)


def _desk_of(context: ServerRequestContext[Any, Any]) -> Desk:
    desk: Desk = context.request.scope[DESK]  # type: ignore[union-attr]  # requests come by HTTP
    return desk
