"""Calls that go out from this node, and the frames of all calls: this node's own capabilities are called the same way.

A call is durable before it is sent. It is sent again, under the same id, whenever a link to its node opens and its
outcome is not known: the other end runs it at most once and answers with what it wrote down.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.base.ids import sha256, short
from foedus.base.limits import SECOND
from foedus.crypto import ed25519
from foedus.node.background import Background
from foedus.node.call_desk import CallDesk
from foedus.node.call_hosting import CallHost
from foedus.node.call_judging import CallJudge
from foedus.node.call_life import AGAIN_S, CallLife
from foedus.node.call_progress import Followed, Progress
from foedus.node.call_records import CallRecord, CallRecords
from foedus.node.call_views import CallViews
from foedus.node.capability_book import CapabilityBook
from foedus.node.waiting import happens
from foedus.node.webhooks import Webhooks
from foedus.query.call import FORGOTTEN, LateCall, parse_receipt, receipt_bytes
from foedus.query.limits import CALLS_KEPT, CALLS_UNDER_WAY_MAX
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallFrame, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.codec import Frame

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.http_line import Line

log = logging.getLogger("foedus.calls")
SPACE = "calls_made"
AFTER_DEADLINE_S = 2.0
"""How long a caller waits beyond its deadline: the receipt that says so is on its way."""


class Calls:
    """One per node: the calls that it made, and those of its own capabilities.

    The latter live in ``life``; ``host`` takes what callers say, ``desk`` what agents do, ``webhooks`` brings them.
    """

    def __init__(self, node: Node) -> None:
        self.book = CapabilityBook(node.store)
        self.judge = CallJudge(node, node.queries.judge)
        self.life = CallLife(node.store)
        self.host = CallHost(node, self.life, self.book, self.judge, self._tell_caller)
        self.desk = CallDesk(self.life, self.book, self._tell_caller)
        self.views = CallViews(node.store, self._node_name)
        self.webhooks = Webhooks(node, self.life, self.desk, self.views)
        self.outcomes: Counter[str] = Counter()
        """Calls made here that are over since the node started, by outcome, ``refused`` being one."""
        self._node = node
        self._made = CallRecords(node.store, SPACE)
        self._followed = Followed()
        self._open = {call for call, record in self._made if not record.is_over}
        self._ending: set[bytes] = set()
        self._awaited: dict[bytes, asyncio.Event] = {}
        self._background = Background(log)

    async def start(self) -> None:
        """Take up what was under way when the node stopped."""
        await self.life.start()
        self._go_on(self._node.store.node)

    async def close(self) -> None:
        """Stop; calls under way are asked for again when this node runs."""
        await self.webhooks.close()
        await self.life.close()
        await self._background.close()

    def _node_name(self, node: bytes) -> str:
        store = self._node.store
        return store.name if node == store.node else self._node.peers.book.peer(node).name or short(node)

    def record(self, call: bytes) -> CallRecord | None:
        """Return what is kept of a call made here."""
        return self._made.get(call)

    def is_known(self, call: bytes) -> bool:
        """Tell whether a call was made here, also where it is forgotten."""
        return self._made.get(call) is not None or self._made.is_forgotten(call)

    def made(self) -> list[tuple[bytes, CallRecord]]:
        """Return the calls made here, the oldest first."""
        return list(self._made)

    # --- calling ------------------------------------------------------------------------------

    async def make(self, call: bytes, record: CallRecord, *, is_followed: bool = True) -> None:
        """Write a call down, and send it; raise UsageError where its node cannot be called now.

        ``is_followed``: somebody reads its progress.
        """
        host = record.request.host
        self._check_reachable(host)
        if self.under_way >= CALLS_UNDER_WAY_MAX:
            raise UsageError("too many calls are under way here", code="busy", http_status=503, remedy="call later")
        await self._made.put(call, record)
        self._open.add(call)
        if is_followed:
            self._followed.begin(call)
        self._send(record)

    @property
    def under_way(self) -> int:
        """Calls made here that are not over, and whose deadline has not passed."""
        now = self._node.store.now()
        held = {call: self._made.get(call) for call in self._open}
        self._open = {call for call, record in held.items() if record is not None and not record.is_over}
        return sum(record.deadline > now for call, record in held.items() if record is not None and call in self._open)

    @property
    def kept_bytes(self) -> int:
        """Bytes of what is kept of calls, made here and worked on here."""
        return self._made.size + self.life.kept_bytes

    def _check_reachable(self, host: bytes) -> None:
        if host == self._node.store.node:
            return
        clause = self.judge.clause(host, self._node.store.node)
        if clause:
            raise UsageError(f"that node may not be called: {clause}", code=clause, http_status=403, remedy=_SEE)
        line = self._node.lines.get(host)
        if line is None:
            raise UsageError("there is no link to that node now", code="unreachable", http_status=503, remedy=_LATER)
        if not line.speaks("calls"):
            raise UsageError("that node takes no calls", code="no_capability", http_status=409, remedy=_SEE)

    def _send(self, record: CallRecord) -> None:
        left = max(1, record.deadline - self._node.store.now())
        frame = Call(record.call, record.asig, record.sig, left)
        if record.request.host == self._node.store.node:
            self.host.arrived(self._node.store.node, frame)
        else:
            self._transmit(record.request.host, frame)

    def cancel(self, call: bytes) -> None:
        """Ask the other end to stop; how the call ended it then says."""
        record = self._made.get(call)
        if record is None or record.is_over:
            return
        if record.request.host == self._node.store.node:
            self.host.cancelled(self._node.store.node, call)
        else:
            self._transmit(record.request.host, CallCancel(call))

    def follow(self, call: bytes) -> AsyncIterator[Progress]:
        """Return progress as it comes, from the call's beginning until it is over here or its deadline has passed."""
        record = self._made.get(call)
        left = 0 if record is None else record.deadline - self._node.store.now()
        return self._followed.read(call, left / SECOND + AFTER_DEADLINE_S)

    async def until_over(self, call: bytes, wait_s: float) -> None:
        """Return when a call made here is over, or after ``wait_s``."""
        record = self._made.get(call)
        if record is None or record.is_over or wait_s <= 0:
            return
        over = self._awaited.setdefault(call, asyncio.Event())
        await happens(over, wait_s)

    def linked(self, line: Line) -> None:
        """Ask a peer again for what it has not answered, and for its word on receipts: there is a way to it."""
        self._go_on(line.node)

    def _go_on(self, peer: bytes) -> None:
        since = self._node.store.now() - CALLS_KEPT // 2  # the other end forgets nothing so young
        for call in self._open - self._ending:  # what is being written down is not asked for once more
            record = self._made.get(call)
            if record and not record.is_over and record.deadline > since and record.request.host == peer:
                self._send(record)
        self.host.linked(peer)

    # --- frames -------------------------------------------------------------------------------

    def frame(self, line: Line, frame: CallFrame) -> None:
        """Take a frame of a peer."""
        self._take(line.node, frame)

    def _take(self, peer: bytes, frame: CallFrame) -> None:
        match frame:
            case Call():
                self.host.arrived(peer, frame)
            case CallCancel(call=call):
                self.host.cancelled(peer, call)
            case CallSigned(call=call, sig=sig):
                self.host.signed(peer, call, sig)
            case CallProgress(call=call, number=number, data=data):
                if self._is_of(call, peer):
                    self._followed.say(call, Progress(number, data))
            case CallEnded() | CallRefused():
                self._background.spawn(self._over(peer, frame))

    def _tell_caller(self, caller: bytes, frame: Frame) -> None:
        if caller == self._node.store.node:
            if isinstance(frame, CallFrame):
                self._take(caller, frame)
        else:
            self._transmit(caller, frame)

    def _transmit(self, peer: bytes, frame: Frame) -> None:
        """Send a frame as the peer reads; without a link it is lost, and the call asked for again."""
        line = self._node.lines.get(peer)
        if line is not None and line.speaks("calls"):
            line.when_there_is_room(partial(line.control, frame))

    def _is_of(self, call: bytes, peer: bytes) -> bool:
        record = self._made.get(call)
        return record is not None and not record.is_over and record.request.host == peer

    async def _over(self, peer: bytes, frame: CallEnded | CallRefused) -> None:
        """Take how a call ended, the first time that it is said and holds."""
        call = frame.call
        record = self._made.get(call)
        if (
            isinstance(frame, CallEnded)
            and record is not None
            and record.countersig
            and record.receipt == frame.receipt
        ):
            self._countersigned(peer, call, record.countersig)  # the other end did not get it
        if not self._is_of(call, peer) or call in self._ending:
            return
        self._ending.add(call)
        try:
            await (self._ended(peer, frame) if isinstance(frame, CallEnded) else self._refused(frame))
        except Unavailable:
            self._background.spawn(self._ask_again(call))
            raise
        finally:
            self._ending.discard(call)

    async def _ask_again(self, call: bytes) -> None:
        """Let the other end say once more how a call ended: it could not be written down here."""
        await asyncio.sleep(AGAIN_S)
        record = self._made.get(call)
        if record is not None and not record.is_over:
            self._send(record)

    async def _ended(self, peer: bytes, frame: CallEnded) -> None:
        """Check and keep a receipt, sign it too, and tell who waits; what does not hold is dropped."""
        if not self._holds(peer, frame):
            return
        if frame.output is not None:
            await self._note_read(frame.call)
        sig = self._node.store.keys.ed25519.sign(receipt_bytes(frame.receipt))
        record = await self._made.change(
            frame.call,
            state="ended",
            receipt=frame.receipt,
            receipt_sig=frame.sig,
            countersig=sig,
            output=frame.output,
        )
        self._countersigned(peer, frame.call, sig)
        self._told_over(frame.call, record.outcome.outcome if record.outcome else "")

    async def _note_read(self, call: bytes) -> None:
        """Remember, before it is shown, that an agent reads what another node's wrote."""
        record, own = self._made.get(call), self._node.store.node
        if record is None or record.request.host == own:
            return
        who = self._node.store.admission.authority.participants.get((own, record.request.did))
        if who is not None and who.kind == "agent":
            await self._node.consent.note_read(who.did)

    async def _refused(self, frame: CallRefused) -> None:
        record = self._made.get(frame.call)
        is_past = record is not None and record.deadline < self._node.store.now()
        code = FORGOTTEN if frame.code == LateCall.code and is_past else frame.code  # it was sent before
        await self._made.change(frame.call, state="refused", code=code, message=frame.message)
        self._told_over(frame.call, "refused")

    def _told_over(self, call: bytes, outcome: str) -> None:
        self._open.discard(call)
        self._followed.end(call)
        if (over := self._awaited.pop(call, None)) is not None:
            over.set()
        self.outcomes[outcome] += 1

    def _countersigned(self, peer: bytes, call: bytes, sig: bytes) -> None:
        if peer == self._node.store.node:
            self.host.signed(peer, call, sig)
        else:
            self._transmit(peer, CallSigned(call, sig))

    def _holds(self, peer: bytes, frame: CallEnded) -> bool:
        try:
            receipt = parse_receipt(frame.receipt)
        except FoedusError:
            return False
        view = self._node.store.identities.epoch(receipt.epoch)
        digest = None if frame.output is None else sha256(frame.output)
        is_meant = (receipt.call, receipt.host, receipt.digest) == (frame.call, peer, digest)
        if view is None or view.node != peer or not is_meant:
            return False
        return ed25519.verify(view.ed25519, receipt_bytes(frame.receipt), frame.sig)


_SEE = "see docs/capabilities.md, who may call"
_LATER = "see `foedus peer list`; call when it is linked"
