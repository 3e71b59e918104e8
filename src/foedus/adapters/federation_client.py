"""The HTTP doors of another node, from outside: signed requests, verified answers, bounded bodies, timeouts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from foedus.adapters.unreached import why
from foedus.adapters.websocket_client import Unreachable, normalise
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import ENVELOPE_MAX, HTTP_BODY_MAX, NONCE_BYTES
from foedus.identity.manifest import MANIFEST_JSON_MAX
from foedus.sync.http_signature import BadHttpSignature, KeyOf, Signer, Target, sign_request, verify_response

MANIFEST_PATH = "/.well-known/mesh-manifest.json"
ANSWER_MAX = HTTP_BODY_MAX
_TIMEOUT_S = 30.0
"""For a whole request: 4 MiB at 1.2 Mbit/s."""
_STREAM_SILENCE_S = 45.0
"""A stream says something every 10 s; three times nothing and one more, and it is dead."""
_LINE_MAX = ENVELOPE_MAX * 4 // 3 + 1_024
"""Bytes of a line of a stream: an envelope in base64url."""
_PROBLEM_TEXT_MAX = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Door(NamedTuple):
    """A node and the base URL of its doors."""

    url: str
    node: bytes


class Query(NamedTuple):
    """What is asked. ``path`` is absolute; ``parameters`` become the query."""

    method: str
    path: str
    parameters: Mapping[str, str] = {}
    body: bytes = b""
    media_type: str = ""


class Answer(NamedTuple):
    """An answer, verified to be the node's. ``headers`` have lowercase names and are not signed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Message(NamedTuple):
    """One event of a stream; ``data`` '' where only the cursor has moved."""

    cursor: str
    data: str


class Refused(PeerViolation):
    """The other node answered, and said no. ``code`` and ``http_status`` are its own."""

    code = "refused"
    remedy = "see what the other node says; it may have disconnected, or be older"


class FederationClient:
    """Calls the doors of other nodes. ``key_of`` answers for the epochs in force of the node that is asked."""

    def __init__(
        self,
        signer: Callable[[], Signer],
        key_of: Callable[[bytes], KeyOf],
        now: Callable[[], Instant],
    ) -> None:
        self._signer = signer
        self._key_of = key_of
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def call(self, door: Door, query: Query, key_of: KeyOf | None = None) -> Answer:
        """Ask, and return the verified answer.

        Raises Unreachable, Refused (also what was not signed: its words are then nobody's) or BadHttpSignature.
        """
        uri, headers = self._request(door, query)
        async with self._sent(query.method, uri, headers, query.body) as response:
            body = await _bounded(response, ANSWER_MAX)
            answer = Answer(response.status, _headers(response), body)
        if answer.status >= 400 and "signature" not in answer.headers:  # noqa: PLR2004  # HTTP
            raise _refusal(answer)  # a node that does not know our epoch cannot tell for whom to sign
        verify_response(
            (answer.status, answer.headers, body), headers["Signature"], key_of or self._key_of(door.node), self._now()
        )
        if answer.status >= 400:  # noqa: PLR2004  # HTTP
            raise _refusal(answer)
        return answer

    async def manifest(self, url: str) -> bytes:
        """Return the public manifest at a base URL, as it came: it proves itself. Raises Unreachable or Refused."""
        return await self.public(url, MANIFEST_PATH, MANIFEST_JSON_MAX)

    async def public(self, url: str, path: str, limit: int) -> bytes:
        """Return what anyone may read at ``path`` of a base URL, at most ``limit`` bytes; it must prove itself.

        Raises Unreachable, Refused or PeerViolation.
        """
        async with self._sent("GET", _base(url) + path, {}, b"") as response:
            body = await _bounded(response, limit)
            if response.status != 200:  # noqa: PLR2004  # HTTP
                raise _refusal(Answer(response.status, {}, body))
            return body

    async def stream(self, door: Door, query: Query) -> AsyncIterator[Message]:
        """Yield the events of a stream until it ends. Raises Unreachable, or Refused where it does not begin."""
        uri, headers = self._request(door, query)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_STREAM_SILENCE_S)
        async with self._sent(query.method, uri, headers, b"", timeout) as response:
            if response.status != 200 or response.content_type != "text/event-stream":  # noqa: PLR2004  # HTTP
                raise _refusal(Answer(response.status, {}, await _bounded(response, MANIFEST_JSON_MAX)))
            try:
                async for message in _messages(response.content):
                    yield message
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                raise Unreachable(f"the stream of {door.url} broke: {why(error)}") from None

    def _request(self, door: Door, query: Query) -> tuple[str, dict[str, str]]:
        """Return the URI and the headers of a signed request."""
        uri = _base(door.url) + query.path + (f"?{urlencode(query.parameters)}" if query.parameters else "")
        target = Target(query.method, uri, door.node)
        headers = sign_request(target, query.body, self._signer(), secrets.token_bytes(NONCE_BYTES), self._now())
        return uri, headers | ({"Content-Type": query.media_type} if query.media_type else {})

    @contextlib.asynccontextmanager
    async def _sent(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109  # aiohttp's own, which also bounds a silence
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False, read_bufsize=_LINE_MAX)
        try:
            async with self._session.request(
                method,
                URL(uri, encoded=True),
                data=body or None,
                headers={**headers, "Accept-Encoding": "identity"},
                timeout=timeout or aiohttp.ClientTimeout(total=_TIMEOUT_S),
                allow_redirects=False,
                skip_auto_headers=["Content-Type"],
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{method} {uri[:200]}: {why(error)}") from None

    async def close(self) -> None:
        """Close the HTTP session."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)


def is_private(url: str) -> bool:
    """Tell whether nobody can listen on the way to a URL: TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}


def _base(url: str) -> str:
    """Return the base URL as the Host header shows it: without the scheme's own port."""
    text = normalise(url)
    parts = urlsplit(text)
    return text.removesuffix(f":{parts.port}") if parts.port == _DEFAULT_PORTS[parts.scheme] else text


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body; raise PeerViolation once it is larger than ``limit``."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise PeerViolation(f"the answer has more than {limit} bytes", code="too_large")
        parts.append(part)
    return b"".join(parts)


async def _messages(content: aiohttp.StreamReader) -> AsyncIterator[Message]:
    """Parse server-sent events: ``id`` and ``data`` lines, one of each (WHATWG HTML §9.2.6)."""
    cursor, data = "", ""
    while line := await content.readline():
        text = line.decode().rstrip("\r\n")
        name, _, value = text.partition(": ")
        if name == "id":
            cursor = value
        elif name == "data":
            data = value
        elif not text:
            yield Message(cursor, data)
            data = ""


def _refusal(answer: Answer) -> Refused:
    try:
        shown = json.loads(answer.body)
        code, message = str(shown["code"])[:64], str(shown["message"])[:_PROBLEM_TEXT_MAX]
    except (ValueError, KeyError, TypeError, RecursionError):
        code, message = "refused", f"the other node answered with status {answer.status}"
    return Refused(message, code=code, http_status=answer.status)


__all__ = [
    "Answer",
    "BadHttpSignature",
    "Door",
    "FederationClient",
    "Message",
    "Query",
    "Refused",
    "is_private",
]
