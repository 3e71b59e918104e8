"""The documents of a room, folded from the updates in its chains, in whatever order those come.

An update of many bytes stands in several acts, one after the other in one chain (``parts_of``), and counts when all of
them do; one of more bytes is a blob, and counts when that is here.

A snapshot brings again what updates brought that are not held any more. It speaks for its node's own chains, and is
looked at only where a gap has taken events from them (ADR 27). What it joins may need what others wrote in between, and
those its beginning: so where there are gaps everything is joined first (``Joined``), and held then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import astuple

from foedus.log.documents import PART_BYTES
from foedus.state.documents.base import BASE_BYTES_MAX, Base, HeldPart, Tally
from foedus.state.documents.document import Document
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.replica import Replica, Yjs
from foedus.state.documents.update import Reach

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
                if bool(self._take(name, update, None, b"")) != (number == 0):
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

    def may_recover(self) -> bool:
        """Whether something that was let go, since too much waited, could be taken in now."""
        return any(document.may_recover for document in self.documents.values())

    def begin_again(self) -> list[str]:
        """Return the documents that may recover, by name: ``take_again`` then takes all that there is once more."""
        names = [name for name, document in self.documents.items() if document.may_recover]
        for name in names:
            self.documents[name].begin_again()
        return names

    def take_again(self, names: Collection[str], pieces: Iterable[tuple[Part | Snapshot | None, Reach | None]]) -> None:
        """Take in once more what rows of the log brought, from the first on, to some documents."""
        for piece, found in pieces:
            if isinstance(piece, Part) and (update := self._whole(piece)) is not None and piece.name in names:
                self._take(piece.name, update, found, piece.epoch)
            elif isinstance(piece, Snapshot) and piece.name in names:
                self.take_snapshot(piece, found)

    def _take_piece(self, piece: Part | Snapshot, found: Reach | None) -> list[tuple[str, bytes]]:
        return self.take_snapshot(piece, found) if isinstance(piece, Snapshot) else self.take(piece, found)

    def take(self, part: Part, found: Reach | None = None) -> list[tuple[str, bytes]]:
        """Take in a part; return the document's name with each update that counts with it.

        None does while an update is not whole, or stands on another one that is not here. ``found``: see ``Document``.
        """
        update = self._whole(part)
        return [] if update is None else self._take(part.name, update, found, part.epoch)

    def is_needed(self, chains: Mapping[bytes, int]) -> bool:
        """Whether a snapshot of chains stands for something that is gone."""
        return not self._gaps.keys().isdisjoint(chains)

    def take_snapshot(self, snapshot: Snapshot, found: Reach | None = None) -> list[tuple[str, bytes]]:
        """Take in a snapshot where it stands for what is gone; return as ``take`` does."""
        chains = snapshot.chains
        is_own = all(self._node_of(epoch) == snapshot.node for epoch in chains)
        if not (is_own and self.is_needed(chains)) or chains.get(snapshot.epoch, 0) >= snapshot.seq:
            return []
        return self._take(snapshot.name, snapshot.data, found, snapshot.epoch)

    def _take(self, name: str, update: bytes, found: Reach | None, source: bytes) -> list[tuple[str, bytes]]:
        try:
            document = self.documents.get(name) or Document(self._make())
            counted = document.take(update, found, source)
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
