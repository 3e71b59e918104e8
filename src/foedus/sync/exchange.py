"""What two logs tell each other about their chains once a link is open (docs/protocol.md section 5).

Each side says once what it holds of every chain that the other may see (``cursors``, in pages).
What lies beyond the other's cursors is pushed; a chain that the other did not name it holds nothing
of. A cursor that comes later replaces what was known: the other has dropped events, or shows a new
chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from foedus.base.limits import ACKS_PER_FRAME, CURSORS_PER_FRAME
from foedus.sync.effects import Acked, ComparePosition, ForkSeen, SendFrame, SessionEffect
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import NO_EVENT, Ack, AckPosition, ChainPosition, Cursors
from foedus.sync.positions import CHAINS_MAX, Chain, Positions, TooManyChains
from foedus.sync.sender import Sender

T = TypeVar("T")


class Exchange:
    """The chains of one link. ``send`` encodes and counts a frame."""

    def __init__(self, send: Callable[[Frame], SendFrame]) -> None:
        self.positions = Positions()
        self.sender = Sender(self.positions, send)
        self._send = send
        self.is_open = False
        self._offered = False
        self._received_bytes = 0
        self._settled_bytes = 0
        self._untold: deque[tuple[int, Chain]] = deque()
        """Chains that are offered while events of the peer are being stored: once those are, which it brought shows."""

    def open(self) -> list[SessionEffect]:
        """Both sides said ready: say what we hold if we were told it already."""
        self.is_open = True
        return self._introduce() if self._offered else []

    def offer(self, heads: Iterable[ChainPosition]) -> list[SessionEffect]:
        """Take up chains that the peer may see; the first call brings all there are (perhaps none)."""
        heads = list(heads)
        self._check_room(heads)
        first, self._offered = not self._offered, True
        chains = [self._take_up(head) for head in heads]
        effects = [effect for chain in chains for effect in self._meet(chain)]
        if not self.is_open:
            return effects
        if first:
            return effects + self._introduce()
        self._untold.extend((self._received_bytes, chain) for chain in chains)
        return effects + self._tell_fresh() + self.sender.pump()

    def advanced(self, head: ChainPosition) -> list[SessionEffect]:
        """Push what is new in a chain of ours; one that is not offered is none of the peer's business."""
        chain = self.positions.get(head.epoch, head.stream)
        if chain is None or not chain.offered or head.seq <= chain.head_seq:
            return []
        chain.head_seq, chain.head_id = head.seq, head.id
        self.positions.enqueue(chain)
        return self.sender.pump()

    def withdraw(self, stream: str) -> None:
        """Stop at once: the peer may not see this stream any more."""
        for chain in self.positions.of_stream(stream):
            chain.offered = chain.told = False
            chain.head_seq, chain.head_id = 0, NO_EVENT

    def hold(self, epoch: bytes, stream: str, peer_id: bytes) -> None:
        """Stop a chain of which the peer holds another branch, until its cursor is no longer ``peer_id``."""
        chain = self.positions.get(epoch, stream)
        if chain is not None:
            chain.held, chain.fork_id = True, peer_id

    def rest(self, epoch: bytes, stream: str) -> None:
        """Push nothing more of a chain until ``wake``."""
        chain = self.positions.get(epoch, stream)
        if chain is not None:
            chain.rests = True

    def wake(self) -> list[SessionEffect]:
        """Go on with all chains that rest."""
        for chain in self.positions:
            if chain.rests:
                chain.rests = False
                self.positions.enqueue(chain)
        return self.sender.pump()

    def resend(self, positions: Sequence[ChainPosition]) -> list[SessionEffect]:
        """Tell the peer how far we really hold chains, so that it sends again from there."""
        # Before the introduction the peer has sent nothing, and a page now would be taken for all of it.
        return self._send_cursors(positions) if self.is_open and self._offered else []

    def delivered(self, size: int) -> None:
        """Note that a batch of the peer goes to be stored: ``durable`` follows with its size as credit."""
        self._received_bytes += size

    def _tell_fresh(self) -> list[SessionEffect]:
        """Tell the peer of chains that it did not bring itself. A cursor of one that it is pushing says: once again."""
        fresh = []
        while self._untold and self._untold[0][0] <= self._settled_bytes:
            _, chain = self._untold.popleft()
            if chain.offered and chain.head_seq and not chain.told:
                fresh.append(chain.position())
        return self._send_cursors(fresh) if fresh else []

    def durable(self, positions: Sequence[ChainPosition], credit: int) -> list[SessionEffect]:
        """Acknowledge what the peer sent, return credit, and never send it back."""
        self._settled_bytes += credit
        for position in positions:
            self._received(position)
        acks = [AckPosition(position.epoch, position.stream, position.seq) for position in positions]
        *full, last = _pages(acks, ACKS_PER_FRAME)
        sent: list[SessionEffect] = [self._send(Ack(tuple(page), 0)) for page in full]
        return [*sent, self._send(Ack(tuple(last), credit)), *self._tell_fresh()]

    def on_cursors(self, frame: Cursors) -> list[SessionEffect]:
        """Take the peer's positions; raise TooManyChains where they are more than a link remembers."""
        effects: list[SessionEffect] = []
        for position in frame.positions:
            chain = self.positions.get_or_add(position.epoch, position.stream)
            chain.peer_seq = chain.sent_seq = position.seq
            chain.claim = (position.seq, position.id)
            chain.cursor = (position.seq, position.id) if position.seq else None
            chain.held = chain.held and position.id == chain.fork_id
            effects += self._meet(chain)
            self.positions.enqueue(chain)
        self.sender.may_push = self.sender.may_push or not frame.more
        return effects + self.sender.pump()

    def on_ack(self, frame: Ack) -> list[SessionEffect]:
        """Take the peer's durable prefixes and credit; raise CreditOverrun where it returns too much."""
        self.sender.credit.returned(frame.credit)
        for position in frame.positions:
            chain = self.positions.get(position.epoch, position.stream)
            if chain is not None:
                chain.peer_holds(position.seq)
        acked: list[SessionEffect] = [Acked(frame.positions)] if frame.positions else []
        return acked + self.sender.pump()

    def _introduce(self) -> list[SessionEffect]:
        held = [chain.position() for chain in self.positions if chain.offered and chain.head_seq]
        return self._send_cursors(held) + self.sender.pump()

    def _send_cursors(self, positions: Sequence[ChainPosition]) -> list[SessionEffect]:
        *full, last = _pages(positions, CURSORS_PER_FRAME)
        pages = [*(Cursors(tuple(page), more=True) for page in full), Cursors(tuple(last), more=False)]
        return [self._send(page) for page in pages]

    def _check_room(self, heads: Sequence[ChainPosition]) -> None:
        new = {(head.epoch, head.stream) for head in heads if self.positions.get(head.epoch, head.stream) is None}
        if len(self.positions) + len(new) > CHAINS_MAX:
            raise ValueError(f"a link serves at most {CHAINS_MAX} chains")

    def _take_up(self, head: ChainPosition) -> Chain:
        chain = self.positions.get_or_add(head.epoch, head.stream)
        chain.offered = True
        chain.head_seq, chain.head_id = head.seq, head.id
        self.positions.enqueue(chain)
        return chain

    def _meet(self, chain: Chain) -> list[SessionEffect]:
        """Compare the peer's cursor with our head, once both are known. Below our head only the log can tell."""
        if chain.cursor is None or not chain.offered:
            return []
        seq, peer_id = chain.cursor
        chain.cursor = None
        if seq < chain.head_seq:
            return [ComparePosition(chain.epoch, chain.stream, seq, peer_id)]
        if seq > chain.head_seq or peer_id == chain.head_id:
            return []
        chain.held, chain.fork_id = True, peer_id
        return [ForkSeen(chain.epoch, chain.stream, seq, peer_id)]

    def _received(self, position: ChainPosition) -> None:
        try:
            chain = self.positions.get_or_add(position.epoch, position.stream)
        except TooManyChains:  # remembered or not, it is acknowledged
            return
        chain.peer_holds(position.seq)
        chain.told = True
        if chain.offered and position.seq > chain.head_seq:
            chain.head_seq, chain.head_id = position.seq, position.id


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut into pages of ``size``: at least one, which may be empty."""
    for start in range(0, max(1, len(items)), size):
        yield items[start : start + size]
