"""One established link: greetings, chains in both directions, keep-alive.

``transitions.VOICE`` says which frame each side may send when. The node tells the session what the
log holds (``offer``, ``advanced``, ``withdraw``), carries out its effects, and answers ``ReadChain``
and ``Deliver``. What the peer does wrong closes the link with a stable code; what the node does
wrong raises ValueError and changes nothing. After the end every call returns no effects, since the
node's other tasks cannot know of it yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import WANTS_PER_FRAME
from foedus.sync.credit import ReceiveCredit
from foedus.sync.effects import Close, Control, Deliver, Opened, SendFrame, SessionEffect
from foedus.sync.exchange import Exchange
from foedus.sync.frames.codec import Frame, decode_frame, encode_frame, frame_type
from foedus.sync.frames.events import Ack, ChainPosition, Cursors, Events, Want
from foedus.sync.frames.keeping import Bye, Ping, Pong
from foedus.sync.frames.peering import Ended, Introduction, Pending, Ready, Refused
from foedus.sync.keepalive import KeepAlive, PeerClock
from foedus.sync.pace import PeerPace
from foedus.sync.transitions import BY_SESSION, SYNC, VOICE, Unexpected, Voice

Welcome: TypeAlias = Ready | Pending | Refused


class Session:
    """The core of one link. ``initiator``: whether we dialled it; ``now``: when the handshake ended.

    ``ours`` and ``theirs`` are what each side has said. ``answers_dropped`` counts wanted events that
    found no room.
    """

    def __init__(self, *, initiator: bool, now: Instant) -> None:
        self.ours = Voice.SILENT
        self.theirs = Voice.SILENT
        self._initiator = initiator
        self._welcome: Welcome | None = None
        self._exchange = Exchange(self._encode)
        self._receiving = ReceiveCredit()
        self._pace = PeerPace()
        self._times = KeepAlive(now)
        self._clock = PeerClock()

    @property
    def is_open(self) -> bool:
        """Whether both sides said ready."""
        return self.ours is Voice.READY and self.theirs is Voice.READY

    @property
    def is_closed(self) -> bool:
        """Whether this link is over."""
        return self.ours is Voice.CLOSED

    @property
    def lag(self) -> int:
        """Events that the peer may see and has not acknowledged."""
        return self._exchange.positions.lag()

    @property
    def answers_dropped(self) -> int:
        """Wanted events that were not sent because too many waited already."""
        return self._exchange.sender.answers_dropped

    @property
    def clock_offset_us(self) -> int | None:
        """How far the peer's wall clock is ahead of ours, µs; None before the first answered ping."""
        return self._clock.offset_us

    def claims(self) -> list[ChainPosition]:
        """Return the positions that the peer named last: what it says it holds, unproved."""
        return [
            ChainPosition(chain.epoch, chain.stream, *chain.claim)
            for chain in self._exchange.positions
            if chain.claim is not None
        ]

    # --- greetings ------------------------------------------------------------------------------

    def open(self, welcome: Welcome) -> list[SessionEffect]:
        """Say how the peer stands here, once; an initiator's word waits until the responder has spoken."""
        if self.is_closed:
            return []
        if self.ours is not Voice.SILENT or self._welcome is not None:
            raise ValueError("the peer was greeted already")
        self._welcome = welcome
        return self._greet()

    def become_ready(self, name: str, tier: str) -> list[SessionEffect]:
        """Tell a pending peer that it was accepted (both nodes hold the agreement), without a new link."""
        if self.is_closed:
            return []
        ready = Ready(Introduction(name, tier))
        if self._welcome is not None and self.ours is Voice.SILENT:
            self._welcome = ready
            return []
        if self.ours is not Voice.PENDING:
            raise ValueError(f"our side is {self.ours.value}, not pending")
        return [self._say(ready), *self._opened()]

    def send_control(self, frame: Frame) -> list[SessionEffect]:
        """Send a frame of the node's own; ``Ended`` closes the link.

        Raises ValueError for frames that only the session itself sends, and for what our side may not
        send now.
        """
        if self.is_closed:
            return []
        if frame_type(frame) in BY_SESSION:
            raise ValueError(f"{frame_type(frame)} is sent by the session itself")
        sent = self._say(frame)
        return [sent, Close("ended", frame.reason)] if isinstance(frame, Ended) else [sent]

    def close(self, code: str, message: str = "") -> list[SessionEffect]:
        """Say why, and close: ``duplicate``, ``shutdown``, ... (a stable code of lowercase letters, digits and _)."""
        if self.is_closed:
            return []
        return [self._say(Bye(code)), Close(code, message)]

    # --- the node's log -------------------------------------------------------------------------

    def offer(self, heads: Iterable[ChainPosition]) -> list[SessionEffect]:
        """Offer chains that the peer may see, with our durable heads.

        The first call brings all of them (also if there are none): nothing is told before it. Later
        calls add chains, or take up anew one whose branch changed. Raises ValueError beyond CHAINS_MAX.
        """
        return [] if self.is_closed else self._exchange.offer(heads)

    def advanced(self, head: ChainPosition) -> list[SessionEffect]:
        """Tell that a chain grew durably. Chains that were not offered are ignored.

        For events that this very peer delivered call ``durable`` first, or they are read to be sent back.
        """
        return [] if self.is_closed else self._exchange.advanced(head)

    def withdraw(self, stream: str) -> list[SessionEffect]:
        """Stop a stream that the peer may no longer see; what was read but not sent is dropped."""
        self._exchange.withdraw(stream)
        return []

    def hold_chain(self, epoch: bytes, stream: str, peer_id: bytes) -> list[SessionEffect]:
        """Stop a chain after ComparePosition showed a fork, while the peer's cursor in it is ``peer_id``."""
        self._exchange.hold(epoch, stream, peer_id)
        return []

    def rest_chain(self, epoch: bytes, stream: str) -> list[SessionEffect]:
        """Push nothing more of a chain until ``wake_chains``; it goes on where it stands."""
        self._exchange.rest(epoch, stream)
        return []

    def wake_chains(self) -> list[SessionEffect]:
        """Go on with all chains that rest."""
        return [] if self.is_closed else self._exchange.wake()

    def chain_read(self, epoch: bytes, stream: str, entries: Sequence[tuple[int, bytes]]) -> list[SessionEffect]:
        """Answer ReadChain with (seq, envelope bytes), ascending and without gaps; what does not fit is read again."""
        return [] if self.is_closed else self._exchange.sender.chain_read(epoch, stream, entries)

    def durable(self, positions: Sequence[ChainPosition], cost: int) -> list[SessionEffect]:
        """Tell that a delivered batch of ``cost`` is settled, and acknowledge it.

        ``positions``: of each chain in the batch its last event that is now durable here, *not* our
        head, which may lie further: the peer holds what it sent, and no more is known of it. A batch
        that was refused has none and still returns its credit. ValueError where ``cost`` was not out.
        """
        if self.is_closed:
            return []
        self._require_open()
        self._receiving.give_back(cost)
        return self._exchange.durable(positions, cost)

    def resend(self, *positions: ChainPosition) -> list[SessionEffect]:
        """Ask the peer to send chains again from our durable heads (seq 0 and NO_EVENT where we hold nothing)."""
        return [] if self.is_closed else self._exchange.resend(positions)

    def want(self, ids: Sequence[bytes]) -> list[SessionEffect]:
        """Ask for events by id; the peer sends them as events or names them missing."""
        if self.is_closed:
            return []
        pages = (ids[start : start + WANTS_PER_FRAME] for start in range(0, len(ids), WANTS_PER_FRAME))
        return [self._say(Want(tuple(page))) for page in pages]

    def send_events(self, envelopes: Iterable[bytes]) -> list[SessionEffect]:
        """Answer a want. Sent before anything else as soon as there is credit; beyond ANSWERS_BYTES_MAX dropped."""
        if self.is_closed:
            return []
        self._require_open()
        return self._exchange.sender.answer(envelopes)

    # --- the peer and the clock -----------------------------------------------------------------

    def handle(self, data: bytes, now: Instant) -> list[SessionEffect]:
        """Take an opened frame of the peer. Whatever it is, nothing is raised."""
        if self.is_closed:
            return []
        self._times.heard(now)
        try:
            frame = decode_frame(data)
            effects = self._receive(frame, now)
        except PeerViolation as error:
            return self.close(error.code, str(error))
        return effects + self.close("rekey", "the keys are spent") if self._times.spent else effects

    def next_deadline(self) -> Instant | None:
        """When to call ``on_deadline``; None after the end."""
        return None if self.is_closed else self._times.next_deadline(greeted=self._greeted)

    def on_deadline(self, now: Instant) -> list[SessionEffect]:
        """Ping where we were silent, close where the peer was, or where the keys are old."""
        if self.is_closed:
            return []
        end = self._times.must_close(now, greeted=self._greeted)
        if end is not None:
            return self.close(*end)
        return [self._say(Ping(self._clock.asked(now)))] if self._times.wants_ping(now) else []

    # --- inside ---------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if not self.is_open:
            raise ValueError("events flow only while both sides are ready")

    @property
    def _greeted(self) -> bool:
        return self.theirs is not Voice.SILENT

    def _receive(self, frame: Frame, now: Instant) -> list[SessionEffect]:
        name = frame_type(frame)
        following = VOICE.get((self.theirs, name))
        if following is None or (name in SYNC and not self.is_open):
            raise Unexpected(f"{name} from a side that is {self.theirs.value}")
        if not self._initiator and self.ours is Voice.SILENT and following not in {self.theirs, Voice.CLOSED}:
            raise Unexpected(f"{name} before the responder has spoken")
        self._pace.check(name, frame, now)
        self.theirs = following
        return self._react(frame, now)

    def _react(self, frame: Frame, now: Instant) -> list[SessionEffect]:
        match frame:
            case Events() | Ack() | Cursors():
                return self._react_to_chains(frame)
            case Ping(number=number):
                return [self._say(Pong(number, now))]
            case Pong(number=number, clock=clock):
                self._clock.answered(number, clock, now)
                return []
            case Ready() | Pending():
                return [Control(frame), *self._greet(), *self._opened()]
            case Refused() | Ended() | Bye():
                return self._ended_by(frame)
            case _:
                return [Control(frame)]

    def _react_to_chains(self, frame: Events | Ack | Cursors) -> list[SessionEffect]:
        match frame:
            case Events(batch=batch):
                self._receiving.received(len(batch))
                self._exchange.delivered(len(batch))
                return [Deliver(batch, len(batch))]
            case Ack():
                return self._exchange.on_ack(frame)
            case Cursors():
                return self._exchange.on_cursors(frame)

    def _greet(self) -> list[SessionEffect]:
        """Say our welcome if it is known and its turn has come."""
        if self._welcome is None or self.ours is not Voice.SILENT or (self._initiator and not self._greeted):
            return []
        sent = self._say(self._welcome)
        if isinstance(self._welcome, Refused):
            return [sent, Close("refused", self._welcome.code)]
        return [sent, *self._opened()]

    def _opened(self) -> list[SessionEffect]:
        return [Opened(), *self._exchange.open()] if self.is_open and not self._exchange.is_open else []

    def _ended_by(self, frame: Refused | Ended | Bye) -> list[SessionEffect]:
        self.ours = Voice.CLOSED
        why = frame.reason if isinstance(frame, Ended) else frame.code
        close = Close("peer_" + frame_type(frame), why)
        return [close] if isinstance(frame, Bye) else [Control(frame), close]

    def _say(self, frame: Frame) -> SendFrame:
        """Send a frame that our side may send now; else raise ValueError and change nothing."""
        name = frame_type(frame)
        following = VOICE.get((self.ours, name))
        if following is None or (name in SYNC and not self.is_open):
            raise ValueError(f"{name} from our side, which is {self.ours.value}")
        sent = self._encode(frame)
        self.ours = following
        return sent

    def _encode(self, frame: Frame) -> SendFrame:
        data = encode_frame(frame)
        self._times.frames_sent += 1
        return SendFrame(data)
