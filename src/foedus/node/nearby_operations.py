"""What surfaces may do about nodes nearby, for ``Service``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.trust.peer import State
from foedus.values.node import NearbyView, NodeNearby

if TYPE_CHECKING:
    from foedus.node.composition import Node


class NearbyOperations:
    """Looking around."""

    _node: Node

    async def peers_nearby(self, wait_s: float) -> NearbyView:
        """Look for nodes on the network."""
        nearby = self._node.nearby
        found = [self._seen(*heard) for heard in await nearby.look(wait_s)]
        return NearbyView(
            interface=nearby.interface, announced=nearby.is_announced, nodes=sorted(found, key=lambda it: it.node)
        )

    def _seen(self, node: bytes, name: str, urls: tuple[str, ...]) -> NodeNearby:
        peer = self._node.peers.book.peer(node)
        known_as = self._node.petnames.of(node.hex())
        return NodeNearby(
            node=node.hex(),
            name=name,
            urls=list(urls),
            state="" if peer.state is State.UNKNOWN else peer.state.value,
            known_as=known_as,
            looks_like=[] if known_as else sorted(self._node.petnames.like(node.hex(), name)),
        )
