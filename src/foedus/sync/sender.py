"""The sending half of a session: what is pushed, in which order, and how much at once.

At most one chain is being read at a time, and only while there is credit for whatever comes. So a
link never holds more than one page of events in memory that nobody has asked credit for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from foedus.base.limits import BATCH_BYTES_MAX, ENVELOPE_MAX, FRAME_EVENTS, FRAME_EVENTS_BYTES
from foedus.sync.credit import ENTRY_BYTES, SendCredit
from foedus.sync.effects import ReadChain, SendFrame, SessionEffect
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import Events
from foedus.sync.positions import Chain, Positions

ANSWERS_BYTES_MAX = BATCH_BYTES_MAX
"""Bytes of wanted events that wait for credit: beyond, they are dropped and asked for again."""


class Sender:
    """Pushes due chains and answers to wants. ``send`` encodes and counts a frame."""

    def __init__(self, positions: Positions, send: Callable[[Frame], SendFrame]) -> None:
        self.credit = SendCredit()
        self.may_push = False
        """Set once the peer has said what it holds; before, everything would go twice."""
        self.answers_dropped = 0
        self._positions = positions
        self._send = send
        self._reading: tuple[Chain, int] | None = None
        self._answers: deque[bytes] = deque()
        self._answer_bytes = 0

    def pump(self) -> list[SessionEffect]:
        """Do what credit allows: answers first (the peer waits for them), then one read of the next due chain."""
        effects: list[SessionEffect] = []
        while self._answers and self.credit.enough:
            effects.append(self._send_answers())
        if self.may_push and self._reading is None and self.credit.enough:
            chain = self._positions.next_due()
            if chain is not None:
                self._reading = chain, chain.sent_seq
                max_bytes = min(FRAME_EVENTS_BYTES, self.credit.left)
                effects.append(ReadChain(chain.epoch, chain.stream, chain.sent_seq, FRAME_EVENTS, max_bytes))
        return effects

    def chain_read(self, epoch: bytes, stream: str, entries: Sequence[tuple[int, bytes]]) -> list[SessionEffect]:
        """Push what was read, unless the position moved meanwhile; raise ValueError where no such read is open."""
        if self._reading is None or (self._reading[0].epoch, self._reading[0].stream) != (epoch, stream):
            raise ValueError(f"nobody reads this chain of {stream}")
        chain, after_seq = self._reading
        _check(entries, after_seq)
        self._reading = None
        effects: list[SessionEffect] = []
        if chain.due and chain.sent_seq == after_seq:
            effects += self._push(chain, entries)
        self._positions.enqueue(chain)
        return effects + self.pump()

    def answer(self, envelopes: Iterable[bytes]) -> list[SessionEffect]:
        """Queue wanted events, and send what credit allows."""
        envelopes = list(envelopes)
        _check_sizes(envelopes)
        for envelope in envelopes:
            if self._answer_bytes + len(envelope) > ANSWERS_BYTES_MAX:
                self.answers_dropped += 1
                continue
            self._answers.append(envelope)
            self._answer_bytes += len(envelope)
        return self.pump()

    def _push(self, chain: Chain, entries: Sequence[tuple[int, bytes]]) -> list[SessionEffect]:
        if not entries:  # the log holds less than we were told: wait until it grows
            chain.head_seq = chain.sent_seq
            return []
        batch, count = self._batch([envelope for _, envelope in entries])
        if not count:
            return []
        chain.sent_seq = entries[count - 1][0]
        return [self._send(Events(batch))]

    def _send_answers(self) -> SendFrame:
        batch, count = self._batch(self._answers)
        for _ in range(count):
            self._answer_bytes -= len(self._answers.popleft())
        return self._send(Events(batch))

    def _batch(self, envelopes: Iterable[bytes]) -> tuple[bytes, int]:
        """Return as many of ``envelopes`` as fit one frame and the credit, joined and paid for; and their number."""
        parts: list[bytes] = []
        size, left = 0, self.credit.left
        budget = min(FRAME_EVENTS_BYTES, left)
        for envelope in envelopes:
            following = size + ENTRY_BYTES + len(envelope)
            # One envelope fits any frame, so the first is bounded by credit alone.
            if following > (budget if parts else left) or len(parts) == 2 * FRAME_EVENTS:
                break
            parts += (len(envelope).to_bytes(ENTRY_BYTES, "big"), envelope)
            size = following
        self.credit.spend(size)
        return b"".join(parts), len(parts) // 2


def _check(entries: Sequence[tuple[int, bytes]], after_seq: int) -> None:
    if not entries:
        return
    if entries[0][0] <= after_seq or entries[-1][0] - entries[0][0] != len(entries) - 1:
        raise ValueError("the events of a chain come in the order of their seqs, and after what was sent")
    _check_sizes([envelope for _, envelope in entries])


def _check_sizes(envelopes: Sequence[bytes]) -> None:
    if envelopes and max(map(len, envelopes)) > ENVELOPE_MAX:
        raise ValueError(f"an envelope has at most {ENVELOPE_MAX} bytes")
