"""A crowd of strangers at a node's link door, as a process of its own: `python -m bench.strangers URL`.

Each connects, sends a true first message and waits for whatever comes; when its socket closes it is done.
It begins when a line comes on standard input.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from urllib.parse import urlsplit

from bench.world import ForeignNode
from foedus.adapters.websocket_client import WebSocketDialler
from foedus.base.errors import FoedusError
from foedus.node.links import CAPABILITIES
from foedus.sync.effects import Send
from foedus.sync.handshake import Initiator, Local

STRANGERS = 500


def _first_message() -> bytes:
    """Return an M1; all strangers may send the same, since the node cannot know."""
    node = ForeignNode()
    initiator = Initiator(
        local=Local(node.keys, [node.record], CAPABILITIES), expected=None, ephemeral_seed=secrets.token_bytes(32),
        random=secrets.token_bytes(32), known=lambda _: False, now=time.time_ns() // 1_000,
    )  # fmt: skip
    return b"".join(effect.message for effect in initiator.start() if isinstance(effect, Send))


async def _stranger(dialler: WebSocketDialler, url: str, message: bytes) -> None:
    try:
        stream = await dialler.connect(url)
        await stream.send(message)
        while await stream.receive() is not None:
            pass
        await stream.close()
    except (OSError, FoedusError):
        pass  # cut off, as it should be


async def crowd(url: str) -> None:
    """Let all come at once, and wait until the last is gone."""
    dialler, message = WebSocketDialler(), _first_message()
    await asyncio.gather(*(_stranger(dialler, url, message) for _ in range(STRANGERS)))
    await dialler.close()


if __name__ == "__main__":
    print(urlsplit(sys.argv[1]).netloc, flush=True)
    sys.stdin.readline()
    asyncio.run(crowd(sys.argv[1]))
