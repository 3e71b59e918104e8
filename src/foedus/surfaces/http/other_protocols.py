"""What the doors of other protocols share: who comes in, for how long, and what they load when first used.

Their clients cannot sign requests, so tokens that are bound to a device do not open them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from foedus.base.errors import UsageError
from foedus.base.limits import HTTP_BODY_MAX
from foedus.surfaces.http.callers import ParticipantCaller, identify, until_dead, view_for
from foedus.surfaces.http.exposure import address_of
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import Event, Receive, Scope, Send, read_body, send_error

if TYPE_CHECKING:
    from foedus.node.api import NodeService

Door: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ParticipantsOnly(UsageError):
    """The operator's token was given where a participant's is needed."""

    code = "participants_only"
    http_status = 403
    remedy = "give the agent's own token: `foedus participant token NAME`, or `foedus mcp config NAME`"


class PackageMissing(UsageError):
    """The package that speaks a protocol is not installed."""

    code = "package_missing"
    http_status = 501
    remedy = "install it beside foedus with pip"


async def admitted(node: NodeService, scope: Scope, receive: Receive) -> tuple[ParticipantCaller, Receive]:
    """Return who comes, and the request's body once more; raise what the node says, or ParticipantsOnly."""
    caller = identify(scope, node)
    if not isinstance(caller, ParticipantCaller):
        raise ParticipantsOnly("an agent acts as its own participant, and this token is the operator's")
    body = await read_body(scope, receive, HTTP_BODY_MAX) if scope["method"] == "POST" else b""
    await view_for(caller, node, scope, body)
    return caller, _again(body, receive)


async def answered(door: Door, node: NodeService, scope: Scope, receive: Receive, send: Send) -> None:
    """Let a door answer, and say what it raises where it has not begun to."""
    begun = False

    async def watched(event: Event) -> None:
        nonlocal begun
        begun = True
        await send(event)

    try:
        node.check_rate("", address_of(scope))
        await door(scope, receive, watched)
    except Exception as error:  # noqa: BLE001  # the last net: error_of logs what nobody expected
        if not begun:
            await send_error(send, error)


async def while_admitted(
    node: NodeService, streams: Streams, caller: ParticipantCaller, work: Coroutine[Any, Any, None]
) -> None:
    """Do the work, but no longer than the token lives and the server runs; raise TooManyStreams."""
    ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(streams.closed())]
    working = None
    try:
        with streams.counted(caller.did), until_dead(node, caller) as dead:
            working = asyncio.ensure_future(work)
            ends.append(asyncio.ensure_future((dead or asyncio.Event()).wait()))
            await asyncio.wait({working, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
    finally:
        work.close() if working is None else working.cancel()
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, *([working] if working is not None else []), return_exceptions=True)


async def loaded(module: str) -> Any:
    """Return a module, imported beside the loop: that takes a second. Raises PackageMissing."""

    def load() -> Any:
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            raise PackageMissing(f"this installation lacks {error.name}") from None

    return await asyncio.to_thread(load)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives a body which was read once more, and then what comes after it."""
    pending: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Event:
        return pending.pop() if pending else await receive()

    return again
