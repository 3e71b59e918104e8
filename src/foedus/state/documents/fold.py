"""The documents of a room, folded from the updates in its chains, in whatever order those come.

An update of many bytes stands in several acts, one after the other in one chain (``parts_of``), and counts when all of
them do; one of more bytes is a blob, and counts when that is here.

A snapshot brings again what updates brought that are not held any more. It speaks for its node's own chains, and is
looked at only where a gap has taken events from them (ADR 27). What it joins may need what others wrote in between, and
those its beginning: so where there are gaps everything is joined first (``Joined``), and held then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import astuple

from foedus.log.documents import PART_BYTES
from foedus.state.documents.base import BASE_BYTES_MAX, Base, HeldPart, Tally
from foedus.state.documents.errors import HARMFUL, BadUpdate
from foedus.state.documents.limits import DOCUMENT_BYTES_MAX, WAITING_BYTES_MAX
from foedus.state.documents.replica import Replica, Unheld, Yjs
from foedus.state.documents.update import EMPTY, Reach, clocks, reach

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
    """A document as the updates that were taken in make it, whatever their order.

    An update that stands on what is not held waits here until that comes: yrs would keep it, too, and lose some.
    """

    def __init__(self, replica: Replica | None = None) -> None:
        self._replica: Replica = Yjs() if replica is None else replica
        self._held: dict[int, int] = {}
        """Of each Yjs client: up to which clock something is held. What ``state_vector`` says."""
        self._waiting: dict[int, list[tuple[bytes, Reach]]] = {}
        """Updates, by a client of which they need more than is held."""
        self._waiting_bytes = 0
        self._is_short = False
        self.bytes_taken = 0
        """Bytes of the updates since it was last measured: no less than what it takes."""

    def hold(self, replica: Replica) -> None:
        """Let a replica take in all that was joined so far, and hold the document from now on. Raises BadUpdate."""
        joined = self._replica.whole()
        replica.apply(joined)
        self._replica, self.bytes_taken = replica, len(joined)
        self._held = clocks(self.state_vector())

    def state_vector(self) -> bytes:
        """Return what it has, as Yjs says it."""
        return self._replica.state_vector()

    def beyond(self, state_vector: bytes) -> bytes:
        """Return as an update what it has beyond a state vector that was checked."""
        return self._replica.beyond(state_vector)

    def whole(self) -> bytes:
        """Return all of it as one update."""
        return self._replica.whole()

    def may_be_full(self, more: int = 0) -> bool:
        """Whether ``is_full``, which measures, has to be asked."""
        return self.bytes_taken + more > DOCUMENT_BYTES_MAX

    def is_full(self, more: int = 0) -> bool:
        """Whether its state would take more than DOCUMENT_BYTES_MAX with so many bytes more."""
        if self.may_be_full(more):
            self.bytes_taken = len(self.whole()) + self._waiting_bytes
        return self.may_be_full(more)

    def kept(self) -> tuple[bytes, ...] | None:
        """Return updates that make the same document: what is held, then what waits. None where something is not here.

        Something is not here where more waited than is kept waiting.
        """
        if self._is_short:
            return None
        return (self.whole(), *(update for waiting in self._waiting.values() for update, _ in waiting))

    def take(self, update: bytes, found: Reach | None = None) -> list[bytes]:
        """Take in an update; return those that count with it, none where it waits. Raise BadUpdate where it is none.

        ``found``: what ``reach`` returned of it, where it was asked already.
        """
        found = reach(update) if found is None else found
        self.bytes_taken += len(update)
        if isinstance(self._replica, Unheld):
            self._replica.apply(update)
            return [update]
        lacking = self._lacking(found)
        if lacking is not None:
            self._wait(lacking, update, found)
            return []
        counted = [update]
        moved = self._applied(update, found)
        while moved:
            for waiting, its in self._released(moved):
                with suppress(BadUpdate):  # a hostile node's: it is no update anywhere
                    moved |= self._applied(waiting, its)
                    counted.append(waiting)
        return counted

    def _lacking(self, found: Reach) -> int | None:
        """Return a client of which an update needs more than is held."""
        held = self._held
        return next((client for client, clock in found.needs.items() if clock > held.get(client, 0)), None)

    def _wait(self, client: int, update: bytes, found: Reach) -> None:
        if self._waiting_bytes + len(update) > WAITING_BYTES_MAX:
            self._is_short = True
            return  # who stands on nothing that ever comes fills the log and no memory
        self._waiting.setdefault(client, []).append((update, found))
        self._waiting_bytes += len(update)

    def _applied(self, update: bytes, found: Reach) -> set[int]:
        """Take in an update that needs nothing more; return the clients of which more is held now."""
        try:
            self._replica.apply(update)
        except BadUpdate as error:
            self._is_short |= error.code == HARMFUL
            self._held = clocks(self.state_vector())  # some of it may be in
            raise
        moved = {client for client, clock in found.ends.items() if clock > self._held.get(client, 0)}
        self._held.update((client, found.ends[client]) for client in moved)
        return moved

    def _released(self, moved: set[int]) -> Iterator[tuple[bytes, Reach]]:
        """Yield what waited for one of ``moved``, and needs nothing more; take that client out."""
        for update, found in self._waiting.pop(moved.pop(), ()):
            self._waiting_bytes -= len(update)
            lacking = self._lacking(found)
            if lacking is None:
                yield update, found
            else:
                self._wait(lacking, update, found)

    def has(self, update: bytes, ends: dict[int, int]) -> bool:
        """Whether an update brings nothing: clients repeat all that was ever deleted when they connect.

        ``ends``: what ``update.check`` returned of it.
        """
        if update == EMPTY or any(clock > self._held.get(client, 0) for client, clock in ends.items()):
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
        self._make = make
        self._waiting: dict[bytes, list[Part]] = {}
        """By epoch, the parts of an update that is not whole yet: one for each chain, since nothing stands between."""

    def kept(self, stream: str, tally: Tally) -> Base | None:
        """Return what a fold goes on from; None where it may not, or that would be too large."""
        found = {name: kept for name, each in self.documents.items() if (kept := each.kept()) is not None}
        parts = tuple(HeldPart(*part) for waiting in self._waiting.values() for part in waiting)
        size = sum(len(update) for kept in found.values() for update in kept) + sum(len(part.data) for part in parts)
        if self._gaps or len(found) != len(self.documents) or size > BASE_BYTES_MAX:
            return None
        return Base(stream, tally.local, tally.digest, found, parts)

    def go_on_from(self, base: Base) -> bool:
        """Take in what was kept, before anything else; return whether all of it could be."""
        for name, updates in base.documents.items():
            for number, update in enumerate(updates):
                if bool(self._take(name, update, None)) != (number == 0):
                    return False
        return not any(self.take(Part(*astuple(part))) for part in base.parts)

    def hold(self, make: Callable[[], Replica]) -> None:
        """After replicas that only joined (``Joined``): let others take it all in. Raises BadUpdate and CannotJoin."""
        self._make = make
        for document in self.documents.values():
            document.hold(make())

    def take_all(self, pieces: Iterable[tuple[Part | Snapshot | None, Reach | None]]) -> list[tuple[str, bytes]]:
        """Take in what rows of the log brought, in turn; return as ``take`` does. None: nothing."""
        return [counted for piece, found in pieces if piece for counted in self._take_piece(piece, found)]

    def _take_piece(self, piece: Part | Snapshot, found: Reach | None) -> list[tuple[str, bytes]]:
        return self.take_snapshot(piece, found) if isinstance(piece, Snapshot) else self.take(piece, found)

    def take(self, part: Part, found: Reach | None = None) -> list[tuple[str, bytes]]:
        """Take in a part; return the document's name with each update that counts with it.

        None does while an update is not whole, or stands on another one that is not here. ``found``: see ``Document``.
        """
        update = self._whole(part)
        return [] if update is None else self._take(part.name, update, found)

    def is_needed(self, chains: Mapping[bytes, int]) -> bool:
        """Whether a snapshot of chains stands for something that is gone."""
        return not self._gaps.keys().isdisjoint(chains)

    def take_snapshot(self, snapshot: Snapshot, found: Reach | None = None) -> list[tuple[str, bytes]]:
        """Take in a snapshot where it stands for what is gone; return as ``take`` does."""
        chains = snapshot.chains
        is_own = all(self._node_of(epoch) == snapshot.node for epoch in chains)
        if not (is_own and self.is_needed(chains)) or chains.get(snapshot.epoch, 0) >= snapshot.seq:
            return []
        return self._take(snapshot.name, snapshot.data, found)

    def _take(self, name: str, update: bytes, found: Reach | None) -> list[tuple[str, bytes]]:
        try:
            document = self.documents.get(name) or Document(self._make())
            counted = document.take(update, found)
        except BadUpdate:
            return []  # a hostile node's: it is no update anywhere
        self.documents[name] = document
        return [(name, each) for each in counted]

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
