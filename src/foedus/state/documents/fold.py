"""The documents of a room, folded from the updates in its chains, in whatever order those come.

An update of many bytes stands in several acts, one after the other in one chain (``parts_of``), and counts when all of
them do; one of more bytes is a blob, and counts when that is here.

A snapshot brings again what updates brought that are not held any more. It speaks for its node's own chains, and is
looked at only where a gap has taken events from them (ADR 23).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from foedus.log.documents import PART_BYTES
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.limits import DOCUMENT_BYTES_MAX
from foedus.state.documents.replica import Replica, Yjs
from foedus.state.documents.update import EMPTY, check, clocks

UPDATE, UPLOAD, SNAPSHOT = "document.update", "document.upload", "document.snapshot"


class Part(NamedTuple):
    """One ``document.update`` as it stands in the log. ``number`` from 0, of ``parts``. An upload is one of one."""

    name: str
    epoch: bytes
    seq: int
    author: str
    number: int
    parts: int
    data: bytes


class Snapshot(NamedTuple):
    """One ``document.snapshot``: the node that wrote it, where, and the ``chains`` (epoch → seq) it speaks of."""

    name: str
    node: bytes
    epoch: bytes
    seq: int
    chains: Mapping[bytes, int]
    data: bytes


class Document:
    """A document as the updates that were taken in make it. Waits by itself for what an update stands on."""

    def __init__(self, replica: Replica | None = None) -> None:
        self._replica: Replica = Yjs() if replica is None else replica
        self.bytes_taken = 0
        """Bytes of the updates since it was last measured: no less than what it takes."""

    def hold(self, replica: Replica) -> None:
        """Let a replica take in all that was joined so far, and hold the document from now on. Raises BadUpdate."""
        joined = self._replica.whole()
        replica.apply(joined)
        self._replica, self.bytes_taken = replica, len(joined)

    def state_vector(self) -> bytes:
        """Return what it has, as Yjs says it."""
        return self._replica.state_vector()

    def beyond(self, state_vector: bytes) -> bytes:
        """Return as an update what it has beyond a state vector that was checked."""
        return self._replica.beyond(state_vector)

    def whole(self) -> bytes:
        """Return all of it as one update."""
        return self._replica.whole()

    def is_full(self, more: int = 0) -> bool:
        """Whether its state would take more than DOCUMENT_BYTES_MAX with so many bytes more."""
        if self.bytes_taken + more > DOCUMENT_BYTES_MAX:
            self.bytes_taken = len(self.whole())
        return self.bytes_taken + more > DOCUMENT_BYTES_MAX

    def take(self, update: bytes) -> None:
        """Take in an update that was checked; raise BadUpdate where it does not fit what is held."""
        self.bytes_taken += len(update)
        self._replica.apply(update)

    def has(self, update: bytes, ends: dict[int, int]) -> bool:
        """Whether an update brings nothing: clients repeat all that was ever deleted when they connect.

        ``ends``: what ``update.check`` returned of it.
        """
        held = clocks(self.state_vector())
        if update == EMPTY or any(clock > held.get(client, 0) for client, clock in ends.items()):
            return update == EMPTY
        return not self._replica.is_changed_by(update)


class RoomDocuments:
    """The documents of one room by name.

    ``make`` returns empty replicas; ``gaps``: epoch → the last seq that is no longer held of its chain; ``node_of``:
    epoch → its node.
    """

    def __init__(
        self,
        make: Callable[[], Replica] = Yjs,
        gaps: Mapping[bytes, int] = MappingProxyType({}),
        node_of: Callable[[bytes], bytes | None] = lambda _epoch: None,
    ) -> None:
        self._gaps = gaps
        self._node_of = node_of
        self.documents: dict[str, Document] = {}
        self.ends: dict[bytes, int] = {}
        """Epoch → where the last update stands that was taken in of its chain."""
        self._make = make
        self._waiting: dict[bytes, list[Part]] = {}
        """By epoch, the parts of an update that is not whole yet: one for each chain, since nothing stands between."""

    def take(self, part: Part, *, is_checked: bool = False) -> tuple[str, bytes] | None:
        """Take in a part; return the name and the update that is whole with it, None while it is not, or never will.

        ``is_checked``: ``update.check`` was called for it.
        """
        update = self._whole(part)
        if update is None:
            return None
        self.ends[part.epoch] = max(part.seq, self.ends.get(part.epoch, 0))
        return self._take(part.name, update, is_checked=is_checked)

    def hold(self, make: Callable[[], Replica]) -> None:
        """After replicas that only joined (``Joined``): let others take it all in. Raises BadUpdate and CannotJoin."""
        self._make = make
        for document in self.documents.values():
            document.hold(make())

    def take_snapshot(self, snapshot: Snapshot, *, is_checked: bool = False) -> tuple[str, bytes] | None:
        """Take in a snapshot where it stands for what is gone; return as ``take`` does."""
        chains = snapshot.chains
        is_own = all(self._node_of(epoch) == snapshot.node for epoch in chains)
        is_needed = not self._gaps.keys().isdisjoint(chains)
        if not (is_own and is_needed) or chains.get(snapshot.epoch, 0) >= snapshot.seq:
            return None
        return self._take(snapshot.name, snapshot.data, is_checked=is_checked)

    def _take(self, name: str, update: bytes, *, is_checked: bool) -> tuple[str, bytes] | None:
        try:
            if not is_checked:
                check(update)
            document = self.documents.get(name) or Document(self._make())
            document.take(update)
        except BadUpdate:
            return None  # a hostile node's: it is no update anywhere
        self.documents[name] = document
        return name, update

    def _whole(self, part: Part) -> bytes | None:
        if part.number >= part.parts:
            return None
        if part.parts == 1:
            return part.data
        held = self._waiting.pop(part.epoch, [])
        if part.number == 0:
            held = []
        elif len(held) != part.number or _unlike(part, held[-1]):
            return None
        held.append(part)
        if len(held) < part.parts:
            self._waiting[part.epoch] = held
            return None
        return b"".join(each.data for each in held)


def _unlike(part: Part, other: Part) -> bool:
    """Whether a part does not go on where another of the same update ended."""
    before = (other.name, other.author, other.parts, other.seq + 1)
    return (part.name, part.author, part.parts, part.seq) != before


def parts_of(update: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, parts, data) for the acts that carry an update."""
    parts = max(1, -(-len(update) // PART_BYTES))
    for part in range(parts):
        yield part, parts, update[part * PART_BYTES : (part + 1) * PART_BYTES]
