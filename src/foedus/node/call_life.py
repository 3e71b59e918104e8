"""The life of a call of this node's capabilities: at most once, and durable at each step before anything follows.

A call is durable before its agent can get it, that the agent gets it before the agent sees it, and the outcome before
anyone is told. What an agent has and has no outcome when the node starts, or at the deadline, is *outcome unknown* for
good: it is never given to anyone again.

    open ──its agent gets it──► handed ──its word, a cancel, the deadline──► ended
      └──cancel, deadline: not run─────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from foedus.base.errors import Unavailable
from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.log.port import Value
from foedus.node.background import Background
from foedus.node.call_records import CallRecord, CallRecords
from foedus.node.store import Store
from foedus.query.call import Outcome, Receipt, encode_receipt, receipt_bytes
from foedus.query.schemas import write_json

log = logging.getLogger("foedus.calls")
SPACE = "calls_hosted"
UNSIGNED_MAX = 64
"""Receipts for which a caller is asked again when its link opens: as many calls as it may have under way."""
AGAIN_S = 5.0
"""After which an outcome that could not be written (the disk is full) is written again."""


class Ending(NamedTuple):
    """How a call ends."""

    outcome: Outcome
    code: str = ""
    output: bytes | None = None


def failed(code: str, message: str) -> Ending:
    """Return an ending by an error of the agent."""
    return Ending("error", code, write_json({"code": code, "message": message}))


class CallLife:
    """One per node. ``on_open`` hears of each call that an agent can get, ``on_ended`` of each that is over.

    Both run once it is durable.
    """

    def __init__(self, store: Store) -> None:
        self.on_open: list[Callable[[bytes, CallRecord], None]] = []
        self.on_ended: list[Callable[[bytes, CallRecord], None]] = []
        self.outcomes: Counter[str] = Counter()
        """Calls that ended since the node started, by outcome."""
        self.background = Background(log)
        self._store = store
        self._records = CallRecords(store, SPACE)
        self._under_way: dict[bytes, bytes] = {}
        """Call → calling node."""
        self._open: dict[str, dict[bytes, None]] = {}
        """Agent → the calls that it can get, the oldest first."""
        self._locks: dict[bytes, asyncio.Lock] = {}
        """Handing over and ending wait for each other."""
        self._timers: dict[bytes, asyncio.TimerHandle] = {}

    async def start(self) -> None:
        """Take up what was under way when the node stopped: what an agent had has no known outcome."""
        for call, record in self._records:
            if record.is_over:
                continue
            self._under_way[call] = record.request.node
            if record.state == "handed":
                await self._end_at_start(call, Ending("outcome_unknown", "restarted"))
            elif record.deadline <= self._store.now():
                await self._end_at_start(call, Ending("not_run", "late"))
            else:
                self._begin(call, record)

    async def _end_at_start(self, call: bytes, ending: Ending) -> None:
        """End a call; where that cannot be written (the disk is full) the node starts all the same."""
        try:
            await self.end(call, ending)
        except Unavailable as error:
            log.warning("how a call ended is written later: %s", error)
            self._set_timer(call, AGAIN_S)

    async def close(self) -> None:
        """Stop; what is under way is taken up by ``start``."""
        for timer in self._timers.values():
            timer.cancel()
        await self.background.close()

    @property
    def under_way(self) -> int:
        """Calls that have not ended."""
        return len(self._under_way)

    def callers(self) -> Iterator[bytes]:
        """Yield the calling node of each call under way."""
        yield from self._under_way.values()

    def caller(self, call: bytes) -> bytes | None:
        """Return who made a call that is under way."""
        return self._under_way.get(call)

    def record(self, call: bytes) -> CallRecord | None:
        """Return what is kept of a call."""
        return self._records.get(call)

    def unsigned(self, caller: bytes) -> list[tuple[bytes, CallRecord]]:
        """Return the calls of a node whose receipt it has not signed, as far as is known here; the newest, not many."""
        ended = [(call, record) for call, record in self._records if record.receipt and record.countersig is None]
        return [(call, record) for call, record in ended if record.request.node == caller][-UNSIGNED_MAX:]

    def is_forgotten(self, call: bytes) -> bool:
        """Tell whether a call was here, and what came of it is not known any more."""
        return self._records.is_forgotten(call)

    @property
    def kept_bytes(self) -> int:
        """Bytes of what is kept of calls, with what may still come."""
        return self._records.size

    def open_of(self, agent: str) -> list[bytes]:
        """Return the calls that an agent can get, the oldest first."""
        return list(self._open.get(agent, ()))

    # --- the steps ----------------------------------------------------------------------------

    async def open(self, call: bytes, record: CallRecord, also: Sequence[Value] = ()) -> None:
        """Write a call down, and ``also`` with it; raise UsageError where there is no room."""
        await self._records.put(call, record, also)
        self._under_way[call] = record.request.node
        self._begin(call, record)

    def _begin(self, call: bytes, record: CallRecord) -> None:
        self._locks[call] = asyncio.Lock()
        self._open.setdefault(record.agent, {})[call] = None
        self._set_timer(call, (record.deadline - self._store.now()) / SECOND)
        for hear in self.on_open:
            hear(call, record)

    async def hand(self, call: bytes) -> CallRecord | None:
        """Write that its agent gets a call; None where somebody has it already, or it is over."""
        async with self._locks[call] if call in self._locks else asyncio.Lock():
            record = self._records.get(call)
            if record is None or record.state != "open":
                return None
            self._open_no_more(call, record)  # while it is written, others look for other work
            try:
                return await self._records.change(call, state="handed", began=self._store.now())
            except BaseException:
                self._open.setdefault(record.agent, {})[call] = None
                raise

    async def end(self, call: bytes, ending: Ending) -> None:
        """Write how a call ended, once, and only then say so. What was to be ``not_run`` is not, if it was handed."""
        async with self._locks.setdefault(call, asyncio.Lock()):
            record = self._records.get(call)
            if record is None or record.is_over:
                return
            if ending.outcome == "not_run" and record.state == "handed":  # its agent got it meanwhile
                ending = Ending("outcome_unknown", ending.code)
            receipt = encode_receipt(self._receipt(call, record, ending))
            sig = self._store.keys.ed25519.sign(receipt_bytes(receipt))
            record = await self._records.change(
                call, state="ended", receipt=receipt, receipt_sig=sig, output=ending.output
            )
        self._open_no_more(call, record)
        self._locks.pop(call, None)
        self._under_way.pop(call, None)
        timer = self._timers.pop(call, None)
        if timer is not None:
            timer.cancel()
        self.outcomes[ending.outcome] += 1
        for hear in self.on_ended:
            hear(call, record)

    async def countersign(self, call: bytes, sig: bytes) -> None:
        """Keep the calling node's signature of the receipt, which holds: again while it cannot be written."""
        while (record := self._records.get(call)) is not None and record.countersig is None:
            try:
                await self._records.change(call, countersig=sig)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)

    # --- inside -------------------------------------------------------------------------------

    def _open_no_more(self, call: bytes, record: CallRecord) -> None:
        mine = self._open.get(record.agent, {})
        mine.pop(call, None)
        if not mine:
            self._open.pop(record.agent, None)

    def _set_timer(self, call: bytes, after_s: float) -> None:
        def wake() -> None:
            self.background.spawn(self._at_deadline(call))

        self._timers[call] = asyncio.get_running_loop().call_later(max(0.0, after_s), wake)

    async def _at_deadline(self, call: bytes) -> None:
        record = self._records.get(call)
        if record is None or record.is_over:
            return
        try:
            await self.end(call, Ending("not_run", "late"))
        except Unavailable:
            self._set_timer(call, AGAIN_S)
            raise

    def _receipt(self, call: bytes, record: CallRecord, ending: Ending) -> Receipt:
        request, store = record.request, self._store
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
