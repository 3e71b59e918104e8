"""What other nodes, and this one, say about calls of this node's capabilities: the calls, cancels and signatures."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from foedus.adapters.log_errors import DiskFailed, DiskFull
from foedus.base.errors import FoedusError, UsageError
from foedus.crypto import ed25519
from foedus.node.call_judging import CallJudge
from foedus.node.call_life import CallLife, Ending
from foedus.node.call_records import CallRecord
from foedus.node.capability_book import CapabilityBook, Offered
from foedus.node.spending import Bill
from foedus.query.call import FORGOTTEN, Call, call_id, receipt_bytes
from foedus.query.limits import CALLS_PER_PEER_MAX, CALLS_REFUSED_KEPT, CALLS_UNDER_WAY_MAX, SKEW_MAX
from foedus.sync.frames.calls import Call as CallFrame
from foedus.sync.frames.calls import CallEnded, CallRefused
from foedus.sync.frames.codec import Frame

if TYPE_CHECKING:
    from foedus.node.composition import Node


class CallHost:
    """One per node. ``tell(node, frame)`` brings a frame to the calling node, which may be this one."""

    def __init__(
        self, node: Node, life: CallLife, book: CapabilityBook, judge: CallJudge, tell: Callable[[bytes, Frame], None]
    ) -> None:
        self.refused: Counter[str] = Counter()
        """Calls that were not taken up, by code."""
        self._node = node
        self._life = life
        self._book = book
        self._judge = judge
        self._tell = tell
        self._judging: dict[bytes, bytes] = {}
        self._turned_away: OrderedDict[tuple[bytes, bytes], CallRefused] = OrderedDict()
        """Calling node and call → what it was told, perhaps by a link that broke. Who asks again is told the same: a
        refusal that is on its way may be followed by another call, so this one is not taken up after all."""
        life.on_ended.append(self._ended)

    def arrived(self, caller: bytes, frame: CallFrame) -> None:
        """Take a call, or one that is asked for again."""
        call = call_id(frame.call)
        record = self._life.record(call)
        if record is not None:
            if record.is_over and record.request.node == caller and not self._too_often(caller):
                self._say_ended(call, record)
            return  # under way, or asked too often: a refusal would say that it was not run
        if call in self._judging:
            return
        if (refused := self._turned_away.get((caller, call))) is not None:
            self._tell(caller, refused)
            return
        clause = self._clause(caller)
        if self._life.is_forgotten(call):
            if not clause:
                self._tell(caller, CallRefused(call, FORGOTTEN, "what came of it is not kept any more"))
        elif clause:
            self._refuse(caller, call, clause, "")
        else:
            self._judging[call] = caller
            self._life.background.spawn(self._take(caller, call, frame))

    def _clause(self, caller: bytes) -> str:
        mine = sum(node == caller for node in (*self._life.callers(), *self._judging.values()))
        if self._life.under_way >= CALLS_UNDER_WAY_MAX or mine >= CALLS_PER_PEER_MAX:
            return "busy"
        if caller == self._node.store.node:
            return ""
        return self._too_often(caller) or self._judge.clause(caller, caller)

    def _too_often(self, caller: bytes) -> str:
        """Count what a peer asks; return the clause where that is too much, or ''."""
        if caller == self._node.store.node:
            return ""
        try:
            self._node.rates.take("queries_per_peer", caller.hex())
        except FoedusError as error:
            return error.code
        return ""

    async def _take(self, caller: bytes, call: bytes, frame: CallFrame) -> None:
        try:
            request = self._judge.read(frame, caller)
            offered = self._book.get(request.name)
            bill = None
            if caller != self._node.store.node:
                bill = await self._judge.judge(frame, request, offered)
            await self._open(call, frame, request, offered, bill)
        except DiskFailed:  # it may be written all the same, so a refusal might be a lie; the caller asks again
            raise
        except FoedusError as error:
            self._refuse(caller, call, error.code, str(error))
        finally:
            self._judging.pop(call, None)

    async def _open(self, call: bytes, frame: CallFrame, request: Call, offered: Offered, bill: Bill | None) -> None:
        """Write a call down together with what it uses up; where it is not written, it uses up nothing."""
        try:
            offered.takes.check(request.input)
            deadline = min(self._node.store.now() + frame.left, request.deadline + SKEW_MAX)
            record = CallRecord(
                call=frame.call, asig=frame.asig, sig=frame.sig, deadline=deadline, agent=offered.offer.agent
            )
            await self._life.open(call, record, bill.values if bill is not None else ())
        except (UsageError, DiskFull):
            if bill is not None:
                self._judge.spending.give_back(bill)
            raise

    def _refuse(self, caller: bytes, call: bytes, code: str, message: str) -> None:
        self.refused[code] += 1
        self._node.audited.call(caller, code)
        refused = self._turned_away[caller, call] = CallRefused(call, code[:64], message[:1_024])
        if len(self._turned_away) > CALLS_REFUSED_KEPT:
            self._turned_away.popitem(last=False)
        self._tell(caller, refused)

    def cancelled(self, caller: bytes, call: bytes) -> None:
        """End a call, as its caller wants it. Whether the agent had begun, the receipt says."""
        if self._life.caller(call) == caller:
            self._life.background.spawn(self._life.end(call, Ending("cancelled")))

    def signed(self, caller: bytes, call: bytes, sig: bytes) -> None:
        """Keep the calling node's signature of the receipt."""
        record = self._life.record(call)
        if record is None or record.receipt is None or record.countersig is not None:
            return
        if record.request.node != caller:
            return
        identities = self._node.store.identities
        views = [identities.epoch(signed.id) for signed in identities.history(caller)]  # it may have rotated since
        message = receipt_bytes(record.receipt)
        if any(view is not None and ed25519.verify(view.ed25519, message, sig) for view in views):
            self._life.background.spawn(self._life.countersign(call, sig))

    def linked(self, caller: bytes) -> None:
        """Tell a calling node again how its calls ended, where its signature of the receipt did not come."""
        for call, record in self._life.unsigned(caller):
            self._say_ended(call, record)

    def _ended(self, call: bytes, record: CallRecord) -> None:
        self._node.audited.call(record.request.node, "")
        self._say_ended(call, record)

    def _say_ended(self, call: bytes, record: CallRecord) -> None:
        if record.receipt is not None and record.receipt_sig is not None:
            ended = CallEnded(call, record.receipt, record.receipt_sig, record.output)
            self._tell(record.request.node, ended)
