"""The doors of other nodes: requests, streams and link sockets are carried to the node, and no more."""

from __future__ import annotations

from collections.abc import Callable

from foedus.node.ports import FederationDoors, FederationRequest, FederationResponse, LinkDoor
from foedus.surfaces.http.connection import DIRECT
from foedus.surfaces.http.exposure import LINK_PATH, Exposure, address_of, is_secure, refuse_websocket
from foedus.surfaces.http.problems import error_of, no_such_path
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import (
    Receive,
    Scope,
    Send,
    header,
    headers_of,
    query_of,
    read_body,
    send_error,
    send_head,
    send_whole,
)

_NORMAL, _UNSUPPORTED, _FAILED = 1000, 1003, 1011


class FederationApp:
    """The ASGI application under /api/federation and of the manifest."""

    def __init__(self, doors: FederationDoors, links: LinkDoor, exposure: Exposure, streams: Streams) -> None:
        self._doors = doors
        self._links = links
        self._exposure = exposure
        self._streams = streams

    async def serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry one request or one socket at the normalised ``path``."""
        if scope["type"] == "websocket":
            await self._link(path, scope, receive, send)
            return
        try:
            request = await self._request(path, scope, receive)
            response = await self._doors.handle(request)
            await self._answer(response, receive, send)
        except Exception as error:  # noqa: BLE001  # the last net: error_of logs what nobody expected
            await send_error(send, error)

    async def _request(self, path: str, scope: Scope, receive: Receive) -> FederationRequest:
        return FederationRequest(
            method=scope["method"],
            path=path,
            target_uri=target_uri(scope),
            query=query_of(scope),
            headers=headers_of(scope),
            body=await read_body(scope, receive),
            address=address_of(scope),
            secure=is_secure(scope, self._exposure),
            stopping=self._streams.closed,
        )

    async def _answer(self, response: FederationResponse, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        media_type = headers.pop("content-type", "application/json").encode()
        if response.stream is None:
            headers.pop("content-length", None)
            await send_whole(send, response.status, response.body, media_type, headers)
            return
        with self._streams.counted():
            fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            await send_head(send, response.status, media_type, fields)
            await self._streams.pour(response.stream, receive, send)

    async def _link(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if path != LINK_PATH:
            await refuse_websocket(scope, send, no_such_path())
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        direct = (scope.get("extensions") or {}).get(DIRECT, {})
        stream = WebSocketStream(receive, send, direct.get("try_send", _never))
        try:
            await self._links.accept(stream, address_of(scope))
        except ConnectionResetError:
            pass  # the other side left while we were sending: the ordinary end of a link
        except Exception as error:  # noqa: BLE001  # as in serve: one failing link ends alone
            error_of(error)
            await stream.close(_FAILED)
        finally:
            await stream.close()


class WebSocketStream:
    """A WebSocket as the ``ByteStream`` that the node knows: binary messages only."""

    def __init__(self, receive: Receive, send: Send, try_send: Callable[[Callable[[], bytes]], bool]) -> None:
        self._receive = receive
        self._send = send
        self._try_send = try_send
        self._closed = False

    async def send(self, data: bytes) -> None:
        """Send one message; raise ConnectionResetError once the stream is closed."""
        if self._closed:
            raise ConnectionResetError("the link's socket is closed")
        try:
            await self._send({"type": "websocket.send", "bytes": data, "text": None})
        except (OSError, RuntimeError):  # uvicorn's words for: gone, and: closed while this waited
            self._closed = True
            raise ConnectionResetError("the link's socket is closed") from None

    def try_send(self, make: Callable[[], bytes]) -> bool:
        """Send the message that ``make`` returns, where the server can do it at once."""
        return not self._closed and self._try_send(make)

    async def receive(self) -> bytes | None:
        """Return the next message, or None once the stream is closed."""
        if self._closed:
            return None
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._closed = True
            return None
        data = message.get("bytes")
        if data is None:
            await self.close(_UNSUPPORTED)
        return None if data is None else bytes(data)

    async def close(self, code: int = _NORMAL, reason: str = "") -> None:
        """Close the stream; an abrupt end of the other side is no error here."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            return


def _never(_make: Callable[[], bytes]) -> bool:
    """Stand for a server that offers no way past ASGI."""
    return False


def target_uri(scope: Scope) -> str:
    """Return the URI that the client asked for, as it wrote it (RFC 9421 §2.2.2)."""
    host = (header(scope, b"host") or b"").decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{scope['scheme']}://{host}{path}" + (f"?{query}" if query else "")
