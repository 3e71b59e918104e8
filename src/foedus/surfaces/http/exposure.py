"""Who may reach what from where (DESIGN §3, Exposure), as one small middleware in front of everything.

Three attacks stop here. Listening strangers: without TLS and beyond loopback only those doors answer that
prove keys themselves. DNS rebinding: a page at evil.example whose name is made to point at 127.0.0.1
arrives with ``Host: evil.example``. Cross-site requests: a browser adds the ``Origin`` of the page.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.surfaces.http.problems import MalformedRequest, problem_bytes
from foedus.surfaces.http.wire import JSON, Receive, Scope, Send, send_error, send_whole

LINK_PATH = "/api/federation/link"
REGISTER_PATH = "/api/federation/register"
MANIFEST_PATH = "/.well-known/mesh-manifest.json"
OPEN_PATHS = frozenset({LINK_PATH, REGISTER_PATH, MANIFEST_PATH})
"""What answers strangers without TLS: each proves keys by itself or shows only what anyone may know."""
STATUS_PATH = "/api/credentials/status"
"""Below it lie status lists, signed by their issuers and found only by who knows a credential: as open as those."""

_STATUS_LIST = re.compile(rf"{STATUS_PATH}/[0-9a-f]{{32}}")
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


class Exposure(Struct, frozen=True, kw_only=True):
    """How this node is reachable."""

    host: str = "127.0.0.1"
    """The address it binds."""
    tls: bool = False
    hosts: frozenset[str] = frozenset()
    """Further names that it answers to, lowercase, without port: those of its own endpoints."""


class NeedsTls(UsageError):
    """The door answers only over TLS or from the same machine."""

    code = "needs_tls"
    http_status = 403
    remedy = "start the node with `--tls-cert` and `--tls-key`, or use it from its own machine"


class ForeignHost(UsageError):
    """The Host header names another site: the sign of DNS rebinding."""

    code = "foreign_host"
    http_status = 403
    remedy = "use the node's IP address, localhost, or a name that is among its endpoints"


class ForeignOrigin(UsageError):
    """A browser page of another site sent this request."""

    code = "foreign_origin"
    http_status = 403
    remedy = "open the node's own page, or send the request without an Origin header"


class Stopping(Unavailable):
    """The server stops while a request is in flight."""

    code = "stopping"
    remedy = "ask again when the node runs; what you asked for may have been done or not"


def judge(scope: Scope, exposure: Exposure) -> UsageError | None:
    """Return why a request may not pass, or None where it may."""
    hosts, origins = [], []
    for key, value in scope["headers"]:
        if key == b"host":
            hosts.append(value)
        elif key == b"origin":
            origins.append(value)
    if len(hosts) != 1 or (name := host_name(hosts[0])) is None:
        return MalformedRequest("exactly one valid Host header is needed")
    if not _is_own(name, exposure):
        return ForeignHost(f"this node does not answer to the name {name}")
    if origins and any(value != _own_origin(scope, hosts[0]) for value in origins):
        return ForeignOrigin("this node takes no requests from pages of other sites")
    if not is_secure(scope, exposure) and not _is_open(scope["path"]):
        return NeedsTls("without TLS this door answers only on the node's own machine")
    return None


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or _STATUS_LIST.fullmatch(path) is not None


def is_secure(scope: Scope, exposure: Exposure) -> bool:
    """Tell whether nobody between the client and us can listen: TLS, or the same machine."""
    return exposure.tls or _is_loopback(address_of(scope))


def address_of(scope: Scope) -> str:
    """Return the client's IP address ('' where the transport has none)."""
    client = scope["client"]
    return client[0] if client else ""


@lru_cache(256)
def host_name(value: bytes) -> str | None:
    """Return the name or IP address in a Host header, lowercase, without port and brackets; None if malformed."""
    match = _HOST.fullmatch(value.decode("latin-1"))
    return match["name"].strip("[]").rstrip(".").lower() if match else None


def _is_own(name: str, exposure: Exposure) -> bool:
    """Tell whether ``name`` is ours. An IP address always is: rebinding needs a name that it can re-point."""
    return name == "localhost" or name in exposure.hosts or name == exposure.host.lower() or _is_address(name)


@lru_cache(256)
def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@lru_cache(256)
def _is_loopback(address: str) -> bool:
    if not _is_address(address):
        return False
    value = ip_address(address)
    return value.is_loopback or bool(value.version == 6 and value.ipv4_mapped and value.ipv4_mapped.is_loopback)  # noqa: PLR2004


def _own_origin(scope: Scope, host: bytes) -> bytes:
    return (b"https://" if scope["scheme"] in {"https", "wss"} else b"http://") + host


def origin_of(scope: Scope) -> str:
    """Return the origin of the page that is served where a request came: the gate has checked that it is ours."""
    host = next(value for key, value in scope["headers"] if key == b"host")
    return _own_origin(scope, host).decode("latin-1")


class Gate:
    """ASGI middleware: nothing passes that ``judge`` refuses, nor a path that is not UTF-8."""

    def __init__(self, app: Any, exposure: Exposure) -> None:
        self._app = app
        self._exposure = exposure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or refuse it."""
        refusal = judge(scope, self._exposure) or _judge_path(scope)
        if refusal is not None:
            await _refuse(scope, send, refusal)
            return
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:  # only the server cancels, when it stops; this task ends here
            if scope["type"] == "http":
                with suppress(RuntimeError):  # uvicorn's word for: the answer has begun
                    await send_error(send, Stopping("this node stops before it could answer"))


async def _refuse(scope: Scope, send: Send, refusal: UsageError) -> None:
    if scope["type"] == "http":
        await send_whole(send, refusal.http_status, problem_bytes(refusal))
    else:
        await refuse_websocket(scope, send, refusal)


def _judge_path(scope: Scope) -> UsageError | None:
    raw = scope.get("raw_path") or b""
    if b"%" in raw:
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            return MalformedRequest("the path is not URL-encoded UTF-8")
    return None


async def refuse_websocket(scope: Scope, send: Send, refusal: FoedusError) -> None:
    """Answer a WebSocket handshake with a plain HTTP error."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
        return
    body = problem_bytes(refusal)
    start: Any = {
        "type": "websocket.http.response.start",
        "status": refusal.http_status,
        "headers": [(b"content-type", JSON), (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    end: Any = {"type": "websocket.http.response.body", "body": body}
    await send(end)
