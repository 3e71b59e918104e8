"""Events that wait for an event which they cite, by what they wait for: its coming judges exactly those anew."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import NamedTuple

from foedus.base.limits import PENDING_MAX


class Place(NamedTuple):
    """Where a waiting event stands."""

    epoch: bytes
    stream: str
    seq: int


class Waiting:
    """An index of at most PENDING_MAX entries for each epoch of a node, so that no node's junk displaces another's.

    Admission puts off what would exceed the bound; what stands in the log already is always taken.
    """

    def __init__(self) -> None:
        self._by_id: dict[bytes, dict[Place, None]] = {}
        self._counts: defaultdict[bytes, int] = defaultdict(int)

    def is_full(self, epoch: bytes) -> bool:
        """Whether events of this epoch may not wait for anything more."""
        return self._counts.get(epoch, 0) >= PENDING_MAX

    def add(self, cited: bytes, place: Place) -> None:
        """Remember that the event at ``place`` waits for ``cited``."""
        places = self._by_id.setdefault(cited, {})
        if place not in places:
            places[place] = None
            self._counts[place.epoch] += 1

    def is_awaited(self, event_id: bytes) -> bool:
        """Whether anything waits for an event."""
        return event_id in self._by_id

    def some(self, most: int) -> list[bytes]:
        """Return some of the ids that are waited for: those that this has not returned for longest."""
        found = list(islice(self._by_id, most))
        self._by_id |= {cited: self._by_id.pop(cited) for cited in found}
        return found

    def release(self, cited: bytes) -> list[Place]:
        """Return what waited for ``cited``, and forget it."""
        places = self._by_id.pop(cited, {})
        for place in places:
            self._counts[place.epoch] -= 1
        return list(places)
