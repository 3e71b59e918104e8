"""Which nodes lie behind which peer, and how far: what each peer says it reaches, and what this node says.

A distance-vector table (Bellman 1957; RIP, RFC 2453) whose infinity is HOPS_MAX: what is gone is forgotten after that
many rounds, since each round adds a link. It says where sketches lead. It decides nothing about who may be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from foedus.base.cbor import Malformed
from foedus.base.ids import ID_BYTES
from foedus.query.limits import HOPS_MAX
from foedus.query.routing.limits import NODES_MAX, PEERS_MAX


class BadReach(Malformed):
    """What a peer says it reaches is not such as the protocol has it."""

    code = "malformed_reach"
    remedy = "compare it with docs/routing.md"


class Way(NamedTuple):
    """``peers`` that are the first of the shortest ways to a node, in the order of ids; ``hops``: links of each way."""

    hops: int
    peers: tuple[bytes, ...]


class Routes:
    """``own``: this node's id. At most PEERS_MAX peers with NODES_MAX nodes each."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._heard: dict[bytes, dict[bytes, int]] = {}
        self._reach: dict[bytes, int] | None = None
        """As ``reach`` made it, until something changes: with many peers that is many comparisons."""

    def hear(self, peer: bytes, reach: Mapping[bytes, int]) -> None:
        """Take what ``peer`` reaches, in place of what it said before: {node: links from it}; raise BadReach."""
        if len(reach) > NODES_MAX:
            raise BadReach(f"a node says of at most {NODES_MAX} nodes how far they are")
        if reach.get(peer) != 0 or any(not 0 <= hops < HOPS_MAX for hops in reach.values()):
            raise BadReach(f"a node is 0 links from itself, and others fewer than {HOPS_MAX}")
        if any(len(node) != ID_BYTES for node in reach):
            raise BadReach("nodes are named by their ids")
        if peer in self._heard or len(self._heard) < PEERS_MAX:
            self._heard[peer] = dict(reach)
            self._reach = None

    def forget(self, peer: bytes) -> None:
        """Nothing goes over ``peer`` any more."""
        if self._heard.pop(peer, None) is not None:
            self._reach = None

    def knows(self, peer: bytes) -> bool:
        """Whether a peer has said what it reaches."""
        return peer in self._heard

    def reach(self) -> dict[bytes, int]:
        """Return what to tell the peers: {node: links from here}, the nearest NODES_MAX; this node itself is at 0."""
        if self._reach is None:
            self._reach = self._nearest()
        return dict(self._reach)

    def _nearest(self) -> dict[bytes, int]:
        best = {self._own: 0}
        for heard in self._heard.values():
            for node, hops in heard.items():
                if hops + 1 < best.get(node, HOPS_MAX):
                    best[node] = hops + 1
        near = sorted(best.items(), key=lambda item: (item[1], item[0]))
        return dict(near[:NODES_MAX])

    def way(self, node: bytes, brought_by: bytes | None) -> Way | None:
        """Return the shortest ways to ``node``; None where none is known, or ``brought_by`` has one that is as short.

        Who brought the question knows that too, and has sent it along its own way: only nodes that are nearer from here
        are this node's to reach.
        """
        if node == self._own:
            return None
        far = {peer: heard[node] + 1 for peer, heard in self._heard.items() if node in heard and peer != brought_by}
        if not far:
            return None
        hops = min(far.values())
        theirs = self._heard.get(brought_by, {}).get(node, HOPS_MAX + 1) if brought_by is not None else HOPS_MAX + 1
        if theirs <= hops:
            return None
        return Way(hops, tuple(sorted(peer for peer, links in far.items() if links == hops)))
