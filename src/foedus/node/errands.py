"""Errands: calls that wait until they can be made, and run at most once.

The other node may be away, its agent asleep, a person's grant not given yet. An errand is durable before its sender is
told of it. Each call it makes has a nonce that is durable before the call is: after a crash the call is found by it,
or was never made. Another call follows only where the one before it certainly did not run.

    waiting ──a call is made──► called ──result, error, cancelled, unknown──► over
       ▲                          │
       └──not run, or refused for now──┘          (and: refused for good, late, cancelled ──► over)
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from foedus.adapters.log_errors import DatabaseBusy, DiskFull, ReadOnly
from foedus.base.errors import FoedusError, NotFound, Unavailable
from foedus.base.limits import NONCE_BYTES, SECOND
from foedus.node.approvals import Approval
from foedus.node.call_forms import CallForm
from foedus.node.carrying import NeedsApproval
from foedus.node.errand_records import Errand, ErrandBook
from foedus.query.limits import CALL_LASTS_MAX
from foedus.values.calls import CallProgressView, CallView

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.errands")

LOOK_S = 1.0
"""How often an errand that waits looks whether it can go on: a link, a grant, a place. It costs a look at memory."""
_LOST = 12 * 60 * 60 * SECOND
"""After its deadline a call without a receipt is not asked for again: the other end may have forgotten it."""
_UNREAD_MAX = 64
_LATER = frozenset(
    {"unreachable", "busy", "rate_limited", "no_capability", "stopping", "no_answer"}
    | {error.code for error in (DiskFull, ReadOnly, DatabaseBusy)}
)
"""What says that nothing was done, and that it may be another time, such as when the other node's disk has room."""
REFUSED_MAX_S = 60.0
"""How long at most an errand waits before it calls again where it was refused: each time twice as long as before."""

_GRANT = "A person allows it: foedus grant create AGENT --command agent/call --after-foreign --as NAME"

Coming = AsyncIterator[CallProgressView | CallView]


class Propose(Protocol):
    """Asks a person to allow a call."""

    async def __call__(self, form: CallForm, *, is_made_by_itself: bool) -> Approval:
        """Return what waits for their word."""
        ...


class Errands:
    """One per node. The service joins it to what makes calls, and to what asks people for them."""

    def __init__(self, node: Node) -> None:
        self.book = ErrandBook(node.store)
        self._call: Callable[[CallForm], Awaitable[Coming]] | None = None
        self._propose: Propose | None = None
        self._node = node
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._wakes: dict[bytes, asyncio.Event] = {}
        self._refusals: Counter[bytes] = Counter()
        """How often the other end said "not now", since the start or since it took the call up."""
        self._followers: dict[bytes, set[asyncio.Queue[CallProgressView | None]]] = {}

    def join(self, call: Callable[[CallForm], Awaitable[Coming]], propose: Propose) -> None:
        """Take what makes a call and returns what comes of it, and what asks a person to allow one."""
        self._call, self._propose = call, propose

    def start(self) -> None:
        """Go on with what is under way."""
        for errand, record in self.book:
            if not record.is_over:
                self._run(errand)

    async def close(self) -> None:
        """Stop; ``start`` goes on."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def begin(self, record: Errand) -> bytes:
        """Keep an errand, durably, and set out; return its id, that of before where its sender named it before."""
        errand = secrets.token_bytes(NONCE_BYTES)
        kept = await self.book.add(errand, record)
        if kept == errand:
            self._run(errand)
        return kept

    async def cancel(self, errand: bytes) -> None:
        """End one: at once where no call was made, else as the call ends."""
        record = self.book.get(errand)
        if record is None or record.is_over:
            return
        record = await self._change(errand, wants_end=True)
        if record.call:
            self._node.calls.cancel(record.call)
        self._wake(errand)

    async def note(self, errand: bytes, note: bytes) -> None:
        """Keep a surface's own words with one."""
        await self.book.change(errand, note=note)

    async def follow(self, errand: bytes) -> AsyncGenerator[CallProgressView | None, None]:
        """Yield progress as it comes, and None whenever the errand stands otherwise, until it is over."""
        queue: asyncio.Queue[CallProgressView | None] = asyncio.Queue(_UNREAD_MAX)
        self._followers.setdefault(errand, set()).add(queue)
        try:
            record = self.book.get(errand)
            while record is not None and not record.is_over:
                yield await queue.get()
                record = self.book.get(errand)
        finally:
            self._followers[errand].discard(queue)
            if not self._followers[errand]:
                del self._followers[errand]

    # --- running ------------------------------------------------------------------------------

    def _run(self, errand: bytes) -> None:
        task = asyncio.create_task(self._until_over(errand), name="errand")
        self._running[errand] = task
        task.add_done_callback(lambda _: self._done(errand, task))

    def _done(self, errand: bytes, task: asyncio.Task[None]) -> None:
        self._running.pop(errand, None)
        self._wakes.pop(errand, None)
        self._refusals.pop(errand, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an errand failed", exc_info=error)

    async def _until_over(self, errand: bytes) -> None:
        was_cut_short = True
        while (record := self.book.get(errand)) is not None and not record.is_over:
            try:
                if was_cut_short:
                    await self._find_again(errand)
                    was_cut_short = False
                else:
                    await self._go_on(errand, record)
            except Unavailable as error:  # such as a full disk: what was not written is gone about again
                log.warning("an errand waits: %s: %s", error.code, error)
                was_cut_short = True
                await self._pause(errand)

    async def _go_on(self, errand: bytes, record: Errand) -> None:
        if record.call:
            await self._see_through(errand, record)
        elif record.wants_end:
            await self._end(errand, outcome="cancelled")
        elif record.until <= self._node.store.now():
            await self._end(errand, outcome="late", why=record.why or "late")
        else:
            await self._try(errand, record)

    async def _find_again(self, errand: bytes) -> None:
        """Find the call that was made under an errand's nonce, where it was not written down that it was."""
        record = self.book.get(errand)
        if record is None or record.call or not record.nonce:
            return
        for call, made in self._node.calls.made():
            if made.request.nonce == record.nonce:
                await self._change(errand, state="called", call=call, why="", words="")
                return

    async def _try(self, errand: bytes, record: Errand) -> None:
        """Make a call; wait a while where that cannot be now."""
        call, now = self._call, self._node.store.now()
        if call is None or not self._is_reachable(record.host):
            await self._wait(errand, "unreachable", "that node is not reached now")
            return
        if not record.nonce:
            record = await self.book.change(errand, nonce=secrets.token_bytes(NONCE_BYTES))
        lasts = min(record.until - now, CALL_LASTS_MAX)
        form = CallForm(
            node=record.host.hex(),
            name=record.name,
            offer=record.offer.hex(),
            input=json.loads(record.input),
            wait_ms=max(1, lasts * 1_000 // SECOND),
            as_=record.did,
            nonce=record.nonce,
        )
        try:
            coming = await call(form)
        except FoedusError as error:  # nothing was made
            if error.code == NeedsApproval.code:
                await self._ask(errand, record, form)
            elif _needs_a_person(error.code):
                await self._wait(errand, error.code, f"{error}. {_GRANT}")
            elif error.code in _LATER or isinstance(error, Unavailable):
                await self._wait(errand, error.code, f"{error}. {error.remedy}")
            else:
                await self._end(errand, outcome="refused", why=error.code, words=str(error))
            return
        await self._find_again(errand)
        await self._ask_no_more(errand)  # a grant was given
        async for one in coming:
            if isinstance(one, CallProgressView):
                self._tell(errand, one)

    async def _ask(self, errand: bytes, record: Errand, form: CallForm) -> None:
        """Put a call before a person, once, and wait for their word; a no ends the errand."""
        asked = self._asked(record)
        if asked is not None and asked.state == "denied":
            await self._end(errand, outcome="refused", why="denied", words=asked.reason or "a person said no")
            return
        if (asked is None or not asked.is_undone) and self._propose is not None:
            try:
                asked = await self._propose(form, is_made_by_itself=False)
            except FoedusError as error:  # so many wait already, or it was allowed just now
                await self._wait(errand, NeedsApproval.code, f"{error}. {_GRANT}")
                return
            record = await self.book.change(errand, approval=asked.id)
        words = f"{_GRANT}. This one alone: foedus approval allow {record.approval} --as NAME"
        await self._wait(errand, NeedsApproval.code, words)

    async def _ask_no_more(self, errand: bytes) -> None:
        record = self.book.get(errand)
        asked = self._asked(record) if record is not None else None
        if asked is not None and asked.is_open:
            await self._node.consent.approvals.settle(asked, "expired", reason="it is not needed any more")

    def _asked(self, record: Errand) -> Approval | None:
        try:
            return self._node.consent.approvals.get(record.approval)
        except NotFound:
            return None

    async def _see_through(self, errand: bytes, record: Errand) -> None:
        """Wait for the end of a call, and do what follows from it."""
        made = self._node.calls.record(record.call)
        if made is None:
            await self._end(errand, outcome="unknown", why="forgotten")
        elif made.is_over:
            receipt = made.outcome
            await self._after(
                errand, record, receipt.outcome if receipt else "", receipt.code if receipt else made.code
            )
        elif made.deadline + _LOST < self._node.store.now():
            await self._end(errand, outcome="unknown", why="no_receipt")
        else:
            if record.wants_end:
                self._node.calls.cancel(record.call)
            await self._pause(errand)

    async def _after(self, errand: bytes, record: Errand, outcome: str, code: str) -> None:
        """Do what follows from how a call ended; ``outcome`` '': it was refused."""
        made = self._node.calls.record(record.call)
        output, words = (made.output, made.message) if made is not None else (None, "")
        if outcome in {"", "not_run"}:
            is_open = not record.wants_end and record.until > self._node.store.now()
            if is_open and (outcome == "not_run" or code in _LATER or _needs_a_person(code)):
                await self._change(errand, state="waiting", call=b"", nonce=b"", why=code, words=words)
                await self._pause_refused(errand, is_refused=not outcome)
            elif outcome == "not_run":
                await self._end(errand, outcome="cancelled" if record.wants_end else "late", why=code)
            else:
                await self._end(errand, outcome="refused", why=code, words=words)
            return
        if record.host != self._node.store.node:
            await self._node.consent.note_read(record.did)  # before it is shown
        ended = "unknown" if outcome == "outcome_unknown" else outcome
        await self._end(errand, outcome=ended, why=code, words=words, output=output)

    def _is_reachable(self, host: bytes) -> bool:
        if host == self._node.store.node:
            return True
        return self._node.lines.get(host) is not None

    async def _wait(self, errand: bytes, why: str, words: str) -> None:
        record = self.book.get(errand)
        if record is not None and record.why != why:
            await self._change(errand, why=why, words=words[:1_024])
        await self._pause(errand)

    async def _pause_refused(self, errand: bytes, *, is_refused: bool) -> None:
        """Wait longer from refusal to refusal: the other end reads, judges and audits each call."""
        self._refusals[errand] = self._refusals[errand] + 1 if is_refused else 0
        await self._pause(errand, min(REFUSED_MAX_S, LOOK_S * 2.0 ** min(self._refusals[errand], 16)))

    async def _pause(self, errand: bytes, longest_s: float | None = None) -> None:
        wake = self._wakes.setdefault(errand, asyncio.Event())
        try:
            async with asyncio.timeout(LOOK_S if longest_s is None else longest_s):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    def _wake(self, errand: bytes) -> None:
        self._wakes.setdefault(errand, asyncio.Event()).set()

    async def _end(self, errand: bytes, **fields: Any) -> None:
        await self._ask_no_more(errand)
        await self._change(errand, state="over", **fields)

    async def _change(self, errand: bytes, **fields: Any) -> Errand:
        record = await self.book.change(errand, **fields)
        self._tell(errand, None)
        return record

    def _tell(self, errand: bytes, one: CallProgressView | None) -> None:
        for queue in self._followers.get(errand, ()):
            if one is None and queue.full():
                queue.get_nowait()
            if not queue.full():
                queue.put_nowait(one)


def _needs_a_person(code: str) -> bool:
    return code == NeedsApproval.code or code.startswith("grant.")
