"""A crowd of strangers at a node's link door, as a process of its own: `python -m bench.strangers URL`.

All come at once, each sends a true first message and waits for whatever comes. Who is turned away comes again with
all the others when the next second begins, so that there are STRANGERS handshakes a second for as long as it runs.
It begins when a line comes on standard input. It is made of bare sockets: on few cores what it costs itself is
what everybody else lacks.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from urllib.parse import urlsplit

from bench.nodes import run
from bench.world import ForeignNode
from foedus.node.handshakes import CAPABILITIES
from foedus.sync.effects import Send
from foedus.sync.handshake import Initiator, Local

STRANGERS = 500
WAVE_S = 1.0
_CLOSE = b"\x88"
"""How a WebSocket's last frame begins."""


def _first_message() -> bytes:
    """Return an M1; all strangers may send the same, since the node cannot know."""
    node = ForeignNode()
    initiator = Initiator(
        local=Local(node.keys, [node.record], CAPABILITIES), expected=None, ephemeral_seed=secrets.token_bytes(32),
        random=secrets.token_bytes(32), known=lambda _: False, now=time.time_ns() // 1_000,
    )  # fmt: skip
    return b"".join(effect.message for effect in initiator.start() if isinstance(effect, Send))


def _upgrade(url: str) -> bytes:
    lines = [
        "GET /api/federation/link HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _binary_frame(message: bytes) -> bytes:
    """Return one WebSocket message of 126 to 65,535 bytes as a client sends it, masked with nothing."""
    return b"\x82\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message


class _Stranger(asyncio.Protocol):
    """One socket: asks for the upgrade, and says its first message once that is granted."""

    def __init__(self, upgrade: bytes, first: bytes) -> None:
        self._upgrade = upgrade
        self._first = first
        self.is_here = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        if self._first and data.startswith(b"HTTP/1.1 101"):
            self._transport.write(self._first)
            self._first = b""
            data = data.partition(b"\r\n\r\n")[2]
        if data.startswith((_CLOSE, b"HTTP/1.1")):
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.is_here = False


async def crowd(url: str) -> None:
    """Let STRANGERS stand there, for ever."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    upgrade, first = _upgrade(url), _binary_frame(_first_message())
    here: list[_Stranger] = []

    async def come() -> None:
        _, stranger = await loop.create_connection(lambda: _Stranger(upgrade, first), parts.hostname, parts.port)
        here.append(stranger)

    while True:
        begun = loop.time()
        here[:] = [each for each in here if each.is_here]
        await asyncio.gather(*(come() for _ in range(STRANGERS - len(here))), return_exceptions=True)
        await asyncio.sleep(max(0.0, begun + WAVE_S - loop.time()))


if __name__ == "__main__":
    print(urlsplit(sys.argv[1]).netloc, flush=True)
    sys.stdin.readline()
    run(crowd(sys.argv[1]))
