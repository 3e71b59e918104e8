"""Which control events memory lets go of, when, and how they come back (``log.resting`` says why they may go)."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Protocol

from foedus.base.clock import Instant
from foedus.base.limits import ACT_DRIFT_MAX, SECOND
from foedus.log.bodies import GrantCreate, GrantRevoke
from foedus.log.chains import ChainKey
from foedus.log.control import ControlEvent, ControlEvents
from foedus.log.documents import DocumentSession
from foedus.log.event import parse_event
from foedus.log.grants import FOREVER, expiry_of
from foedus.log.participants import Participant
from foedus.log.port import Entry, Row, Verdict
from foedus.log.resting import Resting, cid_of

REST_AFTER = ACT_DRIFT_MAX
"""How long after its end something stays at hand: as long as acts from before it ordinarily come, and a list shows it.
By the clock of the node that wrote it, since nothing depends on it."""
REST_EVERY = 64
"""Events of a node between two looks at what of it may rest."""
READ_MAX = 1_024
"""Events at rest that were read lately, of at most 10 KB: acts that stand on one come together."""
LEAVES = frozenset({"grant.create", "grant.revoke", "document.session"})
"""Kinds of which no other control event's verdict stands on a single one."""


class Held(Protocol):
    """What is read of the log (``log.staged``)."""

    def unheld(self, ids: list[bytes]) -> list[bytes]:
        """Return those of ``ids`` that are of no held event."""
        ...

    def get(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event, be it aside."""
        ...

    def in_place(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event that stands in its chain."""
        ...

    def span(self, key: ChainKey, from_seq: int, to_seq: int) -> Iterator[Entry | Row]:
        """Yield a chain's events from ``from_seq`` to ``to_seq``."""
        ...

    def is_staged(self, event_id: bytes) -> bool:
        """Whether an event is admitted and not durable yet."""
        ...

    def uses(self, key: ChainKey, device: bytes, nonce: bytes) -> bool:
        """Whether a durable event of a chain has this (device, nonce)."""
        ...


class Rests:
    """What rests, by stream and node, and what is about to. Mutated by authority alone."""

    def __init__(
        self,
        controls: ControlEvents,
        participants: Mapping[tuple[bytes, str], Participant],
        held: Held,
        node_of: Callable[[bytes], bytes | None],
    ) -> None:
        self._controls = controls
        self._participants = participants
        self._held = held
        self._node_of = node_of
        self._of: dict[tuple[str, bytes], Resting] = {}
        self._due: defaultdict[bytes, list[tuple[Instant, bytes]]] = defaultdict(list)
        self._since: Counter[bytes] = Counter()
        self._read: OrderedDict[bytes, ControlEvent] = OrderedDict()

    # --- asking ------------------------------------------------------------------------------

    def of(self, stream: str, node: bytes) -> Resting | None:
        """Return what rests of a node in a stream."""
        return self._of.get((stream, node))

    def get(self, event_id: bytes) -> ControlEvent | None:
        """Return an event at rest by its id, read from the log."""
        found = self._read.get(event_id)
        if found is None:
            held = self._held.in_place(event_id)
            node = None if held is None else self._node_of(held.epoch)
            if held is None or node is None or not self._is_resting(held, node):
                return None
            found = self._read[event_id] = _control(held, node)
            while len(self._read) > READ_MAX:
                self._read.popitem(last=False)
        return found

    def _is_resting(self, held: Entry | Row, node: bytes) -> bool:
        resting = self._of.get((held.stream, node)) if held.kind in LEAVES else None
        return resting is not None and resting.holds(held.epoch) and self._controls.get(held.id) is None

    def _must_read(self, event_id: bytes) -> ControlEvent:
        found = self.get(event_id)
        if found is None:
            raise LookupError("an event at rest is not held")
        return found

    def marks(self, event: ControlEvent) -> bool:
        """Whether the (device, nonce) of a new event is that of one at rest, or of any that is durable."""
        resting, device = self._of.get((event.stream, event.node)), event.act.device
        if resting is None or device is None or not resting.holds(event.epoch):
            return False
        return self._held.uses((event.epoch, event.stream), device, event.act.nonce)

    # --- going -------------------------------------------------------------------------------

    def note(self, event: ControlEvent) -> None:
        """Remember when an accepted event may rest, where it ever may."""
        ends = _ends(event)
        if ends is not None:
            heappush(self._due[event.node], (max(ends, event.hlc_us) + REST_AFTER, event.id))

    def learned(self, event: ControlEvent) -> None:
        """Look now and then at what may rest of the node that wrote an event."""
        self._since[event.node] += 1
        if self._since[event.node] >= REST_EVERY:
            self._since[event.node] = 0
            self.rest(event.node, event.hlc_us)

    def rest(self, node: bytes, now: Instant) -> None:
        """Let go of what of a node is due by its clock and durable, in streams where nothing waits."""
        due, later, waits = self._due[node], [], {}
        while due and due[0][0] <= now:
            _, event_id = heappop(due)
            event = self._controls.get(event_id)
            if event is None or event.verdict is not Verdict.ACCEPTED:
                continue
            if event.stream not in waits:
                waits[event.stream] = self._controls.is_waiting(event.stream, node)
            if waits[event.stream] or self._held.is_staged(event_id):
                later.append((now + REST_AFTER, event_id))
            else:
                self._lay(event, now)
        for item in later:
            heappush(due, item)

    def take_read(self, event: ControlEvent, now: Instant) -> bool:
        """Whether an event that is read as the node starts rests already, by the newest clock held of its node.

        Then it need not be folded. Of revocations the first counts, which only the fold knows.
        """
        if event.verdict is not Verdict.ACCEPTED or not isinstance(event.body, GrantCreate | DocumentSession):
            return False
        ends = _ends(event)
        if ends is None or max(ends, event.hlc_us) + REST_AFTER > now:
            return False
        self._resting(event).take(event)
        self._controls.count_resting(event)
        return True

    def rest_all(self, newest: Mapping[bytes, Instant]) -> None:
        """Let go of all that may, as a node starts: by the newest clock that is held of each node."""
        for stream in self._controls.streams():
            for event in self._controls.of_stream(stream):
                if event.verdict is Verdict.ACCEPTED:
                    self.note(event)
        for node, now in newest.items():
            self.rest(node, now)

    def _resting(self, event: ControlEvent) -> Resting:
        return self._of.setdefault((event.stream, event.node), Resting(self._must_read))

    def _lay(self, event: ControlEvent, now: Instant) -> None:
        who, body = self._participants[event.node, event.stream.removeprefix("participant:")], event.body
        if isinstance(body, GrantRevoke):
            cid = cid_of(event)
            held = who.withdrawals.get(cid)
            if held is None or held.event != event.id:
                return  # of several the first counts; were that voided, this one would
            del who.withdrawals[cid]
            for grant in [grant for grant in who.grants.values() if grant.delegation.cid == cid]:
                heappush(self._due[event.node], (now + REST_AFTER, grant.id))
        elif isinstance(body, DocumentSession):
            who.sessions.pop(body.key, None)
        else:
            who.grants.pop(event.id, None)
        who.resting = self._resting(event)
        who.resting.take(event)
        self._controls.lay(event)

    # --- coming back -------------------------------------------------------------------------

    def wake(self, stream: str, node: bytes) -> None:
        """Hold all again that rests of a node in a stream; whoever asks folds it again next."""
        resting = self._of.pop((stream, node), None)
        self._read.clear()
        for epoch, (first, last) in resting.spans().items() if resting is not None else ():
            for held in self._held.span((epoch, stream), first, last):
                if held.kind in LEAVES and self._controls.get(held.id) is None:
                    event = _control(held, node)
                    self._controls.restore(event)
                    self.note(event)


def _control(held: Entry | Row, node: bytes) -> ControlEvent:
    """Return a control event that rested: it is accepted."""
    event = ControlEvent(parse_event(held.envelope), node)
    event.verdict, event.reason = Verdict.ACCEPTED, ""
    return event


def _ends(event: ControlEvent) -> Instant | None:
    """Return from when on nothing new stands on an event, None where that is not known."""
    body = event.body
    if isinstance(body, GrantRevoke):
        return event.hlc_us
    if isinstance(body, DocumentSession):
        return body.until
    expires = expiry_of(body) if isinstance(body, GrantCreate) else None
    return None if expires is None else min((expires + 1) * SECOND, FOREVER)
