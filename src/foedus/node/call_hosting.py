"""Calls of this node's capabilities: at most once each.

A call is durable before its agent can be handed it, the hand-over before the agent sees it, and the outcome before
anyone is told. What was handed over and has no outcome when the node starts, or at the deadline, is *outcome unknown*
for good: it is never handed over again.

    open ──the agent asks for work──► handed ──its word, a cancel, the deadline──► ended
      └──cancel, deadline: not run──────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, NotFound, UsageError
from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.crypto import ed25519
from foedus.node.call_judging import CallJudge
from foedus.node.call_records import CallRecord, CallRecords
from foedus.node.capability_book import CapabilityBook
from foedus.query.call import Call, Outcome, Receipt, call_id, encode_receipt, receipt_bytes
from foedus.query.limits import CALLS_PER_PEER_MAX, CALLS_UNDER_WAY_MAX, SKEW_MAX
from foedus.query.schemas import SchemaMismatch, write_json
from foedus.sync.frames import Call as CallFrame
from foedus.sync.frames import CallEnded, CallProgress, CallRefused, Frame

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.calls")
SPACE = "calls_hosted"
PROGRESS_MAX = 1_000
"""Words of progress of one call: a person sees no more, and a link carries other things, too."""


class Ending(NamedTuple):
    """How a call ends."""

    outcome: Outcome
    code: str = ""
    output: bytes | None = None


class Work(NamedTuple):
    """A call that an agent was handed."""

    id: bytes
    call: Call
    deadline: Instant


class CallHost:
    """One per node. ``tell(node, frame)`` brings a frame to the calling node, which may be this one."""

    def __init__(
        self, node: Node, book: CapabilityBook, judge: CallJudge, tell: Callable[[bytes, Frame], None]
    ) -> None:
        self.refused: Counter[str] = Counter()
        """Calls that were not taken up, by code."""
        self._node = node
        self._book = book
        self._judge = judge
        self._tell = tell
        self._records = CallRecords(node.store, SPACE)
        self._waiting: dict[str, deque[bytes]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._under_way: dict[bytes, bytes] = {}
        """Call → calling node."""
        self._judging: dict[bytes, bytes] = {}
        self._locks: dict[bytes, asyncio.Lock] = {}
        """Handing over and ending wait for each other."""
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._numbers: Counter[bytes] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up what was under way when the node stopped: what was handed over has no known outcome."""
        for call, record in self._records:
            if record.is_over:
                continue
            self._under_way[call] = record.request.node
            if record.state == "handed":
                await self._end(call, Ending("outcome_unknown", "restarted"))
            elif record.deadline <= self._node.store.now():
                await self._end(call, Ending("not_run", "late"))
            else:
                self._enqueue(call, record)

    async def close(self) -> None:
        """Stop; what is under way is taken up by ``start``."""
        for timer in self._timers.values():
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def under_way(self) -> int:
        """Calls that have not ended."""
        return len(self._under_way)

    def record(self, call: bytes) -> CallRecord | None:
        """Return what is kept of a call."""
        return self._records.get(call)

    # --- what calling nodes say ---------------------------------------------------------------

    def arrived(self, caller: bytes, frame: CallFrame) -> None:
        """Take a call, or one that is asked for again."""
        call = call_id(frame.call)
        record = self._records.get(call)
        if record is not None:
            if record.is_over and record.request.node == caller and not self._too_often(caller):
                self._say_ended(call, record)
            return  # under way, or asked too often: a refusal would say that it was not run
        if call in self._judging:
            return
        clause = self._clause(caller)
        if clause:
            self._refuse(caller, call, clause, "")
            return
        self._judging[call] = caller
        self._spawn(self._take(caller, call, frame))

    def _clause(self, caller: bytes) -> str:
        mine = sum(node == caller for group in (self._under_way, self._judging) for node in group.values())
        if len(self._under_way) >= CALLS_UNDER_WAY_MAX or mine >= CALLS_PER_PEER_MAX:
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
            if caller != self._node.store.node:
                await self._judge.judge(frame, request, offered)
            offered.takes.check(request.input)
            now = self._node.store.now()
            deadline = min(now + frame.left, request.deadline + SKEW_MAX)
            record = CallRecord(
                call=frame.call, asig=frame.asig, sig=frame.sig, deadline=deadline, agent=offered.offer.agent
            )
            await self._records.put(call, record)
        except FoedusError as error:
            self._refuse(caller, call, error.code, str(error))
            return
        finally:
            self._judging.pop(call, None)
        self._under_way[call] = caller
        self._enqueue(call, record)

    def _refuse(self, caller: bytes, call: bytes, code: str, message: str) -> None:
        self.refused[code] += 1
        self._node.audited.call(caller, code)
        self._tell(caller, CallRefused(call, code[:64], message[:1_024]))

    def cancelled(self, caller: bytes, call: bytes) -> None:
        """End a call, as its caller wants it. Whether the agent had begun, the receipt says."""
        if self._under_way.get(call) == caller:
            self._spawn(self._end(call, Ending("cancelled")))

    def signed(self, caller: bytes, call: bytes, sig: bytes) -> None:
        """Keep the calling node's signature of the receipt."""
        record = self._records.get(call)
        if record is None or record.receipt is None or record.countersig is not None:
            return
        request = record.request
        identities = self._node.store.identities
        newest = identities.newest(caller)
        view = None if newest is None else identities.epoch(newest.id)
        if request.node != caller or view is None:
            return
        if ed25519.verify(view.ed25519, receipt_bytes(record.receipt), sig):
            self._spawn(self._keep(call, sig))

    async def _keep(self, call: bytes, sig: bytes) -> None:
        await self._records.change(call, countersig=sig)

    # --- what agents do -----------------------------------------------------------------------

    async def work(self, agent: str, wait_s: float) -> Work | None:
        """Hand an agent its next call, durably; None where none came in time."""
        wake = self._wakes.setdefault(agent, asyncio.Event())
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            found = await self._next(agent)
            if found is not None:
                return found
            wake.clear()
            try:
                async with asyncio.timeout_at(until):
                    await wake.wait()
            except TimeoutError:
                return None

    async def _next(self, agent: str) -> Work | None:
        waiting = self._waiting.get(agent)
        while waiting:
            call = waiting.popleft()
            record = self._records.get(call)
            if record is not None and await self._hand(call):
                return Work(call, record.request, record.deadline)
        return None

    async def _hand(self, call: bytes) -> bool:
        """Write that a call is handed over; False where it is over."""
        async with self._locks[call] if call in self._locks else asyncio.Lock():
            record = self._records.get(call)
            if record is None or record.state != "open":
                return False
            await self._records.change(call, state="handed", began=self._node.store.now())
            return True

    def progress(self, agent: str, call: bytes, data: bytes) -> None:
        """Tell the caller how far the work is.

        Raises NotFound where the agent has no such call, UsageError beyond PROGRESS_MAX.
        """
        caller = self._under_way[self._own(agent, call)]
        if self._numbers[call] >= PROGRESS_MAX:
            raise UsageError(
                f"a call tells its progress at most {PROGRESS_MAX} times",
                code="too_much_progress",
                http_status=429,
                remedy="say it less often; end the call by its result",
            )
        self._numbers[call] += 1
        self._tell(caller, CallProgress(call, self._numbers[call], data))

    async def finish(self, agent: str, call: bytes, ending: Ending) -> CallRecord:
        """Take an agent's word: durable when it returns. What its schema does not allow is an error of the call.

        Raises NotFound where the agent has no such call, and SchemaMismatch where the output is not as it was offered
        (the call then ends as an error, ``bad_output``).
        """
        record = self._records.get(self._own(agent, call))
        if ending.outcome == "result" and record is not None:
            try:
                self._check_output(record, ending.output or b"")
            except SchemaMismatch:
                await self._end(call, failed("bad_output", "what the agent returned is not as it was offered"))
                raise
        await self._end(call, ending)
        found = self._records.get(call)
        if found is None or found.outcome is None or found.outcome.outcome != ending.outcome:
            raise UsageError("the call is over", code="call_over", http_status=409, remedy="take the next one")
        return found

    def _check_output(self, record: CallRecord, output: bytes) -> None:
        offered = self._book.find(record.request.name)
        if offered is not None and offered.id == record.request.offer:
            offered.returns.check(output)

    def _own(self, agent: str, call: bytes) -> bytes:
        record = self._records.get(call)
        if record is None or record.agent != agent:
            raise NotFound("you have no such call", code="unknown_call", remedy="ask for work")
        if record.state != "handed" or call not in self._under_way:
            raise UsageError("the call is over", code="call_over", http_status=409, remedy="take the next one")
        return call

    # --- inside -------------------------------------------------------------------------------

    def _enqueue(self, call: bytes, record: CallRecord) -> None:
        agent = record.agent
        self._locks[call] = asyncio.Lock()
        left_s = max(0.0, (record.deadline - self._node.store.now()) / SECOND)
        loop = asyncio.get_running_loop()
        self._timers[call] = loop.call_later(left_s, lambda: self._spawn(self._at_deadline(call)))
        self._waiting.setdefault(agent, deque()).append(call)
        self._wakes.setdefault(agent, asyncio.Event()).set()

    async def _at_deadline(self, call: bytes) -> None:
        record = self._records.get(call)
        if record is not None and not record.is_over:
            began = record.state == "handed"
            await self._end(call, Ending("outcome_unknown", "late") if began else Ending("not_run", "late"))

    async def _end(self, call: bytes, ending: Ending) -> None:
        """Write how a call ended, once, and only then say so."""
        async with self._locks.setdefault(call, asyncio.Lock()):
            record = self._records.get(call)
            if record is None or record.is_over:
                return
            receipt = encode_receipt(self._receipt(call, record, ending))
            sig = self._node.store.keys.ed25519.sign(receipt_bytes(receipt))
            record = await self._records.change(
                call, state="ended", receipt=receipt, receipt_sig=sig, output=ending.output
            )
        self._locks.pop(call, None)
        self._under_way.pop(call, None)
        self._numbers.pop(call, None)
        timer = self._timers.pop(call, None)
        if timer is not None:
            timer.cancel()
        self._node.audited.call(record.request.node, "")
        self._say_ended(call, record)

    def _receipt(self, call: bytes, record: CallRecord, ending: Ending) -> Receipt:
        request, store = record.request, self._node.store
        return Receipt(
            v=1,
            call=call,
            host=store.node,
            epoch=store.epoch,
            offer=request.offer,
            agent=record.agent,
            outcome=ending.outcome,
            code=ending.code,
            digest=None if ending.output is None else sha256(ending.output),
            began=record.began,
            ended=store.now(),
        )

    def _say_ended(self, call: bytes, record: CallRecord) -> None:
        if record.receipt is not None and record.receipt_sig is not None:
            ended = CallEnded(call, record.receipt, record.receipt_sig, record.output)
            self._tell(record.request.node, ended)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a call failed", exc_info=error)


def failed(code: str, message: str) -> Ending:
    """Return an ending by an error of the agent."""
    return Ending("error", code, write_json({"code": code, "message": message}))
