"""Takes out of a room of ours the node that asked to leave it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from foedus.base.errors import FoedusError
from foedus.log.port import Verdict
from foedus.node import membership
from foedus.node.author import Author
from foedus.node.publisher import Published
from foedus.node.store import Store

log = logging.getLogger("foedus.node")


class Leaving:
    """Answers ``room.leave`` as the host of the room."""

    def __init__(self, store: Store, author: Author, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._store = store
        self._author = author
        self._spawn = spawn
        self._under_way: set[tuple[str, bytes]] = set()

    def published(self, published: Published) -> None:
        """Take out who asked just now."""
        for row in published.rows if "room.leave" in published.kinds else ():
            if row.kind == "room.leave" and row.verdict is Verdict.ACCEPTED:
                self._spawn(self._let_go(row.stream, row.epoch))

    def finish(self) -> None:
        """Take out who asked to leave while this node was down or just before a crash."""
        for chain in self._store.admission.chains:
            if chain.stream.startswith("room:") and chain.seq and chain.node != self._store.node:
                last = self._store.log.chain_backwards(chain.epoch, chain.stream, chain.seq + 1, 1)
                if last and last[0].kind == "room.leave" and last[0].verdict is Verdict.ACCEPTED:
                    self._spawn(self._let_go(chain.stream, chain.epoch))

    async def _let_go(self, stream: str, epoch: bytes) -> None:
        room = self._store.admission.authority.rooms.get(bytes.fromhex(stream.removeprefix("room:")))
        node = self._store.identities.node_of(epoch)
        if room is None or node is None or room.host != self._store.node or node not in room.present():
            return
        if (stream, node) in self._under_way:  # it may say so many times before it is out
            return
        self._under_way.add((stream, node))
        try:
            await membership.remove(self._store, self._author, room, node)
        except FoedusError as error:
            log.warning("%s could not be taken out of a room: %s", node.hex(), error)
        finally:
            self._under_way.discard((stream, node))
