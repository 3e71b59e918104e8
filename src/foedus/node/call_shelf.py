"""How much is kept of calls, and which go where there is no room: the oldest that are over, of whoever has too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice, takewhile
from typing import NamedTuple, TypeAlias

from foedus.base.clock import Instant
from foedus.query.limits import SKEW_MAX

Who: TypeAlias = tuple[bytes, str]
"""The calling node, and the participant there, '' where the node calls."""


class Bounds(NamedTuple):
    """At most so many bytes of one participant, and bytes and calls altogether."""

    of_one: int
    of_all: int
    calls: int


class Item(NamedTuple):
    """What is accounted of a call. ``size``: bytes, with what may still come where it is not over."""

    who: Who
    size: int
    deadline: Instant
    is_over: bool


class Shelf:
    """Accounts only; who asks it does what it says. The order in which calls are over is the order in which they go."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._items: dict[bytes, Item] = {}
        self._bytes: Counter[Who] = Counter()
        self._total = 0
        self._over: dict[bytes, None] = {}
        self._over_of: dict[Who, dict[bytes, None]] = {}

    @property
    def total(self) -> int:
        """Bytes of all calls."""
        return self._total

    def put(self, call: bytes, item: Item) -> None:
        """Account a call, or what became of it."""
        before = self._items.get(call)
        was_over = before is not None and before.is_over
        if before is not None:
            self._count(before, -1)
        self._items[call] = item
        self._count(item, 1)
        if item.is_over and not was_over:
            self._over[call] = None
            self._over_of.setdefault(item.who, {})[call] = None

    def drop(self, call: bytes) -> None:
        """Account that a call is forgotten."""
        item = self._items.pop(call)
        self._count(item, -1)
        self._over.pop(call, None)
        mine = self._over_of.get(item.who, {})
        mine.pop(call, None)
        if not mine:
            self._over_of.pop(item.who, None)

    def _count(self, item: Item, sign: int) -> None:
        self._total += sign * item.size
        self._bytes[item.who] += sign * item.size
        if not self._bytes[item.who]:
            del self._bytes[item.who]

    def old(self, before: Instant, most: int) -> list[bytes]:
        """Return the calls that came first, as long as their deadline was before that time, at most so many."""
        past = takewhile(lambda call: self._items[call].deadline < before, self._items)
        return list(islice(past, most))

    def room_for(self, item: Item, now: Instant) -> list[bytes] | None:
        """Return the calls that have to go before a new one fits, None where even that is not enough."""
        gone: dict[bytes, None] = {}
        of_one = self._bytes[item.who] + item.size - self._bounds.of_one
        for call in chain(self._over_of.get(item.who, ()), self._silent(now, item.who)):
            if of_one <= 0:
                break
            gone[call] = None
            of_one -= self._items[call].size
        of_all = self._total + item.size - self._bounds.of_all - sum(self._items[call].size for call in gone)
        calls = len(self._items) + 1 - self._bounds.calls - len(gone)
        for call in chain(self._over, self._silent(now, None)):
            if of_all <= 0 and calls <= 0:
                break
            if call not in gone:
                gone[call] = None
                of_all -= self._items[call].size
                calls -= 1
        return None if max(of_one, of_all, calls) > 0 else list(gone)

    def _silent(self, now: Instant, who: Who | None) -> Iterator[bytes]:
        """Yield the calls whose deadline has passed without a word: those made here, of a node that is gone."""
        for call, item in self._items.items():
            if not item.is_over and item.deadline + SKEW_MAX < now and who in {None, item.who}:
                yield call
