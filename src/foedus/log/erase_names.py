"""What erasures name: by event, all that name it, and the first of those that count, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from foedus.log.erasures import Erase

Takes: TypeAlias = Callable[["Erase"], bool]
"""Whether an erase that counts may take the body of the event in question: it may for ever, or never."""


class _Several:
    """The erasures of one event that has more than one. ``queue``: those that counted once, by (clock, id)."""

    __slots__ = ("held", "queue")

    def __init__(self) -> None:
        self.held: dict[bytes, Erase] = {}
        self.queue: list[tuple[int, bytes]] = []

    def enqueue(self, erase: Erase) -> None:
        heappush(self.queue, (erase.act.at, erase.id))
        if len(self.queue) > 2 * len(self.held):  # verdicts went to and fro
            self.queue = [(one.act.at, one.id) for one in self.held.values() if one.counts]
            heapify(self.queue)

    def first(self, takes: Takes) -> Erase | None:
        while self.queue:
            erase = self.held.get(self.queue[0][1])
            if erase is not None and erase.counts and takes(erase):
                return erase
            heappop(self.queue)  # it comes again if it counts again
        return None


class EraseNames:
    """Nearly every event that is erased is erased once: then its name leads to that erase and to nothing else."""

    def __init__(self) -> None:
        self._of: dict[bytes, Erase | _Several] = {}

    def __contains__(self, target: bytes) -> bool:
        return target in self._of

    def add(self, erase: Erase) -> None:
        """Take in all that an erase names."""
        for target in erase.targets:
            held = self._of.setdefault(target, erase)
            if held is erase:
                continue
            if not isinstance(held, _Several):
                several = self._of[target] = _Several()
                _put(several, held)
                held = several
            _put(held, erase)

    def is_alone(self, target: bytes) -> bool:
        """Whether just one erase names an event."""
        return not isinstance(self._of.get(target), _Several | None)

    def remove(self, erase: Erase) -> None:
        """Let go of what an erase names."""
        for target in erase.targets:
            held = self._of[target]
            if isinstance(held, _Several):
                del held.held[erase.id]
            if not isinstance(held, _Several) or not held.held:
                del self._of[target]

    def counts(self, erase: Erase) -> None:
        """Take note that an erase counts from now on."""
        for target in erase.targets:
            held = self._of[target]
            if isinstance(held, _Several):
                held.enqueue(erase)

    def first(self, target: bytes, takes: Takes) -> Erase | None:
        """Return the erase with the smallest (clock, id) of those that count and take the event."""
        held = self._of.get(target)
        if held is None or isinstance(held, _Several):
            return None if held is None else held.first(takes)
        return held if held.counts and takes(held) else None


def _put(several: _Several, erase: Erase) -> None:
    several.held[erase.id] = erase
    if erase.counts:
        several.enqueue(erase)
