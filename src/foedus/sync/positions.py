"""What we and the peer hold of each chain, and which chains are due to be sent.

Work here is per chain and per batch, never per event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from foedus.base.errors import PeerViolation
from foedus.sync.frames.events import NO_EVENT, ChainPosition

CHAINS_MAX = 65_536
"""Chains of one link that are remembered: 1,000 rooms of 60 nodes; some 40 MB at the very most."""

_PRIORITY = {"node": 0, "participant": 1, "pair": 2, "members": 3}
"""What others stand on goes first (docs/protocol.md section 5)."""
_OTHERS = 4
_CLASSES = _OTHERS + 1


class TooManyChains(PeerViolation):
    """The peer names more chains than a link remembers."""

    code = "too_many_chains"
    remedy = "the other node must share fewer rooms over one link"


class Chain:
    """One chain on one link. Seqs are 0 where there is nothing.

    ``head_seq``/``head_id``: ours, while ``offered``. ``peer_seq``: what the peer holds durably, as far
    as we know. ``sent_seq``: what was pushed, never below ``peer_seq``. ``claim``: the position that
    the peer named last; ``cursor``: the same while it was not yet compared with ours. ``held``: a fork
    was seen, nothing is pushed; ``fork_id`` is what the peer holds there. ``rests``: nothing is pushed
    until it is woken. ``told``: the peer has learnt our position from an ack of this session.
    """

    __slots__ = (
        "claim", "cursor", "epoch", "fork_id", "head_id", "head_seq", "held",
        "offered", "peer_seq", "priority", "queued", "rests", "sent_seq", "stream", "told",
    )  # fmt: skip

    def __init__(self, epoch: bytes, stream: str) -> None:
        self.epoch = epoch
        self.stream = stream
        self.priority = _PRIORITY.get(stream.partition(":")[0], _OTHERS)
        self.head_seq = 0
        self.head_id = NO_EVENT
        self.peer_seq = 0
        self.sent_seq = 0
        self.cursor: tuple[int, bytes] | None = None
        self.claim: tuple[int, bytes] | None = None
        self.fork_id = NO_EVENT
        self.offered = False
        self.held = False
        self.queued = False
        self.rests = False
        self.told = False

    @property
    def due(self) -> bool:
        """Whether there is something to push."""
        return self.offered and not (self.held or self.rests) and self.head_seq > self.sent_seq

    def peer_holds(self, seq: int) -> None:
        """Note that the peer holds the chain up to ``seq``, wherever it got it."""
        self.peer_seq = max(self.peer_seq, seq)
        self.sent_seq = max(self.sent_seq, seq)

    def position(self) -> ChainPosition:
        """Return our head."""
        return ChainPosition(self.epoch, self.stream, self.head_seq, self.head_id)


class Positions:
    """All chains of one link, and the queue of those that are due: by priority, then round-robin."""

    def __init__(self) -> None:
        self._chains: dict[tuple[bytes, str], Chain] = {}
        self._by_stream: dict[str, list[Chain]] = {}
        self._due: tuple[deque[Chain], ...] = tuple(deque() for _ in range(_CLASSES))

    def __iter__(self) -> Iterator[Chain]:
        return iter(self._chains.values())

    def __len__(self) -> int:
        return len(self._chains)

    def get(self, epoch: bytes, stream: str) -> Chain | None:
        """Return the chain if this link knows it."""
        return self._chains.get((epoch, stream))

    def get_or_add(self, epoch: bytes, stream: str) -> Chain:
        """Return the chain, known from now on; raise TooManyChains beyond CHAINS_MAX."""
        chain = self._chains.get((epoch, stream))
        if chain is None:
            if len(self._chains) >= CHAINS_MAX:
                raise TooManyChains(f"a link remembers at most {CHAINS_MAX} chains")
            chain = self._chains[epoch, stream] = Chain(epoch, stream)
            self._by_stream.setdefault(stream, []).append(chain)
        return chain

    def of_stream(self, stream: str) -> Iterable[Chain]:
        """Return the known chains of a stream."""
        return self._by_stream.get(stream, ())

    def enqueue(self, chain: Chain) -> None:
        """Put a chain in line if it is due and not yet there."""
        if chain.due and not chain.queued:
            chain.queued = True
            self._due[chain.priority].append(chain)

    def next_due(self) -> Chain | None:
        """Take the next chain out of the line; ``enqueue`` it again after its turn."""
        for line in self._due:
            while line:
                chain = line.popleft()
                chain.queued = False
                if chain.due:
                    return chain
        return None

    def lag(self) -> int:
        """Return how many events of offered chains the peer has not acknowledged."""
        return sum(max(0, chain.head_seq - chain.peer_seq) for chain in self if chain.offered)
