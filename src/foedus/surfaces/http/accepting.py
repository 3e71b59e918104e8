"""The listening socket, read a little at a time.

asyncio and uvloop accept all that wait at once, and read all of them at once: a crowd of 500 then holds the loop for
a quarter of a second. What waits in the kernel costs nobody anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext

from foedus.surfaces.http.limits import ACCEPTS_PAUSE_S, ACCEPTS_WITHOUT_PLACE_S

_log = logging.getLogger(__name__)


class Accepting:
    """Takes connections from ``listener`` and gives each to a protocol that ``make`` returns."""

    def __init__(self, listener: socket.socket, make: Callable[[], asyncio.Protocol], tls: SSLContext | None) -> None:
        self._listener = listener
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._greeting: set[asyncio.Task[None]] = set()
        self._watch()

    def close(self) -> None:
        """Accept no more, and forget connections that are not made yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener)
        for task in self._greeting:
            task.cancel()

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener, self._begin)

    def _begin(self) -> None:
        """Accept the first after a while; whether others wait, the next turn sees by trying."""
        self._loop.remove_reader(self._listener)
        self._accept()

    def _rest(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            self._watch()
            return
        except OSError as error:  # no file descriptor or no memory is left: others have to go first
            _log.warning("no connection can be accepted: %s", error)
            self._rest(ACCEPTS_WITHOUT_PLACE_S)
            return
        connection.setblocking(False)  # noqa: FBT003  # the standard library takes it so
        task = self._loop.create_task(self._greet(connection))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)
        self._rest(ACCEPTS_PAUSE_S)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):  # it left, or its TLS is none: nobody is there to be told
                await self._loop.connect_accepted_socket(self._make, connection, ssl=self._tls)
        except asyncio.CancelledError:
            connection.close()
            raise
