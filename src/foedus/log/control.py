"""Control events: those of ``participant:`` and ``members:`` streams.

They say who may do what, and are held in memory. How many a node may have held is bounded here, since all that a
hostile node writes in its own chains is validly signed and would be kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.ids import sha256
from foedus.log.bodies import SHAPES, Body, RoomCreate
from foedus.log.event import Envelope, Event, Parsed
from foedus.log.port import Verdict

NEW = "new"
"""The reason of a control event that no fold has judged yet."""
CONTROL_BYTES_PER_NODE_MAX = 32 * 1_048_576
"""Bytes of control events held of one node: some 25,000 memberships and enrolments, far more than honest nodes have."""
CONTROL_EVENTS_PER_STREAM_MAX = 16_384
"""Control events of one node in one stream: folding them all again, as a late body demands, takes some 50 ms."""
AGENT_BYTES_MAX = CONTROL_BYTES_PER_NODE_MAX // 8
HUMAN_BYTES_MAX = CONTROL_BYTES_PER_NODE_MAX // 2
"""Bytes of them that a node orders for one of its participants: some 2,000 grants of an agent, 8,000 approvals of a
person. Nothing of this is ever erased, so whoever could write more would keep what all others of the node write from
its peers, withdrawals before all."""
WITHDRAWALS_BYTES = 1_048_576
"""Further bytes for a participant's withdrawals alone: a device that was stolen filled the rest first."""
_OVERHEAD_BYTES = 1_000
"""What an event costs in memory beside its bytes."""
RESTING_BYTES = 400
"""What a session or a revocation that rests (``log.resting``) still costs; a grant that rests costs nothing."""
_BODILESS = frozenset({"checkpoint"})
"""Kinds of which the fold needs no body, and bodies are large."""


class ControlEvent:
    """A held control event with its verdict, which later events may change.

    ``body`` is None while it is missing (``has_body`` False) and where it has not the shape of its kind.
    ``created_room`` is the id of the room where it is a ``room.create``. ``is_replay``: its (device, nonce) stands
    at a lower seq of its chain; that never changes. ``possession_holds``: an enrolment's signature of the new device,
    once it was checked; ``token``: likewise what ``log.grants`` found in a grant or its revocation.
    """

    __slots__ = (
        "act",
        "body",
        "created_room",
        "epoch",
        "has_body",
        "hlc_us",
        "id",
        "is_replay",
        "node",
        "possession_holds",
        "reason",
        "seq",
        "size",
        "stream",
        "token",
        "verdict",
    )

    def __init__(self, parsed: Parsed, node: bytes) -> None:
        event: Event = parsed.event
        self.id = parsed.id
        self.node = node
        self.epoch = event.epoch
        self.stream = event.stream
        self.seq = event.seq
        self.hlc_us = event.hlc[0]
        self.act = event.act
        self.size = size_of(parsed)
        self.has_body = False
        self.body: Body | None = None
        self.created_room = b""
        self.is_replay = False
        self.possession_holds: bool | None = None
        self.token: Any = None
        self.verdict = Verdict.PENDING
        self.reason = NEW
        self.take_body(parsed.envelope)

    def take_body(self, envelope: Envelope) -> None:
        """Decode the body that came along."""
        self.has_body = envelope.body is not None
        shape = SHAPES.get(self.act.kind)
        if envelope.body is None or shape is None or self.act.kind in _BODILESS:
            return
        try:
            self.body = decode_as(envelope.body, shape)
        except (NotCanonical, Malformed):
            self.body = None
        if isinstance(self.body, RoomCreate):
            self.created_room = sha256(envelope.body)


def size_of(parsed: Parsed) -> int:
    """Return what an event counts against CONTROL_BYTES_PER_NODE_MAX: a missing body as if it were large."""
    body = parsed.envelope.body
    return _OVERHEAD_BYTES + len(parsed.envelope.event) + (_OVERHEAD_BYTES if body is None else len(body))


def _resting_bytes(event: ControlEvent) -> int:
    return 0 if event.act.kind == "grant.create" else RESTING_BYTES


class _Chain:
    """The held control events of one chain, in order, with the (device, nonce) that they used."""

    def __init__(self) -> None:
        self.events: dict[int, ControlEvent] = {}
        """By seq, in that order."""
        self.marks: set[tuple[bytes, bytes]] = set()

    def add(self, event: ControlEvent, *, is_marked: bool = False) -> None:
        if event.act.device is not None:
            mark = (event.act.device, event.act.nonce)
            event.is_replay = is_marked or mark in self.marks
            self.marks.add(mark)
        self.events[event.seq] = event

    def lay(self, event: ControlEvent) -> None:
        del self.events[event.seq]
        self.marks.discard((event.act.device or b"", event.act.nonce))

    def restore(self, event: ControlEvent) -> None:
        """Take back an event that rested; it is no replay, being accepted."""
        self.marks.add((event.act.device or b"", event.act.nonce))
        self.events[event.seq] = event
        self.events = dict(sorted(self.events.items()))

    def truncate(self, from_seq: int) -> list[ControlEvent]:
        gone = [event for event in self.events.values() if event.seq >= from_seq]
        kept = [event for event in self.events.values() if event.seq < from_seq]
        self.events, self.marks = {}, set()
        for event in kept:
            self.add(event)
        return gone


class ControlEvents:
    """The held control events by stream, node and epoch, each chain in order."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, ControlEvent] = {}
        self._streams: dict[str, dict[bytes, dict[bytes, _Chain]]] = {}
        self._bytes: defaultdict[bytes, int] = defaultdict(int)
        self._stream_bytes: defaultdict[tuple[str, bytes], int] = defaultdict(int)
        self._counts: defaultdict[tuple[str, bytes], int] = defaultdict(int)

    def get(self, event_id: bytes) -> ControlEvent | None:
        """Return a held control event by id."""
        return self._by_id.get(event_id)

    def has_room_for(self, parsed: Parsed, node: bytes) -> bool:
        """Whether one more event of ``node`` stays within the bounds."""
        return (
            self._bytes[node] + size_of(parsed) <= CONTROL_BYTES_PER_NODE_MAX
            and self._counts[parsed.event.stream, node] < CONTROL_EVENTS_PER_STREAM_MAX
        )

    def bytes_in(self, stream: str, node: bytes) -> int:
        """Return what the events of a node in a stream count against the bounds."""
        return self._stream_bytes[stream, node]

    def bytes_of(self, node: bytes) -> int:
        """Return what all control events of a node count against the bounds."""
        return self._bytes[node]

    def add(self, event: ControlEvent, *, is_marked: bool = False) -> None:
        """Hold an event at the end of its chain. ``is_marked``: one at rest has its (device, nonce)."""
        self._by_id[event.id] = event
        chains = self._streams.setdefault(event.stream, {}).setdefault(event.node, {})
        chains.setdefault(event.epoch, _Chain()).add(event, is_marked=is_marked)
        self._count(event, 1, event.size)

    def lay(self, event: ControlEvent) -> None:
        """Let go of an event that rests: of its node's bound it takes no more than what stays in memory."""
        del self._by_id[event.id]
        self._streams[event.stream][event.node][event.epoch].lay(event)
        self._count(event, -1, _resting_bytes(event) - event.size)

    def count_resting(self, event: ControlEvent) -> None:
        """Count an event that was read as one that rests."""
        self._count(event, 0, _resting_bytes(event))

    def restore(self, event: ControlEvent) -> None:
        """Hold an event again that rested."""
        self._by_id[event.id] = event
        chains = self._streams.setdefault(event.stream, {}).setdefault(event.node, {})
        chains.setdefault(event.epoch, _Chain()).restore(event)
        self._count(event, 1, event.size - _resting_bytes(event))

    def _count(self, event: ControlEvent, events: int, size: int) -> None:
        self._bytes[event.node] += size
        self._counts[event.stream, event.node] += events
        self._stream_bytes[event.stream, event.node] += size

    def is_waiting(self, stream: str, node: bytes) -> bool:
        """Whether an event of a node in a stream is pending."""
        chains = self._streams.get(stream, {}).get(node, {})
        return any(event.verdict is Verdict.PENDING for chain in chains.values() for event in chain.events.values())

    def truncate(self, epoch: bytes, stream: str, node: bytes, from_seq: int) -> list[ControlEvent]:
        """Let go of a chain's events from ``from_seq`` on; return them."""
        chain = self._streams.get(stream, {}).get(node, {}).get(epoch)
        gone = chain.truncate(from_seq) if chain else []
        for event in gone:
            del self._by_id[event.id]
            self._count(event, -1, -event.size)
        return gone

    def in_order(self, stream: str, node: bytes, epochs: Iterable[bytes]) -> list[ControlEvent]:
        """Return a node's events of a stream: of the named epochs in that order, then of all others."""
        chains = self._streams.get(stream, {}).get(node, {})
        named = dict.fromkeys(epoch for epoch in epochs if epoch in chains)
        rest = [epoch for epoch in chains if epoch not in named]
        return [event for epoch in (*named, *rest) for event in chains[epoch].events.values()]

    def of_stream(self, stream: str) -> Iterator[ControlEvent]:
        """Yield all events of a stream, chain by chain."""
        for chains in self._streams.get(stream, {}).values():
            for chain in chains.values():
                yield from chain.events.values()

    def nodes_in(self, stream: str) -> list[bytes]:
        """Return the nodes that wrote in a stream."""
        return list(self._streams.get(stream, {}))

    def streams(self) -> list[str]:
        """Return the names of the streams held."""
        return list(self._streams)
