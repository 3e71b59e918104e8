"""When no link opens: events come by SSE, or by asking again and again, and ours go by POST.

One worker for each connected peer that cannot be linked. It ends as soon as a link is open: what both carried, ingest
drops as duplicates. A URL where others could listen is not used: its doors would not answer either.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal

from foedus.adapters.federation_client import is_private
from foedus.node.fallback_peer import PeerFallback
from foedus.trust.peer import State

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.fallback")

FAILED_DIALS = 3
"""So many dials in a row fail before HTTP is tried: some seconds."""
_LOOK_S = 0.5
"""How often it is asked which peers are without a link."""


class Fallback:
    """Runs the workers. ``start`` once the event loop runs; ``close`` ends them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._workers: dict[bytes, tuple[PeerFallback, asyncio.Task[None]]] = {}
        self._watching: asyncio.Task[None] | None = None

    def kind(self, peer: bytes) -> Literal["sse", "pull", "none"]:
        """Return how events of a peer come while there is no link."""
        worker = self._workers.get(peer)
        return worker[0].kind if worker else "none"

    def start(self) -> None:
        """Begin to look after the peers."""
        self._watching = asyncio.create_task(self._watch(), name="fallback")

    async def close(self) -> None:
        """End all workers."""
        tasks = [task for _, task in self._workers.values()]
        if self._watching is not None:
            tasks.append(self._watching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            wanted = self._wanted()
            failed = {peer for peer, (_, task) in self._workers.items() if task.done()}
            for peer in (self._workers.keys() - wanted) | failed:
                await self._end(peer)
            for peer in wanted - self._workers.keys():
                worker = PeerFallback(self._node, peer, lambda peer=peer: self._urls(peer))  # type: ignore[misc]
                self._workers[peer] = (worker, asyncio.create_task(worker.run(), name=f"fallback-{peer.hex()[:8]}"))
            self._node.lines.look()
            await asyncio.sleep(_LOOK_S)

    async def _end(self, peer: bytes) -> None:
        """End a worker; one that failed by a mistake of ours is begun anew at the next look."""
        _, task = self._workers.pop(peer)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("the fallback of %s failed", peer.hex(), exc_info=ended)

    def _wanted(self) -> set[bytes]:
        linked = {link.node for link in self._node.links.open()}
        return {
            peer
            for peer, failures in self._node.links.redialler.failures.items()
            if failures >= FAILED_DIALS and peer not in linked and self._may_flow(peer) and self._urls(peer)
        }

    def _may_flow(self, peer: bytes) -> bool:
        entry = self._node.peers.book.peer(peer)
        return entry.state is State.CONNECTED and not entry.is_paused

    def _urls(self, peer: bytes) -> list[str]:
        return [url for url in self._node.peers.urls(peer) if is_private(url)]
