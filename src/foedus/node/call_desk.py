"""What agents do with calls of their capabilities: take the next, tell how far they are, end it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.node.call_life import CallLife, Ending, failed
from foedus.node.call_records import CallRecord
from foedus.node.capability_book import CapabilityBook
from foedus.query.call import Call
from foedus.query.limits import PROGRESS_MAX
from foedus.query.schemas import BadJson, SchemaMismatch
from foedus.sync.frames.calls import CallProgress
from foedus.sync.frames.codec import Frame


class Work(NamedTuple):
    """A call that an agent was handed."""

    id: bytes
    call: Call
    deadline: Instant


class CallDesk:
    """One per node. ``tell(node, frame)`` brings a frame to the calling node, which may be this one."""

    def __init__(self, life: CallLife, book: CapabilityBook, tell: Callable[[bytes, Frame], None]) -> None:
        self._life = life
        self._book = book
        self._tell = tell
        self._wakes: dict[str, asyncio.Event] = {}
        self._numbers: Counter[bytes] = Counter()
        life.on_open.append(self._wake)
        life.on_ended.append(self._ended)

    def _wake(self, _: bytes, record: CallRecord) -> None:
        if wake := self._wakes.get(record.agent):
            wake.set()

    def _ended(self, call: bytes, _: CallRecord) -> None:
        self._numbers.pop(call, None)

    async def work(self, agent: str, wait_s: float) -> Work | None:
        """Hand an agent its next call, durably; None where none came in time."""
        wake = self._wakes.setdefault(agent, asyncio.Event())
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            wake.clear()
            for call in self._life.open_of(agent):
                handed = await self._life.hand(call)
                if handed is not None:
                    return Work(call, handed.request, handed.deadline)
            try:
                async with asyncio.timeout_at(until):
                    await wake.wait()
            except TimeoutError:
                return None

    def progress(self, agent: str, call: bytes, data: bytes) -> None:
        """Tell the caller how far the work is.

        Raises NotFound where the agent has no such call, UsageError beyond PROGRESS_MAX.
        """
        caller = self._own(agent, call).request.node
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
        record = self._own(agent, call)
        if ending.outcome == "result":
            try:
                self._check_output(record, ending.output or b"")
            except (BadJson, SchemaMismatch):
                await self._life.end(call, failed("bad_output", "what the agent returned is not as it was offered"))
                raise
        await self._life.end(call, ending)
        found = self._life.record(call)
        if found is None or found.outcome is None or found.outcome.outcome != ending.outcome:
            raise _over()
        return found

    def _check_output(self, record: CallRecord, output: bytes) -> None:
        offered = self._book.find(record.request.name)
        if offered is not None and offered.id == record.request.offer:
            offered.returns.check(output)

    def _own(self, agent: str, call: bytes) -> CallRecord:
        record = self._life.record(call)
        if record is None or record.agent != agent:
            raise NotFound("you have no such call", code="unknown_call", remedy="ask for work")
        if record.state != "handed" or self._life.caller(call) is None:
            raise _over()
        return record


def _over() -> UsageError:
    return UsageError("the call is over", code="call_over", http_status=409, remedy="take the next one")
