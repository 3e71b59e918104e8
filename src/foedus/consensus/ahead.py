"""What came for views that are not open here yet: it waits, a bounded number of messages and bytes of each member."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from foedus.consensus.membership import WINDOW_MAX
from foedus.consensus.messages import Proposal, Vote
from foedus.consensus.updates import BATCH_BYTES_MAX, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

AHEAD_MAX = 2 * WINDOW_MAX
"""Messages of one member: two for each place."""
AHEAD_BYTES_MAX = 16 * BATCH_BYTES_MAX
"""Of the batches of one member: twice what a leader has under way. What is dropped is said again when it is missed."""

_Word: TypeAlias = tuple[str, int, int, bytes]


class Ahead:
    """By whoever signed it. What is said again, by whomever, takes no place of other words."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[_Word, Vote | Proposal]] = {}
        self._bytes: dict[int, int] = {}

    def add(self, message: Vote | Proposal) -> None:
        """Keep a message, and of its member the newest that there is room for."""
        vote = message.vote if isinstance(message, Proposal) else message
        waiting = self._waiting.setdefault(vote.member, {})
        word = (vote.phase, vote.view, vote.sequence, vote.digest)
        if word in waiting:
            return
        waiting[word] = message
        size = self._bytes.get(vote.member, 0) + _size(message)
        while len(waiting) > AHEAD_MAX or size > AHEAD_BYTES_MAX:
            size -= _size(waiting.pop(next(iter(waiting))))
        self._bytes[vote.member] = size

    def take(self) -> Iterator[Vote | Proposal]:
        """Return all of it, in the order in which each member's came, and keep nothing."""
        waiting, self._waiting, self._bytes = self._waiting, {}, {}
        return (message for words in waiting.values() for message in words.values())


def _size(message: Vote | Proposal) -> int:
    batch: Batch | None = message.batch if isinstance(message, Proposal) else None
    return batch.size if batch is not None else 0
