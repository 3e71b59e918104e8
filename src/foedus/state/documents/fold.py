"""The documents of a room, folded from the updates in its chains, in whatever order those come.

An update of many bytes stands in several acts, one after the other in one chain (``parts_of``). It counts when all of
them do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from foedus.log.documents import PART_BYTES
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.limits import DOCUMENT_BYTES_MAX
from foedus.state.documents.replica import Replica, Yjs
from foedus.state.documents.update import EMPTY, Reach, clocks, reach

UPDATE = "document.update"


class Part(NamedTuple):
    """One ``document.update`` as it stands in the log. ``number`` from 0, of ``parts``."""

    name: str
    epoch: bytes
    seq: int
    author: str
    number: int
    parts: int
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
        self.bytes_taken = 0
        """Bytes of the updates since it was last measured: no less than what it takes."""

    def state_vector(self) -> bytes:
        """Return what it has, as Yjs says it."""
        return self._replica.state_vector()

    def beyond(self, state_vector: bytes) -> bytes:
        """Return as an update what it has beyond a state vector that was checked."""
        return self._replica.beyond(state_vector)

    def whole(self) -> bytes:
        """Return all of it as one update."""
        return self._replica.whole()

    def is_full(self) -> bool:
        """Whether its state takes more than DOCUMENT_BYTES_MAX."""
        if self.bytes_taken > DOCUMENT_BYTES_MAX:
            self.bytes_taken = len(self.whole()) + self._waiting_bytes
        return self.bytes_taken > DOCUMENT_BYTES_MAX

    def take(self, update: bytes) -> list[bytes]:
        """Take in an update; return those that count with it, none where it waits. Raise BadUpdate where it is none."""
        found = reach(update)
        self.bytes_taken += len(update)
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
        self._waiting.setdefault(client, []).append((update, found))
        self._waiting_bytes += len(update)

    def _applied(self, update: bytes, found: Reach) -> set[int]:
        """Take in an update that needs nothing more; return the clients of which more is held now."""
        try:
            self._replica.apply(update)
        except BadUpdate:
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
    """The documents of one room by name."""

    def __init__(self, make: Callable[[], Replica] = Yjs) -> None:
        self.documents: dict[str, Document] = {}
        self._make = make
        self._waiting: dict[bytes, list[Part]] = {}
        """By epoch, the parts of an update that is not whole yet: one for each chain, since nothing stands between."""

    def take(self, part: Part) -> list[tuple[str, bytes]]:
        """Take in a part; return the document's name with each update that counts with it.

        None does while an update is not whole, or stands on another one that is not here.
        """
        update = self._whole(part)
        if update is None:
            return []
        try:
            document = self.documents.get(part.name) or Document(self._make())
            counted = document.take(update)
        except BadUpdate:
            return []  # a hostile node's: it is no update anywhere
        self.documents[part.name] = document
        return [(part.name, each) for each in counted]

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
