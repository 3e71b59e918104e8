"""The server: binds first, so that a taken port is known before anything starts; stops within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from foedus.base.errors import Unavailable, UsageError
from foedus.node.waiting import happens
from foedus.surfaces.http.accepting import Accepting
from foedus.surfaces.http.connection import HttpConnection, WebSocketConnection
from foedus.surfaces.http.limits import BACKLOG, IDLE_TIMEOUT_S, STOP_TIMEOUT_S, WEBSOCKET_MESSAGE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foedus.surfaces.http.app import Application

_GRACE_S = 2.0
_LOOK_S = 0.01
"""How often it is looked whether all that was open has ended: uvicorn itself looks ten times a second."""


class CannotListen(Unavailable):
    """The address cannot be bound."""

    code = "cannot_listen"
    remedy = "choose another address with `foedus up --host --port`"


class BadCertificate(UsageError):
    """The TLS certificate or key cannot be used."""

    code = "bad_certificate"
    remedy = "give a PEM certificate chain with --tls-cert and its unencrypted private key with --tls-key"


class HttpServer:
    """Serves ``app`` at ``host`` and ``port`` (0: any free one; ``port`` tells which after ``start``)."""

    def __init__(
        self,
        app: Application,
        host: str = "127.0.0.1",
        port: int = 8102,
        tls_cert: str | Path | None = None,
        tls_key: str | Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._server = _Server(_configuration(app, tls_cert, tls_key))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and serve. Raises CannotListen (code port_in_use where that is why) or BadCertificate."""
        if self._server.config.ssl_certfile:
            _check_certificate(self._server.config)
        listener = _bind(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http server")
        started = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            await self._task
        self._app.begin()

    async def stop(self) -> None:
        """Take nothing new, end streams and sockets, let requests finish for up to 3 s, then cut them off."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._app.streams.close()
        await self._app.close()
        self._server.leave()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await task
        except TimeoutError:
            task.cancel()
        finally:
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers, told to stop by an event, and accepting connections at a measured pace."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._leaving = asyncio.Event()
        self._accepting: Accepting | None = None

    def leave(self) -> None:
        """Begin to stop."""
        self.should_exit = True
        self._leaving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command line."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept from the one socket there is."""
        config = self.config
        protocol: Any = config.http_protocol_class
        make = partial(protocol, config, self.server_state, self.lifespan.state)
        self.servers = []
        for listener in sockets or []:  # the one that HttpServer has bound
            self._accepting = Accepting(listener, make, config.ssl)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and end what is open."""
        if self._accepting is not None:
            self._accepting.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                while state.connections or state.tasks:  # noqa: ASYNC110  # uvicorn tells nobody when they end
                    await asyncio.sleep(_LOOK_S)
        for task in state.tasks:
            task.cancel()

    async def main_loop(self) -> None:
        """Set the Date header once a second until told to leave."""
        while not await self.on_tick(0):
            self.ready.set()
            await happens(self._leaving, 1.0)


def _configuration(app: Application, tls_cert: str | Path | None, tls_key: str | Path | None) -> uvicorn.Config:
    if (tls_cert is None) != (tls_key is None):
        raise BadCertificate("a certificate and its key are needed together")
    application: Any = app
    return uvicorn.Config(
        application,
        loop="none",
        http=partial(HttpConnection, app.has_room),  # type: ignore[arg-type]  # it makes protocols
        ws=WebSocketConnection,
        ws_max_size=WEBSOCKET_MESSAGE_MAX,
        ws_ping_interval=None,  # the link has a keep-alive of its own
        ws_per_message_deflate=False,  # frames are ciphertext
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",  # strangers could fill the log; what fails inside is logged by the doors
        access_log=False,
        proxy_headers=False,  # anyone can write X-Forwarded-For
        server_header=False,
        timeout_keep_alive=IDLE_TIMEOUT_S,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )


def _check_certificate(config: uvicorn.Config) -> None:
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(f"the certificate or its key cannot be used: {error}") from None


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError):
        raise CannotListen(f"{host!r} is no address of this machine") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # a second node at this port fails here, before it touches anything
    except OSError as error:
        listener.close()
        raise _not_bound(error, host, port) from None
    listener.setblocking(False)  # noqa: FBT003  # the standard library takes it so
    return listener


def _not_bound(error: OSError, host: str, port: int) -> CannotListen:
    if error.errno == errno.EADDRINUSE:
        remedy = "stop what listens there, or choose another port with `foedus up --port`"
        return CannotListen(f"port {port} at {host} is in use", code="port_in_use", remedy=remedy)
    return CannotListen(f"cannot listen at {host} port {port}: {error.strerror}")
