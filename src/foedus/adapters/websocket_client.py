"""Dialling a link: one WebSocket of binary messages, by aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from foedus.adapters.unreached import why
from foedus.base.errors import Unavailable, UsageError
from foedus.base.limits import FRAME_MAX

LINK_PATH = "/api/federation/link"
DEFAULT_PORT = 8102
_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0


class Unreachable(Unavailable):
    """Nobody answers at an address."""

    code = "unreachable"
    remedy = "check the address, and that the node there runs"


def normalise(address: str) -> str:
    """Return the base URL (``http://host:port`` or ``https://…``) of what a person typed; raise UsageError."""
    text = address.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else DEFAULT_PORT)
        host = parts.hostname or ""
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or not text.isprintable() or " " in text:
        raise UsageError(
            f"{address[:80]!r} is not the address of a node",
            code="bad_address",
            remedy="write it as http://HOST:PORT or https://HOST",
        )
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{shown}:{port}", "", "", ""))


def unchecked_tls() -> ssl.SSLContext:
    """Return TLS without certificate checks: the handshake of the link proves keys by itself, inside it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class WebSocketStream:
    """A dialled WebSocket as a stream of messages."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        """Send one message; raise ConnectionResetError once it is closed."""
        await self._socket.send_bytes(data)

    def try_send(self, make: Callable[[], bytes]) -> bool:  # noqa: ARG002  # the port's
        """Send nothing: aiohttp does not tell whether it would have to wait."""
        return False

    async def receive(self) -> bytes | None:
        """Return the next message, None at the end, also where it is not binary or too large."""
        message = await self._socket.receive()
        return message.data if message.type is aiohttp.WSMsgType.BINARY else None

    async def close(self, code: int = 1000) -> None:
        """Close, not waiting long for the other side."""
        await self._socket.close(code=code)


class WebSocketDialler:
    """Opens link sockets; one HTTP session for all of them, made on the first dial."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def connect(self, url: str) -> WebSocketStream:
        """Open a link socket to the node at a base URL; raise Unreachable."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                socket = await self._session.ws_connect(
                    normalise(url) + LINK_PATH,
                    max_msg_size=FRAME_MAX + 1,
                    compress=0,
                    autoping=True,
                    ssl=unchecked_tls() if url.startswith("https") else True,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(f"no link to {url}: {why(error)}") from None
        return WebSocketStream(socket)

    async def close(self) -> None:
        """Close the HTTP session."""
        if self._session is not None:
            await self._session.close()
