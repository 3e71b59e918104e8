"""What the HTTP surface needs of the node besides ``NodeService``: the doors of other nodes.

The surface transports bytes and decides nothing; who is behind a request or a stream, the node finds out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from msgspec import Struct, field


class ByteStream(Protocol):
    """A connected, ordered, message-preserving stream of bytes (one WebSocket)."""

    async def send(self, data: bytes) -> None:
        """Send one message; wait while the other side does not read. Raises ConnectionResetError once closed."""
        ...

    def try_send(self, make: Callable[[], bytes]) -> bool:
        """Send the message that ``make`` returns at once, where that needs no waiting; return whether it was sent.

        Where it was not ``make`` is not called. Raises ConnectionResetError once closed.
        """
        ...

    async def receive(self) -> bytes | None:
        """Return the next message; None once the stream is closed, by whichever side, and ever after."""
        ...

    async def close(self, code: int = 1000) -> None:
        """Close with a WebSocket close code; closing twice does nothing."""
        ...


class LinkDoor(Protocol):
    """Where streams that other nodes opened go."""

    def has_room(self, address: str) -> bool:
        """Whether a link may be opened from the IP ``address`` now; where not, it is counted as refused.

        Asked before a socket is upgraded, which costs more than to turn somebody away.
        """
        ...

    async def accept(self, stream: ByteStream, address: str) -> None:
        """Run the link on ``stream``, dialled from the IP ``address``; return when it is over.

        A ConnectionResetError out of ``stream.send`` may be let through.
        """
        ...


class FederationRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request at a federation door, as it came."""

    method: str
    path: str
    """Decoded and normalised, from /api/federation/ or /.well-known/ on: for routing."""
    target_uri: str
    """The whole URI as the client sees it, undecoded: what RFC 9421 signs as @target-uri."""
    query: dict[str, str]
    headers: dict[str, str]
    """Lowercase names; values of repeated headers joined by ', ' (RFC 9110 §5.2)."""
    body: bytes
    address: str
    """The client's IP address."""
    secure: bool
    """It came over TLS or loopback, so events that are not public may leave in the answer."""
    stopping: Callable[[], Awaitable[object]]
    """Returns when the server stops: a request that is held open is answered then."""


class FederationResponse(Struct, frozen=True, kw_only=True):
    """What a federation door answers: ``stream`` where it is not None, else ``body``."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None


class FederationDoors(Protocol):
    """The doors for other nodes over plain HTTP (/api/federation/…, the manifest)."""

    async def handle(self, request: FederationRequest) -> FederationResponse:
        """Answer a request. A FoedusError is answered as JSON with its code, status and remedy."""
        ...
