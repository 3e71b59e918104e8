"""Questions to this node and, through it, to others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from foedus.base.base64url import from_base64url
from foedus.base.limits import SECOND
from foedus.log.sketches import MODEL_MAX
from foedus.node.query_forms import Asked, AskedSigned
from foedus.query.limits import HOPS_MAX, LASTS_MAX, QUERY_BYTES_MAX, RESULTS_MAX, TEXT_MAX
from foedus.query.question import Scope
from foedus.query.routing.limits import DIMENSION_MAX, FLOAT_BYTES
from foedus.surfaces.http import sse
from foedus.surfaces.http.bodies import Input, SmallBytes
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Call, Operation, Streaming
from foedus.surfaces.http.problems import MalformedRequest, error_of, problem_bytes
from foedus.surfaces.http.wire import header
from foedus.values.consent import ApprovalView
from foedus.values.queries import AnswersView, FoundView, VectorView

if TYPE_CHECKING:
    from foedus.node.api import NodeService

_WAIT_MS_MAX = LASTS_MAX // (SECOND // 1_000)
_QUESTION_CHARACTERS = -(-QUERY_BYTES_MAX * 4 // 3)
_VECTOR_CHARACTERS = -(-DIMENSION_MAX * FLOAT_BYTES * 4 // 3)
_encode = msgspec.json.Encoder().encode


class QuestionInput(Input, frozen=True):
    """Either ``kind`` and what it asks, or ``question`` and ``asig``: a question that a device signed.

    ``text`` goes with the kinds ``text``, ``semantic`` and ``capability``, ``event`` (an id) with ``causal``.
    ``vector``, with ``semantic``: base64url of little-endian float32 numbers made by ``model``; without it the node's
    embedder makes it of the text. ``wait_ms``: until the deadline. ``as``: a custodial agent; without it the node asks,
    or the participant whose token it is.
    """

    kind: Literal["text", "semantic", "causal", "topology", "capability"] | UnsetType = UNSET
    text: Annotated[str, Meta(max_length=TEXT_MAX)] = ""
    vector: Annotated[str, Meta(max_length=_VECTOR_CHARACTERS)] = ""
    model: Annotated[str, Meta(max_length=MODEL_MAX)] = ""
    event: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    scope: Scope = "direct"
    hops: Annotated[int, Meta(ge=0, le=HOPS_MAX)] | None = None
    results: Annotated[int, Meta(ge=1, le=RESULTS_MAX)] = 20
    wait_ms: Annotated[int, Meta(ge=1, le=_WAIT_MS_MAX)] = 5_000
    as_: Annotated[str, Meta(max_length=TARGET_MAX)] = field(default="", name="as")
    question: Annotated[str, Meta(max_length=_QUESTION_CHARACTERS)] | UnsetType = UNSET
    asig: SmallBytes | UnsetType = UNSET

    def value(self) -> Asked | AskedSigned:
        """Return what the node takes; raise MalformedRequest where it is neither or both."""
        if self.kind is not UNSET and self.question is UNSET and self.asig is UNSET:
            return Asked(
                kind=self.kind,
                text=self.text,
                vector=from_base64url(self.vector, "vector"),
                model=self.model,
                event=self.event,
                scope=self.scope,
                hops=self.hops,
                results=self.results,
                wait_ms=self.wait_ms,
                as_=self.as_,
            )
        if self.kind is UNSET and self.question is not UNSET and self.asig is not UNSET:
            return AskedSigned(question=self.question, asig=self.asig)
        raise MalformedRequest("a question is either kind and what it asks, or question and asig")


class TextInput(Input, frozen=True):
    """A text to be made a vector."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]


_EITHER: dict[str, Any] = {
    "oneOf": [
        {"required": ["kind"], "not": {"anyOf": [{"required": ["question"]}, {"required": ["asig"]}]}},
        {"required": ["question", "asig"], "not": {"required": ["kind"]}},
    ]
}
QuestionBody = Annotated[QuestionInput, Meta(extra_json_schema=_EITHER)]


async def _ask(node: NodeService, call: Call) -> AnswersView | Streaming:
    asked = call.body.value()
    if sse.MEDIA_TYPE not in (header(call.scope, b"accept") or b""):
        return await node.answers(asked)
    coming = await node.ask(asked)
    return Streaming(chunks=sse.Closing(_chunks(coming), coming), media_type=sse.MEDIA_TYPE)


async def _propose(node: NodeService, call: Call) -> ApprovalView:
    asked = call.body.value()
    if not isinstance(asked, Asked):
        raise MalformedRequest("a question that is signed already is asked, not proposed: give kind and what it asks")
    return await node.query_propose(asked)


async def _chunks(coming: AsyncIterator[FoundView | AnswersView]) -> AsyncGenerator[bytes, None]:
    """Yield each result as it comes, then ``event: answers`` with all of them merged."""
    try:
        yield sse.OPENING
        async for one in coming:
            name = b"result" if isinstance(one, FoundView) else b"answers"
            yield b"event: %b\ndata: %b\n\n" % (name, _encode(one))
    except Exception as error:  # noqa: BLE001  # the head is sent: the stream itself says what went wrong
        yield b"event: problem\ndata: %b\n\n" % problem_bytes(error_of(error))


QUERIES = [
    Operation(
        method="POST",
        path="/queries",
        about="Ask this node, its peers (direct) or those behind them (global). Answered when all have ended, at the "
        "deadline at the latest; with Accept: text/event-stream each result as it comes, then all of them merged",
        answer=AnswersView,
        body=QuestionBody,
        media_types=("application/json", "text/event-stream"),
        rule=Rule.SELF,
        run=_ask,
    ),
    Operation(
        method="POST",
        path="/queries/approvals",
        about="Ask a human to let an agent ask other nodes exactly this: `kind` and what it asks, and `as`",
        answer=ApprovalView,
        status=201,
        body=QuestionBody,
        rule=Rule.SELF,
        run=_propose,
    ),
    Operation(
        method="POST",
        path="/queries/vector",
        about="A text as the node's embedder has it: what a device puts into a question of the kind semantic",
        answer=VectorView,
        body=TextInput,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.vector(call.body.text),
    ),
]
