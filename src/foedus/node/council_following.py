"""Who follows what a council makes at this node: from which place on, and how far that is durable here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from foedus.base.errors import UsageError

PAGE_PLACES = 16
"""Places that a follower reads at once, in a worker thread: 2,048 updates at most."""
_CURSOR = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?", re.ASCII)
_WHOLE = 1_000
"""Beyond all positions of a batch."""


class After(NamedTuple):
    """What a follower has seen: all before this place, and at it the updates up to this position."""

    sequence: int
    position: int = _WHOLE


def read_cursor(cursor: str) -> After:
    """Return where to go on after a cursor, ``PLACE`` or ``PLACE.POSITION``; '' is the beginning."""
    if not cursor:
        return After(0)
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise UsageError("that is no place of a council", code="bad_cursor", remedy="take it from an earlier answer")
    place, position = found.groups()
    return After(int(place), _WHOLE if position is None else int(position))


class Following:
    """One per council, through all epochs, on the event loop's thread. Nothing is queued: each reads from the disk."""

    def __init__(self) -> None:
        self.made = 0
        """The last place whose batch this node made and holds durably; what it was given as a state it never made."""
        self._readers: set[asyncio.Event] = set()

    def reached(self, sequence: int) -> None:
        """Take note that all up to a place is durable, and tell who follows."""
        self.made = max(self.made, sequence)
        for news in self._readers:
            news.set()

    @contextmanager
    def reading(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever more is durable; the reader clears it."""
        news = asyncio.Event()
        self._readers.add(news)
        try:
            yield news
        finally:
            self._readers.discard(news)
