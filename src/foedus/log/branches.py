"""Branches that an owner chose and that we do not hold: collected by id, from their tip back to the fork."""

from __future__ import annotations

from collections import OrderedDict

from foedus.base.clock import ZERO
from foedus.base.limits import WAITING_BYTES_MAX, WAITING_EVENTS_MAX
from foedus.log.event import Parsed
from foedus.log.port import Entry, Row


class _OfNode:
    """What is wanted and what has come of one node's branches, oldest first."""

    def __init__(self) -> None:
        self.wanted: OrderedDict[bytes, None] = OrderedDict()
        self.kept: OrderedDict[bytes, Parsed] = OrderedDict()
        self.bytes = 0

    def keep(self, parsed: Parsed) -> None:
        self.kept[parsed.id] = parsed
        self.bytes += _size(parsed)
        while len(self.kept) > WAITING_EVENTS_MAX or self.bytes > WAITING_BYTES_MAX:
            _, oldest = self.kept.popitem(last=False)
            self.bytes -= _size(oldest)

    def lacks_body(self, parsed: Parsed) -> bool:
        kept = self.kept.get(parsed.id)
        return kept is not None and kept.envelope.body is None and parsed.envelope.body is not None

    def drop(self, event_id: bytes) -> bool:
        """Let go of an event; return whether nothing is left."""
        self.wanted.pop(event_id, None)
        parsed = self.kept.pop(event_id, None)
        if parsed is not None:
            self.bytes -= _size(parsed)
        return not self.wanted and not self.kept


class Branches:
    """The events of branches until they can be taken up. Bounded for each node, so that none crowds out another.

    At the bound the oldest are dropped, and asked for again when their branch is next looked at: a branch of more
    than WAITING_EVENTS_MAX events beyond its fork is never taken up.
    """

    def __init__(self) -> None:
        self.by_node: dict[bytes | None, _OfNode] = {}
        """Empty nearly always: then nothing need be offered or dropped."""

    def want(self, node: bytes | None, event_id: bytes) -> None:
        """Keep this event of ``node`` (None: of whichever) when it comes, though it does not fit its chain."""
        wanted = self.by_node.setdefault(node, _OfNode()).wanted
        wanted[event_id] = None
        if len(wanted) > WAITING_EVENTS_MAX:
            wanted.popitem(last=False)

    def offer(self, node: bytes, parsed: Parsed) -> None:
        """Keep an event if it is wanted."""
        for key in (node, None):
            held = self.by_node.get(key)
            if held is not None and (parsed.id in held.wanted or held.lacks_body(parsed)):
                held.drop(parsed.id)
                held.keep(parsed)

    def get(self, node: bytes | None, event_id: bytes) -> Parsed | None:
        """Return a kept event."""
        for key in (node, None):
            held = self.by_node.get(key)
            if held is not None and event_id in held.kept:
                return held.kept[event_id]
        return None

    def drop(self, node: bytes, event_id: bytes) -> None:
        """Let go of an event that has found its place."""
        for key in (node, None):
            held = self.by_node.get(key)
            if held is not None and held.drop(event_id):
                del self.by_node[key]


def _size(parsed: Parsed) -> int:
    return len(parsed.envelope.event) + len(parsed.envelope.body or b"")


def is_path(base: Entry | Row | None, path: list[Parsed]) -> bool:
    """Tell whether the events follow each other, and the first follows ``base`` (None: it starts the chain)."""
    first = path[0].event
    place: tuple[bytes, str, int] = (first.epoch, first.stream, 0)
    before, hlc = first.prev, ZERO
    if base is not None:
        place, before, hlc = (base.epoch, base.stream, base.seq), base.id, base.hlc
    for parsed in path:
        event = parsed.event
        place = (place[0], place[1], place[2] + 1)
        if (event.epoch, event.stream, event.seq) != place or event.prev != before or parsed.hlc <= hlc:
            return False
        before, hlc = parsed.id, parsed.hlc
    return True
