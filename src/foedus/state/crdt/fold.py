"""The CRDTs of one room, folded from its events: which count, what is remembered of those that do not, snapshots.

Every member that holds the same events to count has the same states, byte for byte, in whatever order their chains
came. What does not count is of two sorts. Rejected and erased is *gone*: that follows from held events alone, so all
others find it, too. What waits for something or is withheld here is a *hole*: others may count it, so this replica does
not say that it has seen everything of that chain (``Crdt.cover``), or merging its state elsewhere would remove what it
never saw.

**Snapshots.** Where retention dropped the beginning of a chain, the deltas in it are not held here. A ``crdt.snapshot``
by the node that wrote the chain stands for them, and for nothing else: where the deltas are held they count, and the
snapshot is not looked at. It can only say what that node could have said itself (``Crdt.is_by``). See ADR 16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.ids import sha256
from foedus.log.bodies import CRDT_PART_BYTES, Covered, CrdtDelta, CrdtSnapshot
from foedus.state.crdt.base import Crdt, Origin, last_dot
from foedus.state.crdt.deltas import empty, parse_state, read_delta

DELTA, SNAPSHOT = "crdt.delta", "crdt.snapshot"
KINDS = frozenset({DELTA, SNAPSHOT})

_PART_ENTRIES = CRDT_PART_BYTES // 256
"""What one part of a snapshot counts for while the others are awaited: as many entries as take its memory."""

Key: TypeAlias = tuple[str, str]
"""(name, type): what names one CRDT of a room."""


class Standing(Enum):
    """Whether an event counts here."""

    COUNTS = "counts"
    HOLE = "hole"
    """Others may count it."""
    GONE = "gone"
    """Nobody who holds the same events counts it."""


class Told(NamedTuple):
    """An event of one of ``KINDS`` of the room. ``body`` None: missing."""

    kind: str
    origin: Origin
    body: bytes | None


class _Open(NamedTuple):
    """A snapshot of which the first parts came: what all its parts have in common, and what they brought."""

    head: tuple[Key, tuple[Covered, ...], bytes, int]
    state: list[bytes]


class RoomFold:
    """Takes the room's events, each chain's in its order. Mutable.

    ``gaps``: epoch → the last seq that is no longer held of its chain; ``node_of``: epoch → its node.
    """

    def __init__(self, gaps: Mapping[bytes, int], node_of: Callable[[bytes], bytes | None]) -> None:
        self.states: dict[Key, Crdt] = {}
        self.writers: dict[Key, set[bytes]] = {}
        self.last: dict[tuple[Key, bytes], int] = {}
        """(CRDT, epoch) → seq of the last delta that counts."""
        self.brought: Counter[bytes] = Counter()
        """Node → by how many entries its events let the states grow."""
        self._sizes: dict[Key, int] = {}
        self._entries = 0
        self._gaps = dict(gaps)
        self._node_of = node_of
        self._holes: dict[Key | None, set[bytes]] = {}
        """CRDT (None: nobody knows which) → epochs of chains with something of it that does not count here."""
        self._hole_count = 0
        self._bridged: set[tuple[Key, bytes]] = set()
        self._open: dict[bytes, _Open] = {}

    def take(self, told: Told, standing: Standing) -> None:
        """Take in the next event."""
        if standing is Standing.GONE:
            return
        body = _read(told)
        if standing is Standing.HOLE:
            if told.kind == DELTA:
                self._note_hole(None if body is None else (body.name, body.type), told.origin.epoch)
        elif isinstance(body, CrdtDelta):
            self._take_delta(body, told.origin)
        elif isinstance(body, CrdtSnapshot):
            self._take_part(body, told.origin)
        if body is not None:
            self.brought[told.origin.node] += self._measure((body.name, body.type))

    def _note_hole(self, key: Key | None, epoch: bytes) -> None:
        holes = self._holes.setdefault(key, set())
        self._hole_count += epoch not in holes
        holes.add(epoch)

    def _measure(self, key: Key) -> int:
        """Note how much the state that an event touched takes now; return by how much it grew."""
        if key not in self.states:
            return 0
        size = 1 + self.states[key].size()
        grown = size - self._sizes.get(key, 0)
        self._entries += grown
        self._sizes[key] = size
        return grown

    def holes(self, key: Key) -> int:
        """Return in how many chains something of a CRDT may be that does not count here."""
        epochs = self._holes.get(None, set()) | self._holes.get(key, set())
        gaps = {epoch for epoch in self._gaps if (key, epoch) not in self._bridged}
        return len(epochs | gaps)

    def size(self) -> int:
        """Return how many entries all states have, and what waits beside them, as entries."""
        parts = sum(len(opened.state) for opened in self._open.values())
        return self._entries + self._hole_count + parts * _PART_ENTRIES

    def of(self, name: str) -> list[Key]:
        """Return the CRDTs of a name: more than one where members took it for different types at one time."""
        return sorted(key for key in self.states if key[0] == name)

    # --- deltas ------------------------------------------------------------------------------

    def _take_delta(self, body: CrdtDelta, origin: Origin) -> None:
        key = (body.name, body.type)
        try:
            delta = read_delta(body.type, body.delta, origin)
        except (Malformed, NotCanonical):
            return
        self._state(key, origin.node).absorb(delta)
        self.last[key, origin.epoch] = origin.seq
        self._cover(key, origin.epoch)

    def _state(self, key: Key, node: bytes) -> Crdt:
        if key not in self.states:
            self.states[key] = empty(key[1])
        self.writers.setdefault(key, set()).add(node)
        return self.states[key]

    def _cover(self, key: Key, epoch: bytes) -> None:
        """Let a state forget the places of single operations where nothing can be missing before them."""
        is_whole = epoch not in self._gaps or (key, epoch) in self._bridged
        if is_whole and not any(epoch in self._holes.get(hole, ()) for hole in (key, None)):
            self.states[key].cover(epoch, last_dot(self.last[key, epoch]))

    # --- snapshots ---------------------------------------------------------------------------

    def _take_part(self, body: CrdtSnapshot, origin: Origin) -> None:
        """Collect the parts of a snapshot that somebody here needs; they stand one after the other in a chain."""
        key = (body.name, body.type)
        head = (key, body.chains, body.digest, body.parts)
        if not any(epoch in self._gaps for epoch, _ in body.chains):
            return
        if body.part == 0:
            self._open[origin.epoch] = _Open(head, [])
        opened = self._open.get(origin.epoch)
        if opened is None or opened.head != head or body.part != len(opened.state):
            self._open.pop(origin.epoch, None)
            return
        opened.state.append(body.state)
        if len(opened.state) == body.parts:
            del self._open[origin.epoch]
            self._take_snapshot(key, body, b"".join(opened.state), origin)

    def _take_snapshot(self, key: Key, body: CrdtSnapshot, data: bytes, origin: Origin) -> None:
        state = self._read_snapshot(key, body, data, origin)
        if state is None:
            return
        self._state(key, origin.node).absorb(state)
        for epoch, seq in body.chains:
            if epoch in self._gaps and seq >= self._gaps[epoch]:
                self._bridged.add((key, epoch))
                if (key, epoch) in self.last:
                    self._cover(key, epoch)

    def _read_snapshot(self, key: Key, body: CrdtSnapshot, data: bytes, origin: Origin) -> Crdt | None:
        """Return the state that a snapshot brings, None where it is broken or says what its node may not say."""
        covers = {epoch: last_dot(seq) for epoch, seq in body.chains}
        is_own = all(self._node_of(epoch) == origin.node for epoch in covers)
        if not is_own or sha256(data) != body.digest or covers.get(origin.epoch, 0) >= last_dot(origin.seq):
            return None
        try:
            state = parse_state(data)
        except (Malformed, NotCanonical):
            return None
        return state if state.type == key[1] and state.is_by(origin.node, covers, origin.hlc) else None


def _read(told: Told) -> CrdtDelta | CrdtSnapshot | None:
    """Return the body, None where it is missing or is none: the same at every node that has it."""
    if told.body is None:
        return None
    try:
        return decode_as(told.body, CrdtDelta) if told.kind == DELTA else decode_as(told.body, CrdtSnapshot)
    except (Malformed, NotCanonical):
        return None


def parts_of(key: Key, chains: tuple[Covered, ...], state: bytes, part_bytes: int) -> Iterator[CrdtSnapshot]:
    """Yield the bodies of the events that make one snapshot, in their order."""
    parts = -(-len(state) // part_bytes)
    for part in range(parts):
        piece = state[part * part_bytes : (part + 1) * part_bytes]
        yield CrdtSnapshot(*key, chains, sha256(state), part, parts, piece)
