"""What agents may do through surfaces about the calls of their capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.node.call_forms import WorkResult
from foedus.node.call_life import Ending, failed
from foedus.query.schemas import write_json
from foedus.sync.frames.calls import CALL_PROGRESS_MAX
from foedus.values.calls import WorkView

if TYPE_CHECKING:
    from foedus.node.composition import Node


class WorkOperations:
    """Operations of those who do the work, for ``Service``."""

    _node: Node

    async def call_work(self, agent: str, wait_ms: int) -> WorkView | None:
        """Hand an agent its next call, once; None where none comes in time."""
        who = self._node.agents.find(agent)
        work = await self._node.calls.desk.work(who.did, wait_ms / 1_000)
        if work is not None and work.call.node != self._node.store.node and who.kind == "agent":
            await self._node.consent.note_read(who.did)
        return None if work is None else self._node.calls.views.work(work)

    async def call_progress(self, agent: str, call: str, data: Any) -> None:
        """Tell the caller how far the work is."""
        who = self._node.agents.find(agent)
        self._node.calls.desk.progress(who.did, parse_id(call), write_json(data, CALL_PROGRESS_MAX))

    async def call_finish(self, agent: str, call: str, result: WorkResult) -> None:
        """End a call by its output or an error; durable when it returns."""
        who = self._node.agents.find(agent)
        if (result.output is UNSET) == (not result.code):
            raise UsageError("a call ends by an output, or by the code of an error", code="bad_result")
        if result.output is UNSET:
            ending = failed(result.code, result.message)
        else:
            ending = Ending("result", output=write_json(result.output))
        await self._node.calls.desk.finish(who.did, parse_id(call), ending)
