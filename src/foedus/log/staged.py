"""What was admitted but is not yet durable, and what is: one view of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from foedus.log.chains import ChainKey
from foedus.log.port import Entry, EventLog, Row

_PAGE = 500
"""Rows read at a time: they are held in memory together."""
_NO_CUT = 1 << 62


class Staged:
    """The log, seen as if all that was admitted were stored."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._entries: dict[bytes, Entry] = {}
        self._chains: dict[ChainKey, dict[int, bytes]] = {}
        self._cut: dict[ChainKey, int] = {}

    def add(self, entry: Entry) -> None:
        """An event was admitted, or a staged one was judged anew."""
        self._entries[entry.id] = entry
        self._chains.setdefault((entry.epoch, entry.stream), {})[entry.seq] = entry.id

    def cut(self, key: ChainKey, from_seq: int) -> None:
        """What is durable of a chain from ``from_seq`` on leaves it. An event at that seq must be staged next."""
        self._cut[key] = from_seq

    def settled(self, entries: Iterable[Entry]) -> None:
        """These are durable, and with them the cut that was committed with them."""
        for entry in entries:
            if self._entries.pop(entry.id, None) is None:
                continue
            key = (entry.epoch, entry.stream)
            places = self._chains[key]
            del places[entry.seq]
            if not places:
                del self._chains[key]
            if self._cut.get(key) == entry.seq:
                del self._cut[key]

    def holds_from(self, key: ChainKey, seq: int) -> bool:
        """Whether events of a chain from ``seq`` on are staged."""
        return any(place >= seq for place in self._chains.get(key, ()))

    def get(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event, also one that left its chain."""
        return self._entries.get(event_id) or self._log.by_ids([event_id]).get(event_id)

    def in_place(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event that stands in its chain."""
        held = self.get(event_id)
        if held is None or isinstance(held, Entry):
            return held
        stands = held.local > 0 and held.seq < self._cut.get((held.epoch, held.stream), _NO_CUT)
        return held if stands else None

    def at(self, key: ChainKey, seq: int) -> Entry | Row | None:
        """Return what stands at a place of a chain."""
        return next(self.span(key, seq, seq), None)

    def span(self, key: ChainKey, from_seq: int, to_seq: int) -> Iterator[Entry | Row]:
        """Yield a chain's events from ``from_seq`` to ``to_seq``."""
        places = self._chains.get(key, {})
        staged = [self._entries[places[seq]] for seq in sorted(places) if from_seq <= seq <= to_seq]
        after, last = from_seq - 1, min(to_seq, self._cut.get(key, _NO_CUT) - 1)
        while after < last and (rows := self._log.chain(*key, after, min(_PAGE, last - after))):
            yield from (row for row in rows if row.id not in self._entries)
            after = rows[-1].seq
        yield from staged
