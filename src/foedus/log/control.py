"""Control events: those of all streams but ``room:``. They say who may do what, and are held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log.bodies import SHAPES, Body
from foedus.log.event import Envelope, Event
from foedus.log.port import Verdict

NEW = "new"
"""The reason of a control event that no fold has judged yet."""


class ControlEvent:
    """A held control event with its verdict, which later events may change. ``body`` is None while it is missing."""

    __slots__ = ("act", "body", "body_bytes", "epoch", "hlc_us", "id", "node", "reason", "seq", "stream", "verdict")

    def __init__(self, event_id: bytes, node: bytes, event: Event) -> None:
        self.id = event_id
        self.node = node
        self.epoch = event.epoch
        self.stream = event.stream
        self.seq = event.seq
        self.hlc_us = event.hlc[0]
        self.act = event.act
        self.body: Body | None = None
        self.body_bytes: bytes | None = None
        self.verdict = Verdict.PENDING
        self.reason = NEW

    def take_body(self, envelope: Envelope) -> None:
        """Decode the body that came along. A body of the wrong shape leaves ``body`` None and the bytes set."""
        self.body_bytes = envelope.body
        shape = SHAPES.get(self.act.kind)
        if envelope.body is None or shape is None:
            return
        try:
            self.body = decode_as(envelope.body, shape)
        except (NotCanonical, Malformed):
            self.body = None


class ControlEvents:
    """The held control events of every stream, each chain in order."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, ControlEvent] = {}
        self._chains: dict[str, dict[bytes, list[ControlEvent]]] = {}

    def get(self, event_id: bytes) -> ControlEvent | None:
        """Return a held control event by id."""
        return self._by_id.get(event_id)

    def add(self, event: ControlEvent) -> None:
        """Hold an event at the end of its chain."""
        self._by_id[event.id] = event
        self._chains.setdefault(event.stream, {}).setdefault(event.epoch, []).append(event)

    def truncate(self, epoch: bytes, stream: str, from_seq: int) -> None:
        """Let go of a chain's events from ``from_seq`` on."""
        chain = self._chains.get(stream, {}).get(epoch, [])
        kept = [event for event in chain if event.seq < from_seq]
        for event in chain[len(kept) :]:
            del self._by_id[event.id]
        chain[:] = kept

    def in_order(self, stream: str, epochs: Iterable[bytes]) -> Iterator[ControlEvent]:
        """Yield the stream's events of the named epochs, epoch by epoch."""
        chains = self._chains.get(stream, {})
        for epoch in epochs:
            yield from chains.get(epoch, ())

    def of_stream(self, stream: str) -> Iterator[ControlEvent]:
        """Yield all events of a stream, chain by chain."""
        for chain in self._chains.get(stream, {}).values():
            yield from chain

    def streams(self) -> list[str]:
        """Return the names of the streams held."""
        return list(self._chains)
