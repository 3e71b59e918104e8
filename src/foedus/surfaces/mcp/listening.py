"""Change notices: of resources that a client subscribed to, in both generations of the protocol.

2026-07-28: one request whose answer is the stream. Before: subscriptions of a session, told on its own stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp.types import EmptyResult, SubscriptionsListenRequestParams, SubscriptionsListenResult

from foedus.base.errors import FoedusError, UsageError
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.resources import Change, change_of

log = logging.getLogger("foedus.mcp")

SUBSCRIBED_MAX = 256
"""Resources that one session follows: each is one word in a set."""
_BUFFERED = 256
"""Changes that wait for a client; beyond, its stream ends, and it listens and reads again."""


class TooManySubscriptions(UsageError):
    """A session follows as many resources as it may."""

    code = "too_many_subscriptions"
    http_status = 429
    remedy = "end some that are not needed"


async def follow(desk: Desk, tell: Callable[[Change], Awaitable[None]], started: asyncio.Event) -> None:
    """Tell of each change once ``started`` is set, until cancelled, or until the token is void."""
    try:
        async for event in desk.client.events.follow(opened=started.set):
            if (change := change_of(event)) is not None:
                await tell(change)
    except FoedusError as error:
        log.info("changes are no longer followed: %s", error.code)


async def listen(
    desk: Desk, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
) -> SubscriptionsListenResult:
    """Serve one stream of changes (2026-07-28)."""
    bus = InMemorySubscriptionBus()
    handler = ListenHandler(bus, max_subscriptions=1, max_buffered_events=_BUFFERED)

    async def tell(change: Change) -> None:
        await bus.publish(ResourceUpdated(uri=change.uri))
        if change.lists:
            await bus.publish(ResourcesListChanged())

    started = asyncio.Event()
    following = asyncio.create_task(follow(desk, tell, started), name="mcp changes")
    following.add_done_callback(lambda _: started.set())
    following.add_done_callback(lambda _: handler.close())
    try:
        await started.wait()
        return await handler(context, params)
    finally:
        await _end(following)


class Subscriptions:
    """What one session before 2026-07-28 follows. Its task lives as long as something is subscribed."""

    def __init__(self, desk: Desk, session: ServerSession) -> None:
        self._desk = desk
        self._session = session
        self._uris: set[str] = set()
        self._following: asyncio.Task[None] | None = None

    async def add(self, uri: str) -> EmptyResult:
        """Follow a resource; raise TooManySubscriptions. Changes from now on are told."""
        if len(self._uris) >= SUBSCRIBED_MAX and uri not in self._uris:
            raise TooManySubscriptions(f"a session follows at most {SUBSCRIBED_MAX} resources")
        self._uris.add(uri)
        if self._following is None or self._following.done():
            started = asyncio.Event()
            self._following = asyncio.create_task(follow(self._desk, self._tell, started), name="mcp changes")
            self._following.add_done_callback(lambda _: started.set())
            await started.wait()
        return EmptyResult()

    async def remove(self, uri: str) -> EmptyResult:
        """Follow a resource no more."""
        self._uris.discard(uri)
        if not self._uris:
            await self.close()
        return EmptyResult()

    async def close(self) -> None:
        """Follow nothing any more."""
        following, self._following = self._following, None
        if following is not None:
            await _end(following)

    async def _tell(self, change: Change) -> None:
        if change.uri in self._uris:
            await self._session.send_resource_updated(change.uri)
        if change.lists:
            await self._session.send_resource_list_changed()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
