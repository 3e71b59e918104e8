"""What was admitted but is not yet durable, and what is: one view of both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TypeVar

from foedus.log.chains import ChainKey
from foedus.log.erasures import ERASERS
from foedus.log.event import Envelope
from foedus.log.port import Entry, EventLog, Row, VerdictChange

_PAGE = 500
"""Rows read at a time: they are held in memory together."""
_NO_CUT = 1 << 62
Held = TypeVar("Held", Entry, Row)


class Staged:
    """The log, seen as if all that was admitted were stored."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._entries: dict[bytes, Entry] = {}
        self._asides: dict[bytes, Entry] = {}
        self._chains: dict[ChainKey, dict[int, bytes]] = {}
        self._cut: dict[ChainKey, int] = {}
        self._judged: OrderedDict[bytes, tuple[int, VerdictChange]] = OrderedDict()
        self._numbers: dict[bytes, int] = {}
        self._last = 0

    def add(self, entry: Entry) -> None:
        """Stage an event that was admitted."""
        self._last += 1
        event_id, epoch, stream, seq = entry[:4]
        self._entries[event_id] = entry
        self._numbers[event_id] = self._last
        places = self._chains.get((epoch, stream))
        if places is None:
            places = self._chains[epoch, stream] = {}
        places[seq] = event_id

    def set_aside(self, entry: Entry) -> None:
        """Stage an event of another branch than its chain holds."""
        self._asides[entry.id] = entry

    def judge(self, held: Entry | Row, change: VerdictChange) -> None:
        """Give a held event another verdict. That is remembered until it must be durable, too.

        A staged event becomes durable with its first verdict, before this one does.
        """
        if isinstance(held, Entry):
            self._entries[held.id] = _changed(held, change)
        self._last += 1
        self._judged[held.id] = (self._last, change._replace(withheld=change.withheld or held.withheld))
        self._judged.move_to_end(held.id)

    def fill(self, held: Entry, envelope: Envelope) -> None:
        """Give a staged event the body that came later."""
        entries = self._entries if held.id in self._entries else self._asides
        entries[held.id] = held._replace(envelope=envelope)

    def cut(self, key: ChainKey, from_seq: int) -> None:
        """Let what is durable of a chain from ``from_seq`` on leave it. An event at that seq must be staged next."""
        self._cut[key] = from_seq

    def settled(self, entries: Iterable[Entry], asides: Iterable[Entry]) -> None:
        """Let go of what is durable now, and of the verdicts and cuts that were to be stored before it."""
        for entry in asides:
            self._asides.pop(entry.id, None)
        for entry in entries:
            event_id, epoch, stream, seq = entry[:4]
            number = self._numbers.pop(event_id, None)
            if number is None:
                continue
            del self._entries[event_id]
            key = (epoch, stream)
            places = self._chains[key]
            del places[seq]
            if not places:
                del self._chains[key]
            if self._cut and self._cut.get(key) == seq:
                del self._cut[key]
            while self._judged and next(iter(self._judged.values()))[0] < number:
                self._judged.popitem(last=False)

    def holds_from(self, key: ChainKey, seq: int) -> bool:
        """Whether events of a chain from ``seq`` on are staged."""
        return any(place >= seq for place in self._chains.get(key, ()))

    def get(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event, also one that left its chain."""
        entry = self._entries.get(event_id) or self._asides.get(event_id)
        if entry is not None:
            return entry
        row = self._log.by_ids([event_id]).get(event_id)
        return None if row is None else self._current(row)

    def unheld(self, ids: list[bytes]) -> list[bytes]:
        """Return those of ``ids`` that are of no held event."""
        unstaged = [event_id for event_id in ids if event_id not in self._entries and event_id not in self._asides]
        durable = self._log.by_ids(unstaged) if unstaged else {}
        return [event_id for event_id in unstaged if event_id not in durable]

    def is_staged(self, event_id: bytes) -> bool:
        """Whether an event is admitted and not durable yet."""
        return event_id in self._entries

    def uses(self, key: ChainKey, device: bytes, nonce: bytes) -> bool:
        """Whether a durable event of a chain has this (device, nonce)."""
        return 0 < self._log.nonce_seq(*key, device, nonce) < self._cut.get(key, _NO_CUT)

    def eraser(self, event_id: bytes) -> bytes | None:
        """Return which erase at rest took an event's body."""
        found = self._log.values_between(ERASERS, event_id, event_id + b"\x00")
        return next(iter(found.values()), None)

    def _current(self, row: Row) -> Row:
        judged = self._judged.get(row.id)
        return row if judged is None else _changed(row, judged[1])

    def in_place(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event that stands in its chain."""
        held = self.get(event_id)
        if held is None or event_id in self._entries:
            return held
        if isinstance(held, Entry):
            return None
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
            yield from (self._current(row) for row in rows if row.id not in self._entries and row.seq <= last)
            after = rows[-1].seq
        yield from staged


def _changed(held: Held, change: VerdictChange) -> Held:
    """Return a held event as it is judged now."""
    withheld = change.withheld or held.withheld
    return held._replace(verdict=change.verdict, reason=change.reason, withheld=withheld)
