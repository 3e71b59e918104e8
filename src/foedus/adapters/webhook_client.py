"""One POST to an agent's webhook: only to addresses that are allowed, no redirects, everything bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from foedus.base.errors import Unavailable
from foedus.query.limits import JSON_BYTES_MAX
from foedus.trust.webhooks import is_address

ANSWER_MAX = 4 * JSON_BYTES_MAX
"""Bytes of an answer: the largest output, however it is escaped and indented."""
_HEAD_MAX = 8_190
"""Of the lines of an answer's head: aiohttp's own default, said here since a stranger may write them."""
_CONNECT_S = 10.0


class NotReached(Unavailable):
    """Nothing of the call was sent: nobody listens, or the address is not allowed."""

    code = "webhook_unreachable"


class Lost(Unavailable):
    """The call was sent, or a part of it, and there was no answer: it may have been done."""

    code = "webhook_no_answer"


class Post(NamedTuple):
    """What is sent. ``is_allowed`` judges each address; ``last_word`` is awaited before the body's first byte.

    Where ``last_word`` says no, nothing is sent.
    """

    url: str
    host: str
    headers: Mapping[str, str]
    body: bytes
    is_allowed: Callable[[str], bool]
    last_word: Callable[[], Awaitable[bool]]
    timeout_s: float


class Answer(NamedTuple):
    """What came back. ``retry_after_s``: as the receiver asks, None where it does not."""

    status: int
    body: bytes
    retry_after_s: float | None


async def deliver(post: Post) -> Answer:
    """Send, and return the answer; raise NotReached or Lost. No cookie, proxy, redirect or kept connection is used."""
    if not _is_possible(post):
        raise NotReached("that address is not allowed", code="webhook_forbidden")
    sent = _Sent(post)
    timeout = aiohttp.ClientTimeout(total=post.timeout_s, sock_connect=_CONNECT_S)
    connector = aiohttp.TCPConnector(resolver=_Resolver(post.is_allowed), force_close=True, use_dns_cache=False)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_HEAD_MAX,
                max_field_size=_HEAD_MAX,
            ) as session,
            session.post(
                URL(post.url, encoded=True),
                data=sent.parts(),
                headers={**post.headers, "Content-Length": str(len(post.body)), "Accept-Encoding": "identity"},
                timeout=timeout,
                allow_redirects=False,
            ) as response,
        ):
            return Answer(response.status, await _bounded(response), _retry_after(response))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        why = type(error).__name__  # its text may hold the URL, which may hold a secret
        raise (Lost(why) if sent.has_begun else NotReached(why)) from None


class _Sent:
    """Gives the body out once ``last_word`` has said so: by then a connection is open."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self.has_begun = False

    async def parts(self) -> AsyncIterator[bytes]:
        if not await self._post.last_word():
            raise ConnectionAbortedError("the call is not to be sent any more")
        self.has_begun = True
        yield self._post.body


class _Resolver(AbstractResolver):
    """Resolves a name, and keeps the addresses that are allowed: what it stood for a minute ago does not count."""

    def __init__(self, is_allowed: Callable[[str], bool]) -> None:
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
            if self._is_allowed(str(address[0]))
        ]
        if not results:
            raise OSError("no address of that name is allowed")
        return results

    async def close(self) -> None:
        """Hold nothing."""


def _is_possible(post: Post) -> bool:
    """Whether a host that is an address itself is allowed: for what aiohttp takes for one it resolves no name."""
    return post.is_allowed(post.host) if is_address(post.host) else True


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None  # noqa: PLR2004  # 11 days


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; raise ValueError once it is larger than any answer is."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > ANSWER_MAX:
            raise ValueError("too large")
    return bytes(found)
