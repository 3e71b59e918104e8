"""Two sessions joined in memory, each with a fake log: a dict from chain to its events."""

from __future__ import annotations

from collections import Counter, deque

from foedus.base.cbor import decode, encode, split_frames
from foedus.base.limits import CREDIT_BYTES, FRAME_EVENTS, FRAME_EVENTS_BYTES
from foedus.sync import effects as fx
from foedus.sync.frames.codec import decode_frame
from foedus.sync.frames.events import NO_EVENT, ChainPosition, Events, Want
from foedus.sync.frames.peering import Introduction, Ready
from foedus.sync.session import Session
from tests.sync.nodes import NOW, seed

READY = Ready(Introduction("someone", "CORE"))


def event(epoch: bytes, stream: str, seq: int, size: int = 0, branch: str = "") -> bytes:
    return encode([epoch, stream, seq, seed(f"{epoch.hex()}{stream}{seq}{branch}"), bytes(size)])


class Side:
    """A node as a session sees it. Effects that need the log wait in ``todo`` until ``work`` is called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: dict[tuple[bytes, str], list[bytes]] = {}
        self.hidden: set[str] = set()
        self.seen: Counter[str] = Counter()
        self.duplicates = 0
        self.session: Session | None = None
        self.drop_next = 0
        self.tells_first = False
        self.reset()

    def reset(self) -> None:
        self.out: deque[bytes] = deque()
        self.todo: deque[fx.SessionEffect] = deque()
        self.effects: list[fx.SessionEffect] = []
        self.in_flight = self.most_in_flight = 0

    def connect(self, *, initiator: bool, now: int = NOW, welcome=READY) -> None:
        self.reset()
        self.session = Session(initiator=initiator, now=now)
        self.run(self.session.offer(self.heads()))
        self.run(self.session.open(welcome))

    def heads(self) -> list[ChainPosition]:
        return [self.head(*chain) for chain, events in self.log.items() if events and chain[1] not in self.hidden]

    def head(self, epoch: bytes, stream: str) -> ChainPosition:
        events = self.log.get((epoch, stream), [])
        return ChainPosition(epoch, stream, len(events), decode(events[-1])[3] if events else NO_EVENT)

    def append(self, epoch: bytes, stream: str, size: int = 0) -> None:
        """Author or hear from elsewhere the next event of a chain."""
        events = self.log.setdefault((epoch, stream), [])
        events.append(event(epoch, stream, len(events) + 1, size))
        self.tell(epoch, stream)

    def tell(self, epoch: bytes, stream: str) -> None:
        if self.session is None or stream in self.hidden:
            return
        head = self.head(epoch, stream)
        chain = self.session._exchange.positions.get(epoch, stream)
        if chain is None or not chain.offered:
            self.run(self.session.offer([head]))
        self.run(self.session.advanced(head))

    def run(self, effects) -> None:
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case fx.SendFrame(data=data):
                    self.out.append(data)
                    self._count(data)
                case fx.ReadChain() | fx.Deliver() | fx.ComparePosition() | fx.Control():
                    self.todo.append(effect)
                case fx.Close():
                    self.session = None

    def _count(self, data: bytes) -> None:
        frame = decode_frame(data)
        if isinstance(frame, Events):
            assert len(frame.batch) <= max(FRAME_EVENTS_BYTES, 4 + len(split_frames(frame.batch, FRAME_EVENTS)[0]))
            self.in_flight += len(frame.batch)
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            assert self.in_flight <= CREDIT_BYTES

    def receive(self, data: bytes, now: int = NOW) -> None:
        if self.session is None:
            return
        frame = decode_frame(data)
        self.in_flight -= getattr(frame, "credit", 0)
        self.run(self.session.handle(data, now))

    def work(self) -> bool:
        """Do one thing that the session asked for; False when there is none."""
        if not self.todo or self.session is None:
            return False
        match self.todo.popleft():
            case fx.ReadChain(epoch, stream, after_seq, max_events, max_bytes):
                self.run(
                    self.session.chain_read(epoch, stream, self._read(epoch, stream, after_seq, max_events, max_bytes))
                )
            case fx.Deliver(batch, cost):
                self._admit(batch, cost)
            case fx.ComparePosition(epoch, stream, seq, peer_id):
                if decode(self.log[epoch, stream][seq - 1])[3] != peer_id:
                    self.run(self.session.hold_chain(epoch, stream, peer_id))
            case fx.Control(frame=Want(ids=ids)):
                held = {decode(data)[3]: data for events in self.log.values() for data in events}
                self.run(self.session.send_events([held[one] for one in ids if one in held]))
        return True

    def _read(self, epoch, stream, after_seq, max_events, max_bytes):
        entries, size = [], 0
        for seq, data in enumerate(self.log[epoch, stream][after_seq : after_seq + max_events], after_seq + 1):
            entries.append((seq, data))
            size += len(data)
            if size >= max_bytes:  # as the port of the log: the last one may reach beyond
                break
        return entries

    def _admit(self, batch: bytes, cost: int) -> None:
        touched: dict[tuple[bytes, str], ChainPosition] = {}
        gaps = set()
        for data in split_frames(batch, FRAME_EVENTS):
            epoch, stream, seq, event_id, _ = decode(data)
            events = self.log.setdefault((epoch, stream), [])
            self.seen[stream] += 1
            if self.drop_next:
                self.drop_next -= 1
                gaps.add((epoch, stream))
            elif seq == len(events) + 1:
                events.append(data)
                touched[epoch, stream] = ChainPosition(epoch, stream, seq, event_id)
            elif seq <= len(events):
                self.duplicates += 1
                touched[epoch, stream] = ChainPosition(epoch, stream, seq, event_id)
            else:
                gaps.add((epoch, stream))
        told = [lambda: self.run(self.session.durable(list(touched.values()), cost))]
        told += [lambda chain=chain: self.tell(*chain) for chain in sorted(touched)]
        for tell in (*told[1:], told[0]) if self.tells_first else told:
            tell()
        for chain in sorted(gaps):
            self.run(self.session.resend(self.head(*chain)))


class Pair:
    def __init__(self) -> None:
        self.a, self.b = Side("a"), Side("b")

    def connect(self, **more) -> None:
        self.b.connect(initiator=False, **more)
        self.a.connect(initiator=True, **more)

    def cut(self) -> None:
        for side in (self.a, self.b):
            side.session = None
            side.reset()

    def step(self, random, *, now: int = NOW) -> bool:
        """Do one random thing that can be done."""
        choices = [(side.work, ()) for side in (self.a, self.b) if side.todo and side.session is not None]
        choices += [
            (to.receive, (source.out, now)) for source, to in ((self.a, self.b), (self.b, self.a)) if source.out
        ]
        if not choices:
            return False
        action, arguments = random.choice(choices)
        if arguments:
            action(arguments[0].popleft(), now)
        else:
            action()
        return True

    def settle(self) -> None:
        """Carry and work until nothing is left to do."""
        for _ in range(200_000):
            moved = self.a.work() or self.b.work()
            for source, to in ((self.a, self.b), (self.b, self.a)):
                if source.out:
                    to.receive(source.out.popleft())
                    moved = True
            if not moved:
                return
        raise AssertionError("the pair does not come to rest")
