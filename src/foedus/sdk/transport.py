"""Requests to one node: its token, the device's proof, time limits, bounded answers, and streams that resume."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.sdk.device import Device
from foedus.sdk.errors import BadAnswer, NoAnswer, StreamLost, error_of
from foedus.sdk.sse import Message, Parser

T = TypeVar("T")

TIMEOUT_S = 60.0
"""The slowest short answer is a probe of a far node: a handshake has 10 s, the connection before it as long."""
QUIET_S = 60.0
"""A stream says something every 15 s at most; one that is silent for longer is dead."""
ANSWER_MAX = 64 << 20
"""Bytes of one answer: the largest is a page of a thousand whole events."""
_FIRST_DELAY_S = 0.25
_LAST_DELAY_S = 10.0
"""Between attempts to open a stream again: a node that restarts is back in a second, one that is away costs little."""
_CLOSE_CODES = 4_000
_FULL = "free some space on the disk of the node's home folder; the node goes on by itself"
"""A socket tells why it closes by a code alone; this one has more to be done about it than to open it again."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Request(NamedTuple):
    """What is asked. ``target``: path and query as sent; ``body``: what JSON shows, None for none."""

    method: str
    target: str
    body: Any = None
    timeout_s: float = TIMEOUT_S


class Chunks(Protocol):
    """The body of an answer, as it comes."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Yield its bytes."""
        ...


class Answer(Protocol):
    """An answer whose head is here: what aiohttp has, and what another way to a node needs to have."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def content(self) -> Chunks:
        """The body."""
        ...

    def close(self) -> None:
        """Read no more of it."""
        ...


class Socket(Protocol):
    """A WebSocket of binary messages."""

    async def send(self, data: bytes) -> None:
        """Send one message; raise StreamLost."""
        ...

    async def receive(self) -> bytes:
        """Return the next message; raise StreamLost once the node has closed it, with its reason as code."""
        ...


class Transport:
    """The way to one node. Its connections open with the first request, in the loop that makes it."""

    def __init__(self, url: str, token: str, device: Device | None, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(
                f"{url!r} is no address of a node", code="bad_url", remedy="such as https://node.example:8102"
            )
        self._url = url.rstrip("/")
        self._tls = (tls or _tls(parts.hostname)) if parts.scheme == "https" else True
        self._token = token
        self._device = device
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request, shape: type[T]) -> T:
        """Return the answer as ``shape``; raise the node's error, NoAnswer or BadAnswer."""
        data = await self._exchange(request)
        if shape is type(None):
            return None
        if shape is str:
            return data.decode("utf-8", "replace")  # type: ignore[return-value]  # T is str here
        return decode(data, shape)

    async def follow(
        self, target: str, after: str | None, opened: Callable[[], None] | None = None
    ) -> AsyncIterator[Message]:
        """Yield the messages of a stream, from the cursor ``after`` on (None: from now on), and go on when it breaks.

        Raises what the first attempt to open it raises, and later what says that it will never open again (UsageError:
        a void token, a cursor of another log). ``opened`` is called whenever it opened: nothing is missed from then on.
        """
        cursor, failures, has_opened = after, 0, False
        while True:
            try:
                async for message in self.stream(Request("GET", target), cursor, opened):
                    has_opened, failures = True, 0
                    cursor = message.cursor or cursor
                    if message.data and not message.name:
                        yield message
                has_opened = True  # it ended in order
            except (Unavailable, UsageError) as error:
                has_opened = has_opened or isinstance(error, StreamLost)
                if not has_opened or _is_final(error):
                    raise
            failures += 1
            await asyncio.sleep(_delay_s(failures))

    async def stream(
        self, request: Request, after: str | None = None, opened: Callable[[], None] | None = None
    ) -> AsyncIterator[Message]:
        """Yield the messages of a stream until it ends; raise StreamLost where it breaks, or the problem it tells."""
        headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": after})
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=max(QUIET_S, request.timeout_s))
        parser = Parser()
        async with self._open(request, headers, timeout) as response:
            if opened is not None:
                opened()
            try:
                async for chunk in response.content.iter_any():
                    for message in parser.feed(chunk):
                        if message.name == "problem":
                            raise error_of(HTTPStatus.SERVICE_UNAVAILABLE, message.data)
                        yield message
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StreamLost(f"the stream broke ({type(error).__name__})") from None

    @asynccontextmanager
    async def socket(self, target: str) -> AsyncIterator[Socket]:
        """Open a WebSocket at a path, whose query says who comes, for the time of a block; raise the node's error."""
        try:
            async with self._connections().ws_connect(
                URL(self._url + target, encoded=True), ssl=self._tls, max_msg_size=ANSWER_MAX
            ) as opened:
                yield _WebSocket(opened)
        except aiohttp.WSServerHandshakeError as error:
            raise StreamLost("the node refused the socket", http_status=error.status) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(error) from None

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(self, request: Request) -> bytes:
        timeout = aiohttp.ClientTimeout(total=request.timeout_s)
        async with self._open(request, {"Accept": "application/json, text/plain"}, timeout) as response:
            try:
                return await _read(response)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _no_answer(error) from None

    @asynccontextmanager
    async def _open(
        self, request: Request, headers: dict[str, str], limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[Answer]:
        data = b"" if request.body is None else msgspec.json.encode(request.body)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        headers |= self._who(request, data)
        try:
            response = await self.send(request, data, headers, limits)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(error) from None
        try:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise error_of(response.status, await _read(response))
            yield response
        finally:
            response.close()

    async def send(
        self, request: Request, data: bytes, headers: dict[str, str], limits: aiohttp.ClientTimeout
    ) -> Answer:
        """Send one request, and return when the head of its answer is here. Who goes another way replaces this."""
        return await self._connections().request(
            request.method,
            URL(self._url + request.target, encoded=True),
            data=data or None,
            headers=headers,
            timeout=limits,
            ssl=self._tls,
            allow_redirects=False,  # the token is for this node alone
        )

    def _who(self, request: Request, data: bytes) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if self._device is not None and self._token:
            headers |= self._device.proof(request.method, request.target, data, self._token)
        return headers

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


class _WebSocket:
    """A socket of aiohttp."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self._opened = opened

    async def send(self, data: bytes) -> None:
        try:
            await self._opened.send_bytes(data)
        except (aiohttp.ClientError, OSError) as error:
            raise StreamLost(f"the socket broke ({type(error).__name__})") from None

    async def receive(self) -> bytes:
        message = await self._opened.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise socket_closed(self._opened.close_code or 0, message.extra if isinstance(message.extra, str) else "")
        data: bytes = message.data
        return data


def socket_closed(code: int, reason: str) -> StreamLost:
    """Return the error for a socket that the node closed. Its codes from 4400 on are 4000 and an HTTP status."""
    status = code - _CLOSE_CODES if _CLOSE_CODES + HTTPStatus.BAD_REQUEST <= code < _CLOSE_CODES + 600 else 503
    remedy = _FULL if reason == "disk_full" else "open it again; what it did not acknowledge was not written"
    said = f"the node closed the socket: {reason or code}"
    return StreamLost(said, code=reason or "stream_lost", http_status=status, remedy=remedy)


def decode(data: bytes, shape: type[T]) -> T:
    """Return JSON as ``shape``; raise BadAnswer."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(f"the node's answer is not understood: {error}") from None


def fill(path: str, values: Mapping[str, str]) -> str:
    """Return a path with its parameters, quoted."""
    return path.format_map({name: quote(value, safe="") for name, value in values.items()})


def query_text(query: Mapping[str, str | int | None]) -> str:
    """Return a query with what is given ('' and None are not), or ''."""
    given = {name: value for name, value in query.items() if value is not None and value != ""}
    return f"?{urlencode(given)}" if given else ""


async def _read(response: Answer) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > ANSWER_MAX:
            raise BadAnswer(f"the answer has over {ANSWER_MAX} bytes", remedy="ask for fewer items at once")
    return b"".join(parts)


def _no_answer(error: Exception) -> Unavailable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        remedy = "give the client an ssl.SSLContext that trusts who signed the node's certificate"
        return Unavailable("the node's certificate is not trusted", code="tls", remedy=remedy)
    what = "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
    return NoAnswer(f"the node did not answer ({what})")


def _is_final(error: FoedusError) -> bool:
    """Whether a stream that was open never opens again: not where the world failed, or too much was asked at once."""
    return isinstance(error, UsageError) and error.http_status != HTTPStatus.TOO_MANY_REQUESTS


def _delay_s(failures: int) -> float:
    """Return how long to wait, at most doubled each time; at random, so that many clients do not come at once."""
    return min(_LAST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311


def _tls(host: str) -> ssl.SSLContext:
    """Return how to check the node's certificate: at a loopback address not, the way never leaves this machine."""
    context = ssl.create_default_context()
    if host in _LOOPBACK:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
