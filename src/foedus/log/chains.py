"""Chains: one node's part of a stream in one epoch, where it ends and how far it is honoured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from foedus.base.clock import ZERO, Hlc

ChainKey: TypeAlias = tuple[bytes, str]
"""(epoch, stream)"""
CHAINS_PER_NODE_MAX = 32_768
"""Chains held of one node: a thousand rooms in 30 epochs. Each takes about 1 KB, and a name costs a node nothing."""


class Position(NamedTuple):
    """A place in a chain."""

    epoch: bytes
    stream: str
    seq: int
    id: bytes


class Limit(NamedTuple):
    """How far a chain is honoured: ``seq`` is the last that counts (None: all).

    ``reason`` says why what lies beyond does not; ``pends``: it waits, rather than being rejected.
    """

    seq: int | None
    reason: str
    pends: bool

    def covers(self, seq: int) -> bool:
        """Whether an event at this place is honoured."""
        return self.seq is None or seq <= self.seq


WHOLE = Limit(None, "", pends=False)


class Chain:
    """The in-memory state of one chain. ``seq`` 0 is an empty chain.

    ``contested`` is the seq of its lowest known fork (0: none); admission keeps it and ``limit`` current.
    ``kind`` is the stream's.
    """

    __slots__ = ("contested", "epoch", "hlc", "id", "is_folded", "kind", "limit", "node", "seq", "stream")

    def __init__(self, epoch: bytes, stream: str, node: bytes) -> None:
        self.epoch = epoch
        self.stream = stream
        self.node = node
        self.kind = stream.partition(":")[0]
        self.is_folded = self.kind in {"participant", "members"}
        """Whether ``authority`` folds its events (``Stream.is_folded``)."""
        self.seq = 0
        self.id = b""
        self.hlc: Hlc = ZERO
        self.contested = 0
        self.limit = WHOLE

    @property
    def key(self) -> ChainKey:
        """By what it is found: (epoch, stream)."""
        return (self.epoch, self.stream)

    @property
    def is_contested(self) -> bool:
        """Whether two histories are known of which the owner has chosen none yet."""
        return bool(self.contested) and self.limit.reason == "equivocation"

    @property
    def position(self) -> Position:
        """Where the chain ends."""
        return Position(self.epoch, self.stream, self.seq, self.id)

    def advance(self, seq: int, event_id: bytes, hlc: Hlc) -> None:
        """Move the head."""
        self.seq, self.id, self.hlc = seq, event_id, hlc


class Chains:
    """All chains that this node holds, findable by node and by stream."""

    def __init__(self) -> None:
        self._all: dict[ChainKey, Chain] = {}
        self.get = self._all.get
        """Return the chain of a key, or None. The dictionary's own method: asked twice for each event that comes."""
        self._by_node: dict[bytes, dict[ChainKey, Chain]] = {}
        self._by_stream: dict[str, dict[ChainKey, Chain]] = {}
        self.knowing: set[bytes] = set()
        """The nodes of which chains of knowledge are held: whoever may see those sees who wrote them."""

    def ensure(self, epoch: bytes, stream: str, node: bytes) -> Chain:
        """Return the chain, made empty where it is new: for chains of this node, and for what was admitted."""
        chain = self._all.get((epoch, stream))
        return chain if chain is not None else self.keep(Chain(epoch, stream, node))

    def keep(self, chain: Chain) -> Chain:
        """Hold a chain from now on."""
        self._all[chain.key] = chain
        self._by_node.setdefault(chain.node, {})[chain.key] = chain
        self._by_stream.setdefault(chain.stream, {})[chain.key] = chain
        if chain.kind == "knowledge":
            self.knowing.add(chain.node)
        return chain

    def has_room_for(self, node: bytes) -> bool:
        """Whether one more chain of ``node`` stays within CHAINS_PER_NODE_MAX."""
        return len(self._by_node.get(node, ())) < CHAINS_PER_NODE_MAX

    def of_node(self, node: bytes) -> list[Chain]:
        """Return the chains that a node wrote."""
        return list(self._by_node.get(node, {}).values())

    def of_stream(self, stream: str) -> list[Chain]:
        """Return the chains of a stream."""
        return list(self._by_stream.get(stream, {}).values())

    def streams(self) -> list[str]:
        """Return the names of all streams."""
        return list(self._by_stream)

    def __iter__(self) -> Iterator[Chain]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)
