"""Updates that wait to be made, first come first served."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from foedus.consensus.updates import BATCH_BYTES_MAX, BATCH_UPDATES_MAX, Batch, Update

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

PENDING_MAX = 4_096
PENDING_PER_AUTHOR = 1_024
"""Some seconds of work; one author leaves room for others. Beyond, an update is not taken: its author tries again."""


class Pending:
    """The updates that this replica knows and nobody has made."""

    def __init__(self) -> None:
        self._updates: dict[bytes, Update] = {}
        self._by_author: dict[str, int] = {}
        self._ends: list[tuple[int, bytes]] = []
        """A heap of when each can no longer be made; what was made meanwhile stays in it until then."""

    def __len__(self) -> int:
        return len(self._updates)

    def __contains__(self, update_id: bytes) -> bool:
        return update_id in self._updates

    def __iter__(self) -> Iterator[Update]:
        return iter(self._updates.values())

    def add(self, update: Update) -> bool:
        """Take in an update; return whether it is held now."""
        if update.id in self._updates:
            return True
        count = self._by_author.get(update.author, 0)
        if len(self._updates) >= PENDING_MAX or count >= PENDING_PER_AUTHOR:
            return False
        self._updates[update.id] = update
        self._by_author[update.author] = count + 1
        heappush(self._ends, (update.until, update.id))
        return True

    def oldest(self) -> bytes | None:
        """Return the id of what has waited longest."""
        return next(iter(self._updates), None)

    def drop(self, updates: Iterable[Update]) -> None:
        """Forget these, where they are held."""
        for update in updates:
            if self._updates.pop(update.id, None) is None:
                continue
            left = self._by_author[update.author] - 1
            if left:
                self._by_author[update.author] = left
            else:
                del self._by_author[update.author]

    def expire(self, sequence: int) -> None:
        """Forget what can no longer be made after a place."""
        while self._ends and self._ends[0][0] <= sequence:
            update = self._updates.get(heappop(self._ends)[1])
            if update is not None:
                self.drop([update])

    def batch(self, under_way: Container[bytes]) -> Batch | None:
        """Return the next batch of what is not under way; None where nothing is."""
        chosen: list[Update] = []
        size = 0
        for update in self._updates.values():
            if update.id in under_way:
                continue
            size += len(update.encoded)
            if len(chosen) == BATCH_UPDATES_MAX or size > BATCH_BYTES_MAX:
                break
            chosen.append(update)
        return Batch.of(chosen) if chosen else None
