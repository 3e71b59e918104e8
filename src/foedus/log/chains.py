"""Chains: one node's part of a stream in one epoch, and the verdict that looks at nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from foedus.base.clock import ZERO, Hlc

ChainKey: TypeAlias = tuple[bytes, str]
"""(epoch, stream)"""


class Position(NamedTuple):
    """A place in a chain."""

    epoch: bytes
    stream: str
    seq: int
    id: bytes


class Chain:
    """The in-memory state of one chain. ``seq`` 0 is an empty chain.

    ``contested`` is the seq of its fork (0 where there is none). ``limit`` is the last seq that is honoured
    (None: all), and ``limit_reason`` why what lies beyond is not; admission keeps both current.
    """

    __slots__ = ("contested", "epoch", "hlc", "id", "limit", "limit_pends", "limit_reason", "node", "seq", "stream")

    def __init__(self, epoch: bytes, stream: str, node: bytes) -> None:
        self.epoch = epoch
        self.stream = stream
        self.node = node
        self.seq = 0
        self.id = b""
        self.hlc: Hlc = ZERO
        self.contested = 0
        self.limit: int | None = None
        self.limit_reason = ""
        self.limit_pends = False

    @property
    def key(self) -> ChainKey:
        """(epoch, stream)"""
        return (self.epoch, self.stream)

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
        self._by_node: dict[bytes, dict[ChainKey, Chain]] = {}
        self._by_stream: dict[str, dict[ChainKey, Chain]] = {}

    def get(self, key: ChainKey) -> Chain | None:
        """Return the chain, or None."""
        return self._all.get(key)

    def ensure(self, epoch: bytes, stream: str, node: bytes) -> Chain:
        """Return the chain, made empty where it is new."""
        key = (epoch, stream)
        chain = self._all.get(key)
        if chain is None:
            chain = self._all[key] = Chain(epoch, stream, node)
            self._by_node.setdefault(node, {})[key] = chain
            self._by_stream.setdefault(stream, {})[key] = chain
        return chain

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
