"""What became durable goes out from here: to local subscribers, and to links through the recent envelopes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from foedus.base.limits import RECENT_BYTES_MAX, SSE_QUEUE_MAX
from foedus.log.chains import ChainKey
from foedus.log.port import Commit, Committed, Entry, Row, Verdict

log = logging.getLogger("foedus.publisher")


_NOTHING = Commit()


class Published(NamedTuple):
    """The rows of one commit, in local order, the commit, and the peer that brought it (None: this node)."""

    rows: Sequence[Row]
    commit: Commit
    carrier: bytes | None
    chains: Mapping[ChainKey, Sequence[Row]]
    """The same rows by chain: most commits are of one, and most listeners need no more than its end."""
    kinds: frozenset[str]
    """The kinds among them, for listeners that seek rare ones."""


def published_of(rows: Sequence[Row], commit: Commit, carrier: bytes | None) -> Published:
    """Sort the rows of a commit, once for all listeners."""
    chains: dict[ChainKey, list[Row]] = {}
    for row in rows:
        key = row[2:4]
        if key in chains:
            chains[key].append(row)
        else:
            chains[key] = [row]
    return Published(rows, commit, carrier, chains, frozenset([row.kind for row in rows]))


class Recent:
    """Envelopes just admitted, by chain: what live push sends without reading the disk. Bounded by bytes."""

    def __init__(self, limit: int = RECENT_BYTES_MAX) -> None:
        self._limit = limit
        self._bytes = 0
        self._chains: dict[ChainKey, deque[tuple[int, bytes]]] = {}
        self._order: deque[ChainKey] = deque()

    def add(self, row: Row, data: bytes) -> None:
        """Keep an envelope's bytes at the end of its chain."""
        key = (row.epoch, row.stream)
        chain = self._chains.setdefault(key, deque())
        if chain and chain[-1][0] + 1 != row.seq:
            self.forget(key)
            chain = self._chains.setdefault(key, deque())
        chain.append((row.seq, data))
        self._order.append(key)
        self._bytes += len(data)
        while self._bytes > self._limit:
            self._evict()

    def _evict(self) -> None:
        key = self._order.popleft()
        chain = self._chains.get(key)
        if chain:
            self._bytes -= len(chain.popleft()[1])
            if not chain:
                del self._chains[key]

    def forget(self, key: ChainKey) -> None:
        """Drop a chain: its end was replaced."""
        for _, data in self._chains.pop(key, ()):
            self._bytes -= len(data)

    def after(self, key: ChainKey, seq: int, limit: int, max_bytes: int) -> list[tuple[int, bytes]] | None:
        """Return up to ``limit`` entries after ``seq``, or None where they must be read from the log."""
        chain = self._chains.get(key)
        if not chain or chain[0][0] > seq + 1 or chain[-1][0] <= seq:
            return None
        start = seq + 1 - chain[0][0]
        found: list[tuple[int, bytes]] = []
        size = 0
        for index in range(start, min(len(chain), start + limit)):
            size += len(chain[index][1])
            found.append(chain[index])
            if size >= max_bytes:
                break
        return found


class Subscription:
    """One local reader's bounded queue. A reader that falls behind is told so and resumes from its cursor."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Row] = asyncio.Queue(SSE_QUEUE_MAX)
        self.lost = False

    def offer(self, row: Row) -> None:
        """Hand over a row; note the loss where the reader does not keep up."""
        if self.lost:
            return
        try:
            self._queue.put_nowait(row)
        except asyncio.QueueFull:
            self.lost = True

    async def rows(self) -> AsyncIterator[Row]:
        """Yield rows until the reader fell behind and has read what was queued before."""
        while not (self.lost and self._queue.empty()):
            yield await self._queue.get()


class Publisher:
    """Fans out what became durable, in the order of the local numbers."""

    def __init__(self) -> None:
        self.recent = Recent()
        self.listeners: list[Callable[[Published], None]] = []
        """Called as the commit is published: what decides who sees what, and sends it."""
        self.bookkeepers: list[Callable[[Published], None]] = []
        """Called a moment later, when readers and links have had it: what only takes note."""
        self.is_pushed_on: Callable[[bytes | None], bool] = lambda _carrier: True
        """Whether somebody but the carrier may want what is published: else ``recent`` need not hold it."""
        self._subscriptions: set[Subscription] = set()

    def subscribe(self) -> Subscription:
        """Start to queue rows for a local reader; ``unsubscribe`` when it leaves."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a reader."""
        self._subscriptions.discard(subscription)

    def publish(
        self, commit: Commit, committed: Committed, encoded: Mapping[bytes, bytes], carrier: bytes | None
    ) -> Published:
        """Make a durable commit visible. ``encoded``: event id → envelope bytes, where they are at hand.

        ``keep_books`` is to be called with what this returns, soon after.
        """
        rows = [_row(entry, local) for local, entry in enumerate(commit.entries, committed.first_local)]
        for index in committed.replayed:
            rows[index] = rows[index]._replace(verdict=Verdict.REJECTED, reason="replayed_nonce")
        for truncation in commit.truncations:
            self.recent.forget((truncation.epoch, truncation.stream))
        if self.is_pushed_on(carrier):
            for row in rows:
                self.recent.add(row, encoded.get(row.id) or row.envelope.encode())
        for subscription in self._subscriptions:
            for row in rows:
                subscription.offer(row)
        published = published_of(rows, commit, carrier)
        _tell(self.listeners, published)
        return published

    def keep_books(self, published: Published) -> None:
        """Let the bookkeepers take note of what was published; of a part's own values there is nothing to note."""
        if published.commit._replace(values=()) != _NOTHING:
            _tell(self.bookkeepers, published)


def _tell(listeners: Sequence[Callable[[Published], None]], published: Published) -> None:
    for listener in listeners:
        try:
            listener(published)
        except Exception:  # a mistake of ours; who waits for what is durable must not wait for ever
            log.exception("what became durable was not passed on")


def _row(entry: Entry, local: int) -> Row:
    """Return an entry as it is stored: without device and nonce."""
    return tuple.__new__(Row, (local, *entry[:6], *entry[8:]))  # past the class, for every event
