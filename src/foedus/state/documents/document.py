"""One document as the updates that were taken in make it, whatever their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from foedus.state.documents.errors import HARMFUL, BadUpdate
from foedus.state.documents.limits import DOCUMENT_BYTES_MAX
from foedus.state.documents.replica import Replica, Unheld, Yjs
from foedus.state.documents.update import EMPTY, Reach, clocks, reach
from foedus.state.documents.waiting import Waiting


class Document:
    """A document as the updates that were taken in make it, whatever their order.

    An update that stands on what is not held waits here until that comes: yrs would keep it, too, and lose some.
    """

    def __init__(self, replica: Replica | None = None) -> None:
        self._replica: Replica = Yjs() if replica is None else replica
        self._held: dict[int, int] = {}
        """Of each Yjs client: up to which clock something is held. What ``state_vector`` says."""
        self._waiting = Waiting()
        self._is_harmed = False
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
            self.bytes_taken = len(self.whole())  # what waits is bounded beside it, and closes nobody's document
        return self.may_be_full(more)

    def kept(self) -> tuple[bytes, ...] | None:
        """Return updates that make the same document: what is held, then what waits. None where something is not here.

        Something is not here where more waited than is kept waiting.
        """
        if self._is_harmed or self._waiting.has_let_go:
            return None
        return (self.whole(), *self._waiting.updates())

    @property
    def may_recover(self) -> bool:
        """Whether something that was let go, since too much waited, could be taken in now: all is to be taken anew."""
        return self._waiting.may_recover

    def begin_again(self) -> None:
        """Forget what was let go: all that there is will be taken once more."""
        self._waiting.begin_again()

    def take(self, update: bytes, found: Reach | None = None, source: bytes = b"") -> list[bytes]:
        """Take in an update; return those that count with it, none where it waits. Raise BadUpdate where it is none.

        ``found``: what ``reach`` returned of it, where it was asked already. ``source``: the epoch of its chain.
        """
        found = reach(update) if found is None else found
        self.bytes_taken += len(update)
        if isinstance(self._replica, Unheld):
            self._replica.apply(update)
            return [update]
        lacking = self._lacking(found)
        if lacking is not None:
            self._waiting.put(lacking, update, found, source)
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

    def _applied(self, update: bytes, found: Reach) -> set[int]:
        """Take in an update that needs nothing more; return the clients of which more is held now."""
        try:
            self._replica.apply(update)
        except BadUpdate as error:
            self._is_harmed |= error.code == HARMFUL
            self._held = clocks(self.state_vector())  # some of it may be in
            raise
        moved = {client for client, clock in found.ends.items() if clock > self._held.get(client, 0)}
        self._held.update((client, found.ends[client]) for client in moved)
        self._waiting.came({client: found.ends[client] for client in moved})
        return moved

    def _released(self, moved: set[int]) -> Iterator[tuple[bytes, Reach]]:
        """Yield what waited for one of ``moved``, and needs nothing more; take that client out."""
        for update, found, source in self._waiting.take_out(moved.pop()):
            lacking = self._lacking(found)
            if lacking is None:
                yield update, found
            else:
                self._waiting.put(lacking, update, found, source)

    def has(self, update: bytes, ends: dict[int, int]) -> bool:
        """Whether an update brings nothing: clients repeat all that was ever deleted when they connect.

        ``ends``: what ``update.check`` returned of it.
        """
        if update == EMPTY or any(clock > self._held.get(client, 0) for client, clock in ends.items()):
            return update == EMPTY
        return not self._replica.is_changed_by(update)
