"""Connections that keep deadlines: uvicorn waits for ever for a head that never ends and a reader that never reads."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.surfaces.http.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_NET_MAX,
    HEAD_BYTES_MAX,
    HEAD_TIMEOUT_S,
    NO_ROOM_RETRY_S,
    PROGRESS_BYTES,
    PROGRESS_S,
)
from foedus.surfaces.http.problems import MalformedRequest, problem_bytes
from foedus.surfaces.http.wire import BODY_IS_HERE
from foedus.sync.strangers import LOOPBACK, network_of

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable

    from websockets.http11 import Request

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class HeadTooLarge(UsageError):
    """The request line and headers are longer than any request needs."""

    code = "head_too_large"
    http_status = 431
    remedy = "send fewer or shorter headers"


class HeadTooSlow(UsageError):
    """The head did not arrive in time."""

    code = "too_slow"
    http_status = 408
    remedy = "try again on a better connection"


class NoRoom(Unavailable):
    """As many strangers shake hands with this node as it listens to at one time."""

    code = "busy"
    remedy = f"try again in {NO_ROOM_RETRY_S} s"


class SlowReaderWatch:
    """Cuts off a client that takes an answer slower than PROGRESS_BYTES in PROGRESS_S while our buffers are full.

    What the kernel holds counts as not taken: it may hold megabytes, and lets us write again only when a third is free.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._waiting = 0
        self._timer: TimerHandle | None = None

    @property
    def is_watching(self) -> bool:
        """Whether the client is behind."""
        return self._timer is not None

    def begin(self) -> None:
        """Watch: the transport's buffer has filled."""
        self.end()
        self._waiting = self._untaken()
        self._timer = self._loop.call_later(PROGRESS_S, self._look)

    def end(self) -> None:
        """Watch no more: it has drained, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        left = self._untaken()
        if self._waiting - left < PROGRESS_BYTES:
            self._timer = None
            self._transport.abort()
            return
        self._waiting = left
        self._timer = self._loop.call_later(PROGRESS_S, self._look)

    def _untaken(self) -> int:
        """Return the bytes that the client has not acknowledged (TLS: near enough); without Linux, those not sent."""
        queued = self._transport.get_write_buffer_size()
        try:
            answer = ioctl(self._transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
        except OSError:
            return queued
        return queued + int.from_bytes(answer, sys.byteorder)


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection with a deadline and a bound for each head, and one for a reader that stands still.

    ``has_room`` tells of an address whether a link may be opened from it now.
    """

    _head_timer: TimerHandle | None = None
    _is_head_due = True
    """Whether a head is awaited, and has to end in time. One that comes in one piece never needs the timer."""
    _head_bytes = 0
    _in_body = False
    _slow: SlowReaderWatch | None = None

    def __init__(self, has_room: Callable[[str], bool], *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._has_room = has_room

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; close at once where there are too many connections."""
        super().connection_made(transport)
        self._slow = SlowReaderWatch(self.loop, transport)
        if len(self.connections) > CONNECTIONS_MAX or self._is_crowded():
            transport.abort()
            return
        self._expect_head()

    def _is_crowded(self) -> bool:
        network = network_of(self.client[0]) if self.client else LOOPBACK
        if network == LOOPBACK:
            return False
        ours = (each for each in self.connections if isinstance(each, HttpConnection | WebSocketConnection))
        return sum(network_of(each.client[0]) == network for each in ours if each.client) > CONNECTIONS_PER_NET_MAX

    def data_received(self, data: bytes) -> None:
        """Feed the parser; count what belongs to an unfinished head."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._is_head_due = True
        super().data_received(data)
        if not self._is_head_due:
            return
        self._expect_head()
        if self._in_body:
            return  # what is left of a body that was answered early is read and dropped, so that the answer arrives
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadTooLarge(f"the head has more than {HEAD_BYTES_MAX} bytes"))

    def on_message_begin(self) -> None:
        """Note that a request begins: its head must end in time."""
        super().on_message_begin()
        self._is_head_due = True

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._cancel_timers()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._cancel_timers()
        self._in_body = False
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]  # ASGI lets servers add keys
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP, in the form of every other error."""
        self._refuse(MalformedRequest(msg))

    def pause_writing(self) -> None:
        """Note that the client is behind."""
        super().pause_writing()
        if self._slow is not None:
            self._slow.begin()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        if self._slow is not None:
            self._slow.end()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol, which has deadlines of its own.

        Every WebSocket here is a link. One for which there is no room is refused before the upgrade, which costs much
        more.
        """
        self._cancel_timers()
        if not self._has_room(self.client[0] if self.client else ""):
            self._refuse(NoRoom("there are too many strangers at once"))
            return
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._cancel_timers()
        super().connection_lost(exc)
        if self._slow is not None:
            self._slow.end()

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._head_bytes:
            self._refuse(HeadTooSlow(f"the head did not arrive within {HEAD_TIMEOUT_S:.0f} seconds"))
        else:
            self.transport.close()

    def _cancel_timers(self) -> None:
        self._is_head_due = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: FoedusError) -> None:
        """Answer below ASGI, since there is no request yet, and close."""
        self._cancel_timers()
        if self.transport.is_closing():
            return
        body = problem_bytes(error)
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%b\r\n"
        retry = b"retry-after: %d\r\n" % NO_ROOM_RETRY_S if isinstance(error, NoRoom) else b""
        self._join_packets()
        self.transport.write(head % (error.http_status, _REASONS[error.http_status], len(body), retry) + body)
        self.transport.close()

    def _join_packets(self) -> None:
        """Let what is written leave with the end of the connection: of a crowd each takes one packet instead of two."""
        connection = self.transport.get_extra_info("socket")
        if sys.platform == "linux" and connection is not None:
            with suppress(OSError):  # it is gone
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)


DIRECT = "foedus.direct"
"""The ASGI extension of a WebSocket's scope that holds ``try_send`` and ``take_up_to`` of ``WebSocketConnection``."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket whose reader must not stand still, and whose broken handshakes end quietly."""

    _slow: SlowReaderWatch | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._slow = SlowReaderWatch(self.loop, transport)

    def pause_writing(self) -> None:
        """Note that the client is behind."""
        super().pause_writing()
        if self._slow is not None:
            self._slow.begin()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        if self._slow is not None:
            self._slow.end()

    def handle_connect(self, event: Request) -> None:
        """Offer ``try_send`` to the application."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][DIRECT] = {"try_send": self.try_send, "take_up_to": self.take_up_to}

    def take_up_to(self, size: int) -> None:
        """Let messages have so many bytes, from the second on: the parser waits for the first already."""
        self.conn.max_message_size = size

    def try_send(self, make: Callable[[], bytes]) -> bool:
        """Send a binary message now, past the tasks of ASGI; False where the client is behind or it is not open."""
        if not (self.handshake_complete and self.writable.is_set()) or self.close_sent or self.disconnected:
            return False
        if self.conn.state is not State.OPEN:
            return False
        self.conn.send_binary(make())
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        if self._slow is not None:
            self._slow.end()
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answer, unless the client does not read: pongs would fill our memory while it goes on asking."""
        if self._slow is None or not self._slow.is_watching:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def shutdown(self) -> None:
        """Close as the server stops; a socket that is closing already has nothing more to say."""
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.close_sent = True
        super().shutdown()

    def handle_parser_exception(self) -> None:
        """Close; a handshake that broke has no close code to read."""
        if self.conn.close_sent is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
            self.close_sent = True
            self.transport.close()
        else:
            super().handle_parser_exception()
