"""A person at the client is told that something waits for a yes, and may wait for it there.

What the person types at the client allows nothing: a yes is a signature of their own device, and an agent's client
could answer by itself. So the form asks only whether to wait.
"""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.types import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.shaping import waiting

Context = ServerRequestContext[Any, Any]

WAIT_MAX_S = 300
"""How long a person at the client can have the tool wait for the yes."""
_KEY = "approval"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "wait_s": {
            "type": "integer",
            "title": "Seconds to wait here for the yes",
            "description": "0: the agent goes on, and the act is done later, when it is allowed.",
            "minimum": 0,
            "maximum": WAIT_MAX_S,
            "default": 60,
        }
    },
}


def is_offered(context: Context) -> bool:
    """Whether the client can show a form to a person."""
    return context.session.check_client_capability(ClientCapabilities(elicitation=ElicitationCapability()))


async def tell(desk: Desk, context: Context, answer: values.MayWait) -> values.MayWait | InputRequiredResult:
    """Tell the person at the client of an act that waits; return what became of it, or what the client asks them."""
    if answer.approval is None or answer.approval.state != "waiting" or not is_offered(context):
        return answer
    form = ElicitRequestFormParams(message=_message(answer.approval), requested_schema=_SCHEMA)
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return InputRequiredResult(
            input_requests={_KEY: ElicitRequest(params=form)}, request_state=answer.approval.approval
        )
    if not context.session.can_send_request:
        return answer
    said = await context.session.elicit_form(form.message, _SCHEMA, related_request_id=context.request_id)
    return answer.after(await _later(desk, answer.approval.approval, said))


async def resumed(desk: Desk, params: CallToolRequestParams, answer: type[values.Answer]) -> values.MayWait | None:
    """Return what became of the act that a call is about which the client repeats with a person's answer, else None.

    The client may name any approval here; it is shown those that it asked for itself.
    """
    if params.request_state is None or not issubclass(answer, values.MayWait):
        return None
    said = (params.input_responses or {}).get(_KEY)
    view = await _later(desk, params.request_state, said if isinstance(said, ElicitResult) else None)
    return answer.after(view)


async def _later(desk: Desk, approval: str, said: ElicitResult | None) -> values.Waiting:
    wanted = (said.content or {}).get("wait_s", 0) if said is not None and said.action == "accept" else 0
    wait_s = min(wanted, WAIT_MAX_S) if isinstance(wanted, int) else 0
    return waiting(await desk.decided(approval, wait_s))


def _message(approval: values.Waiting) -> str:
    return f"Your agent asked for something that only a person of this node can allow. {approval.why}. {approval.how}."
