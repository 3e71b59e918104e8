"""Reading requests and writing answers on bare ASGI, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

from foedus.base.limits import HTTP_BODY_MAX
from foedus.surfaces.http.limits import PROGRESS_BYTES, PROGRESS_S
from foedus.surfaces.http.problems import MalformedRequest, TooLarge, TooSlow, error_of, extra_headers, problem_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from foedus.base.errors import FoedusError

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
"""ASGI's own types: mappings."""

JSON = b"application/json"
BODY_IS_HERE = "foedus.body_is_here"
"""Key of a scope whose body has arrived as a whole: nobody needs to watch how long that takes."""
_COMMON = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header ``name`` (lowercase) of a request."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def headers_of(scope: Scope) -> dict[str, str]:
    """Return all headers; repeated ones joined as RFC 9110 §5.2 says."""
    joined: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        joined[name] = f"{joined[name]}, {text}" if name in joined else text
    return joined


def query_of(scope: Scope) -> dict[str, str]:
    """Return the query parameters; raise MalformedRequest on bytes that are not UTF-8 or a repeated name."""
    raw = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError:  # and UnicodeDecodeError
        raise MalformedRequest("the query is not URL-encoded UTF-8 of at most 32 parameters") from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise MalformedRequest("a query parameter is given twice")
    return query


async def read_body(scope: Scope, receive: Receive, limit: int = HTTP_BODY_MAX) -> bytes:
    """Return the whole body; raise TooLarge or TooSlow as soon as that is certain."""
    declared = header(scope, b"content-length")
    if declared is not None and int(declared) > limit:  # the server has checked that it is a number
        raise _too_large(limit)
    if scope.get(BODY_IS_HERE):
        return await _collect(receive, limit, None)
    try:
        async with asyncio.timeout(PROGRESS_S) as deadline:
            return await _collect(receive, limit, deadline)
    except TimeoutError:
        raise TooSlow(f"the body came slower than {PROGRESS_BYTES} bytes in {PROGRESS_S:.0f} seconds") from None


async def _collect(receive: Receive, limit: int, deadline: asyncio.Timeout | None) -> bytes:
    """Read the body; each PROGRESS_BYTES of it set a new deadline, where there is one."""
    body = b""
    parts: list[bytes] = []
    size, goal = 0, PROGRESS_BYTES
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequest("the connection was closed before the body was complete")
        body = message.get("body", b"")
        size += len(body)
        if size > limit:
            raise _too_large(limit)
        parts.append(body)
        if size >= goal and deadline is not None:
            goal = size + PROGRESS_BYTES
            deadline.reschedule(asyncio.get_running_loop().time() + PROGRESS_S)
        if not message.get("more_body", False):
            return body if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit} bytes")


async def send_head(send: Send, status: int, media_type: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Begin an answer whose body follows."""
    fields = [(b"content-type", media_type), *_COMMON, *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def send_body(send: Send, body: bytes, *, more: bool = False) -> None:
    """Send a part of the body; the last where not ``more``."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_whole(
    send: Send, status: int, body: bytes, media_type: bytes = JSON, headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole answer."""
    fields = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in (headers or {}).items()]
    fields.append((b"content-length", str(len(body)).encode()))
    await send_head(send, status, media_type, fields)
    await send_body(send, body)


async def send_error(send: Send, error: BaseException, allowed: str = "") -> None:
    """Answer any exception."""
    shown: FoedusError = error_of(error)
    await send_whole(send, shown.http_status, problem_bytes(shown), JSON, extra_headers(shown, allowed))
