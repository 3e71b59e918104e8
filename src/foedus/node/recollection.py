"""What the newest events of the log say, by word and by what they cite: for questions, made when the first one comes.

It is read from the log page by page whenever a question comes, and never while events are taken in: who asks nothing
pays nothing. Beyond EVENTS_MAX the oldest are forgotten here, and answers say that they are partial.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from math import log2
from typing import NamedTuple

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.clock import Hlc
from foedus.log.bodies import MessageText
from foedus.log.event import read_event
from foedus.log.port import Row
from foedus.node.publisher import Published
from foedus.node.store import Store

EVENTS_MAX = 20_000
"""Newest events that are remembered: some 40 MB where all are messages of twenty words."""
WORDS_MAX = 256
"""Different words of one message that are remembered: longer ones are documents."""
_PAGE = 200
"""Rows read before others get the event loop: 3 ms."""
_FEW = 100
"""Of equal messages that are found without sorting all: mostly more than are asked for."""
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Return the different words of a text, in their order, without case."""
    return list(dict.fromkeys(_WORD.findall(text.casefold())))


class _Entry(NamedTuple):
    id: bytes
    hlc: Hlc
    words: list[str]
    refs: tuple[bytes, ...]


class Recollection:
    """An index over the newest events. Ids alone: whether and how an event counts, the log says when it is shown."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()
        store.on_reload.append(self._forget_all)
        store.publisher.bookkeepers.append(self._published)
        self._forget_all()

    def _forget_all(self) -> None:
        self._upto = 0
        self.is_partial = False
        """Whether events were passed over or forgotten."""
        self._order: deque[bytes] = deque()
        self._entries: dict[bytes, _Entry] = {}
        self._by_word: defaultdict[str, set[bytes]] = defaultdict(set)
        self._citing: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._messages = 0

    async def catch_up(self) -> None:
        """Read what is new in the log."""
        async with self._reading:
            behind = self._store.log.last_local - self._upto
            if behind > EVENTS_MAX:
                self._upto += behind - EVENTS_MAX
                self.is_partial = True
            while self._upto < (last := self._store.log.last_local):
                rows = self._store.log.since(self._upto, _PAGE)
                for row in rows:
                    self._add(row)
                self._upto = rows[-1].local if rows else last  # the last ones may be gone
                await asyncio.sleep(0)

    def _add(self, row: Row) -> None:
        words: list[str] = []
        if row.kind == "message.text" and row.envelope.body is not None:
            try:
                words = words_of(decode_as(row.envelope.body, MessageText).text)[:WORDS_MAX]
            except (NotCanonical, Malformed):
                words = []
        refs = read_event(row.envelope).act.refs
        if not words and not refs:
            return
        for word in words:
            self._by_word[word].add(row.id)
        for ref in refs:
            self._citing[ref].add(row.id)
        self._messages += bool(words)
        self._order.append(row.id)
        self._entries[row.id] = _Entry(row.id, row.hlc, words, refs)
        if len(self._order) > EVENTS_MAX:
            self.is_partial = True
            self._forget(self._order.popleft())

    def _published(self, published: Published) -> None:
        """Forget at once what was erased, and everything where retention dropped a part of the log.

        A body that comes late, or again since nothing explains any more that it went, is read.
        """
        if published.commit.gaps:
            self._forget_all()
        for event in published.commit.drops:
            self._forget(event)
        late = [fill.id for fill in published.commit.bodies] if self._upto else []
        for row in self._store.log.by_ids(late).values() if late else ():
            if 0 < row.local <= self._upto:
                self._forget(row.id)
                self._add(row)

    def _forget(self, event: bytes) -> None:
        entry = self._entries.pop(event, None)
        if entry is None:
            return
        self._messages -= bool(entry.words)
        for index, keys in ((self._by_word, entry.words), (self._citing, entry.refs)):
            for key in keys:
                held = index[key]  # type: ignore[index]  # words index by word, refs by id
                held.discard(entry.id)
                if not held:
                    del index[key]  # type: ignore[arg-type]  # as above

    def citing(self, event: bytes) -> set[bytes]:
        """Return the ids of events that cite an event as their cause."""
        return self._citing.get(event, set())

    def best_first(self, text: str) -> Iterator[tuple[bytes, int]]:
        """Yield messages that share words with a text, with scores in millionths: the rarer the words, the higher.

        The highest first, then the latest. Nothing is awaited while it is read.
        """
        weights = {word: self._weight(word) for word in words_of(text)}
        whole = sum(weights.values()) or 1
        ranked = sorted(((self._by_word.get(word, set()), weight) for word, weight in weights.items()), key=_size)
        if not ranked:
            return
        common, least = ranked.pop()
        scores = self._scores(ranked)
        by_score: defaultdict[int, list[bytes]] = defaultdict(list)
        for event, score in scores.items():
            by_score[(score + least * (event in common)) * 1_000_000 // whole].append(event)
        alone = least * 1_000_000 // whole  # what has the commonest word only: nearly all, and seldom asked for
        for score in sorted(by_score.keys() | {alone}, reverse=True):
            events = [*by_score[score], *(common.difference(scores) if score == alone else ())]
            yield from ((event, score) for event in self._latest_first(events))

    def _scores(self, found: Sequence[tuple[set[bytes], int]]) -> dict[bytes, int]:
        """Return the sum of the weights of each message. ``found``: messages with a word, and its weight."""
        scores: dict[bytes, int] = {}
        for events, weight in found:
            for event in events:
                scores[event] = scores.get(event, 0) + weight
        return scores

    def _latest_first(self, events: list[bytes]) -> Iterator[bytes]:
        """Yield ids, the latest first. Few are mostly wanted: the others are sorted when those are told."""

        def order(event: bytes) -> tuple[int, int, bytes]:
            hlc = self._entries[event].hlc
            return -hlc.us, -hlc.counter, event

        few = heapq.nsmallest(_FEW, events, key=order)
        yield from few
        if len(events) > len(few):
            yield from sorted(set(events) - set(few), key=order)

    def _weight(self, word: str) -> int:
        """Return what a word weighs (inverse document frequency), in thousandths."""
        return round(1000 * log2(1 + (1 + self._messages) / (1 + len(self._by_word.get(word, ())))))


def _size(found: tuple[set[bytes], int]) -> int:
    return len(found[0])
