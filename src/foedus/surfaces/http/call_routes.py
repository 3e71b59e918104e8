"""Capabilities of this node's agents, and calls: made here, and worked on here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from foedus.base.limits import NAME_MAX, SECOND
from foedus.node.call_forms import CallForm, CallSignedForm, CallsMade, CapabilityForm, WorkResult
from foedus.query.limits import CALL_BYTES_MAX, CALL_LASTS_MAX
from foedus.surfaces.http import sse
from foedus.surfaces.http.bodies import Input, SmallBytes
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Streaming, Text
from foedus.surfaces.http.problems import MalformedRequest, error_of, problem_bytes
from foedus.surfaces.http.wire import header
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WorkPage
from foedus.values.consent import ApprovalView

if TYPE_CHECKING:
    from foedus.node.api import NodeService

_WAIT_MS_MAX = CALL_LASTS_MAX // (SECOND // 1_000)
_WORK_WAIT_MS_MAX = 60_000
"""Of one long poll, which proxies bear."""
_CALLS_MAX = 500
"""In one answer: 32 MiB, where all of them returned as much as a call can."""
_CALL_CHARACTERS = -(-CALL_BYTES_MAX * 4 // 3)
_encode = msgspec.json.Encoder().encode
Words = Annotated[str, Meta(max_length=1_024)]
Short = Annotated[str, Meta(max_length=128)]
OfferName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_.-]{0,63}$")]
Target = Annotated[str, Meta(max_length=TARGET_MAX)]


class CapabilityInput(Input, frozen=True):
    """What is offered. ``agent``: who does the work; '' is the participant whose token it is.

    ``takes``, ``returns``: JSON Schemas (draft 2020-12, nothing remote), null for anything. ``standing``: the last,
    1 to 4, that may call.
    """

    name: OfferName
    agent: Target = ""
    about: Words = ""
    takes: Any = None
    returns: Any = None
    model: Short = ""
    provider: Short = ""
    price: Short = ""
    standing: Annotated[int, Meta(ge=1, le=4)] = 4


class CallInput(Input, frozen=True):
    """Either ``name``, ``offer`` and ``input``, or ``call`` and ``asig``: a call that a device signed.

    ``node``: where, '' here; ``offer``: the id, as the capability was found. ``wait_ms``: until the deadline. ``as``: a
    custodial agent; without it the node calls, or the participant whose token it is.
    """

    name: OfferName | UnsetType = UNSET
    offer: Target = ""
    node: Target = ""
    input: Any = None
    wait_ms: Annotated[int, Meta(ge=1, le=_WAIT_MS_MAX)] = 30_000
    as_: Target = field(default="", name="as")
    call: Annotated[str, Meta(max_length=_CALL_CHARACTERS)] | UnsetType = UNSET
    asig: SmallBytes | UnsetType = UNSET

    def value(self) -> CallForm | CallSignedForm:
        """Return what the node takes; raise MalformedRequest where it is neither or both."""
        if self.name is not UNSET and self.call is UNSET and self.asig is UNSET:
            return CallForm(
                node=self.node,
                name=self.name,
                offer=self.offer,
                input=self.input,
                wait_ms=self.wait_ms,
                as_=self.as_,
            )
        if self.name is UNSET and self.call is not UNSET and self.asig is not UNSET:
            return CallSignedForm(call=self.call, asig=self.asig)
        raise MalformedRequest("a call is either name, offer and input, or call and asig")


class ProgressInput(Input, frozen=True):
    """How far the work is: any JSON of at most 4 KiB."""

    data: Any
    agent: Target = ""


class WorkResultInput(Input, frozen=True):
    """How the work ended: ``output``, or ``code`` and ``message`` of an error."""

    output: Any | UnsetType = UNSET
    code: Annotated[str, Meta(pattern="^[a-z0-9_]{0,64}$")] = ""
    message: Words = ""
    agent: Target = ""


_EITHER: dict[str, Any] = {
    "oneOf": [
        {"required": ["name", "offer"], "not": {"anyOf": [{"required": ["call"]}, {"required": ["asig"]}]}},
        {"required": ["call", "asig"], "not": {"required": ["name"]}},
    ]
}
CallBody = Annotated[CallInput, Meta(extra_json_schema=_EITHER)]
_AGENT = Text(name="agent", about="whose; the participant whose token it is without it", max_length=NAME_MAX)


async def _register(node: NodeService, call: Call) -> CapabilityView:
    return await node.capability_register(CapabilityForm(**msgspec.structs.asdict(call.body)))


async def _call(node: NodeService, call: Call) -> CallView | Streaming:
    form = call.body.value()
    if sse.MEDIA_TYPE not in (header(call.scope, b"accept") or b""):
        return await node.call(form)
    coming = await node.call_follow(form)
    return Streaming(chunks=sse.Closing(_chunks(coming), coming), media_type=sse.MEDIA_TYPE)


async def _propose(node: NodeService, call: Call) -> ApprovalView:
    form = call.body.value()
    if not isinstance(form, CallForm):
        raise MalformedRequest("a call that is signed already is made, not proposed: give name, offer and input")
    return await node.call_propose(form)


async def _chunks(coming: AsyncIterator[CallProgressView | CallView]) -> AsyncGenerator[bytes, None]:
    """Yield each word of progress, then ``event: call`` with the call as it is at the end."""
    try:
        yield sse.OPENING
        async for one in coming:
            name = b"progress" if isinstance(one, CallProgressView) else b"call"
            yield b"event: %b\ndata: %b\n\n" % (name, _encode(one))
    except Exception as error:  # noqa: BLE001  # the head is sent: the stream itself says what went wrong
        yield b"event: problem\ndata: %b\n\n" % problem_bytes(error_of(error))


async def _work(node: NodeService, call: Call) -> WorkPage:
    return WorkPage(work=await node.call_work(call.query.get("agent", ""), call.query["wait_ms"]))


async def _progress(node: NodeService, call: Call) -> None:
    await node.call_progress(call.body.agent, call.path["call"], call.body.data)


async def _finish(node: NodeService, call: Call) -> None:
    body = call.body
    result = WorkResult(output=body.output, code=body.code, message=body.message)
    await node.call_finish(body.agent, call.path["call"], result)


CALLS = [
    Operation(
        method="GET",
        path="/capabilities",
        about="What agents of this node offer. Those of other nodes are found by POST /queries, kind capability",
        answer=list[CapabilityView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _call: node.capabilities(),
    ),
    Operation(
        method="POST",
        path="/capabilities",
        about="Offer a capability, or change one's own. Durable when answered",
        answer=CapabilityView,
        status=201,
        body=CapabilityInput,
        rule=Rule.SELF,
        run=_register,
    ),
    Operation(
        method="DELETE",
        path="/capabilities/{name}",
        about="Offer a capability no more; calls under way go on",
        answer=None,
        status=204,
        rule=Rule.SELF,
        run=lambda node, call: node.capability_withdraw(call.path["name"]),
    ),
    Operation(
        method="POST",
        path="/calls",
        about="Call a capability of this node or of a peer, at most once. Answered when it is over, at the deadline at "
        "the latest; with Accept: text/event-stream its progress as it comes, then the call",
        answer=CallView,
        body=CallBody,
        media_types=("application/json", "text/event-stream"),
        rule=Rule.SELF,
        run=_call,
    ),
    Operation(
        method="POST",
        path="/calls/approvals",
        about="Ask a human to let an agent make exactly this call: `name`, `offer`, `input`, `node`, and `as`. Once "
        "it is allowed the node makes it, if it keeps the agent's key: `event` of the approval is the call",
        answer=ApprovalView,
        status=201,
        body=CallBody,
        rule=Rule.SELF,
        run=_propose,
    ),
    Operation(
        method="GET",
        path="/calls",
        about="Calls made here, the newest first",
        answer=list[CallView],
        query=(
            Text(name="before", about="a call: those older than it", max_length=TARGET_MAX),
            Number(name="limit", about="how many", default=50, minimum=1, maximum=_CALLS_MAX),
        ),
        rule=Rule.SELF,
        run=lambda node, call: node.calls_made(
            CallsMade(before=call.query.get("before", ""), limit=call.query["limit"])
        ),
    ),
    Operation(
        method="GET",
        path="/calls/work",
        about="An agent's next call, handed to it once. Waits for it; null where none comes in time",
        answer=WorkPage,
        query=(
            _AGENT,
            Number(name="wait_ms", about="how long to wait", default=20_000, minimum=0, maximum=_WORK_WAIT_MS_MAX),
        ),
        rule=Rule.SELF,
        run=_work,
    ),
    Operation(
        method="GET",
        path="/calls/{call}",
        about="One call made here, with its receipt; with `wait_ms`, once it is over",
        answer=CallView,
        query=(Number(name="wait_ms", about="how long to wait", default=0, minimum=0, maximum=_WORK_WAIT_MS_MAX),),
        rule=Rule.SELF,
        run=lambda node, call: node.call_wait(call.path["call"], wait_s=call.query["wait_ms"] / 1_000),
    ),
    Operation(
        method="POST",
        path="/calls/{call}/cancel",
        about="Ask for a call to end; whether its agent had begun, the receipt says",
        answer=CallView,
        rule=Rule.SELF,
        run=lambda node, call: node.call_cancel(call.path["call"]),
    ),
    Operation(
        method="POST",
        path="/calls/{call}/progress",
        about="Tell the caller how far the work is",
        answer=None,
        status=204,
        body=ProgressInput,
        rule=Rule.SELF,
        run=_progress,
    ),
    Operation(
        method="POST",
        path="/calls/{call}/result",
        about="End a call that one was handed, by an output or an error. Durable when answered",
        answer=None,
        status=204,
        body=WorkResultInput,
        rule=Rule.SELF,
        run=_finish,
    ),
]
