"""Councils: nodes that decide together although some of them lie."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from msgspec import Meta, field

from foedus.base.base64url import from_base64url
from foedus.consensus.machine import KEY_MAX, VALUE_MAX
from foedus.consensus.membership import MEMBERS_MAX
from foedus.consensus.proof import PROOF_BYTES_MAX
from foedus.consensus.updates import BATCH_UPDATES_MAX, UPDATE_MAX
from foedus.node.api import NodeService
from foedus.surfaces.http import sse
from foedus.surfaces.http.bodies import Input, Name, Target
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.event_routes import last_event_id
from foedus.surfaces.http.limits import CURSOR_MAX, TARGET_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Streaming, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.surfaces.http.wire import header
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilProofView,
    CouncilProvedView,
    CouncilView,
)

_Key = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
_Value = Annotated[str, Meta(max_length=-(-VALUE_MAX * 4 // 3))]
_Update = Annotated[str, Meta(max_length=-(-UPDATE_MAX * 4 // 3))]
SIGNED_MAX = 4 * BATCH_UPDATES_MAX
"""Updates of one request: half of what one author may let wait."""
_SEQUENCE_MAX = 999_999_999
_PLACES_MAX = 1_000


class CouncilInput(Input, frozen=True):
    """A council to found: its name, and the peers that are its members beside this node.

    ``seal``: its members seal what it decides by ML-DSA-65, so that it can be shown after Ed25519 has fallen.
    """

    name: Name
    peers: Annotated[list[Target], Meta(max_length=MEMBERS_MAX)]
    seal: bool = False


class CouncilUpdateInput(Input, frozen=True):
    """A key to set. ``value``: base64url, null deletes it. ``if_value``: [base64url or null], which it must have.

    ``as``: an agent in whose name; else the node asks.
    """

    key: _Key
    value: _Value | None
    if_value: Annotated[list[_Value | None], Meta(min_length=1, max_length=1)] | None = None
    as_: Annotated[str, Meta(max_length=TARGET_MAX)] = field(default="", name="as")


class CouncilSignedInput(Input, frozen=True):
    """Updates, base64url of their canonical bytes, each signed by its author's device."""

    updates: Annotated[list[_Update], Meta(min_length=1, max_length=SIGNED_MAX)]


class CouncilProofInput(Input, frozen=True):
    """A commit proof, base64url. ``council``: the whole id of the council that it must be of.

    ``seals_only``: believe its members' seals, and no Ed25519 signature at all.
    """

    proof: Annotated[str, Meta(max_length=-(-PROOF_BYTES_MAX * 4 // 3))]
    council: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    seals_only: bool = False


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else from_base64url(value, "a value")


def _put(node: NodeService, call: Call) -> Awaitable[CouncilDecisionView]:
    body: CouncilUpdateInput = call.body
    expected = None if body.if_value is None else (_bytes(body.if_value[0]),)
    value = _bytes(body.value)
    if body.as_:
        return node.council_put_as(call.path["council"], body.as_, body.key, value, expected)
    return node.council_put(call.path["council"], body.key, value, expected)


def _submit(node: NodeService, call: Call) -> Awaitable[list[CouncilDecisionView]]:
    body: CouncilSignedInput = call.body
    return node.council_submit(call.path["council"], [from_base64url(it, "an update") for it in body.updates])


def _get(node: NodeService, call: Call) -> Awaitable[CouncilDecisionView] | CouncilDecisionView:
    key = call.query.get("key", "")
    if not key:
        raise MalformedRequest("key is missing")
    council = call.path["council"]
    return node.council_held(council, key) if call.query["held"] else node.council_get(council, key)


async def _follow(node: NodeService, call: Call) -> Streaming:
    if sse.MEDIA_TYPE not in (header(call.scope, b"accept") or b""):
        raise MalformedRequest(
            "this is a stream", remedy="send `Accept: text/event-stream`, or read pages of `updates`"
        )
    after = last_event_id(call)
    if after is None:
        after = call.query.get("after")
    chunks = await sse.open_stream(node.council_follow(call.path["council"], after=after))
    return Streaming(chunks=chunks, media_type=sse.MEDIA_TYPE)


COUNCILS = [
    Operation(
        method="GET",
        path="/councils",
        about="Councils of this node, and those that it is asked to join",
        answer=list[CouncilView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.councils(),
    ),
    Operation(
        method="POST",
        path="/councils",
        about="Found a council with connected peers, and ask them to join",
        answer=CouncilView,
        status=201,
        body=CouncilInput,
        run=lambda node, call: node.council_create(call.body.name, call.body.peers, seal=call.body.seal),
    ),
    Operation(
        method="GET",
        path="/councils/{council}",
        about="One council: its members, and how far it is",
        answer=CouncilView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.council(call.path["council"]),
    ),
    Operation(
        method="POST",
        path="/councils/{council}/join",
        about="Join a council that this node is asked to join",
        answer=CouncilView,
        run=lambda node, call: node.council_join(call.path["council"]),
    ),
    Operation(
        method="POST",
        path="/councils/{council}/updates",
        about="Set a key, if it is as expected; answers when the council has decided",
        answer=CouncilDecisionView,
        body=CouncilUpdateInput,
        rule=Rule.SELF,
        run=_put,
    ),
    Operation(
        method="POST",
        path="/councils/{council}/updates:signed",
        about="Ask for updates that their authors signed, all or none; answers when all are decided",
        answer=list[CouncilDecisionView],
        body=CouncilSignedInput,
        rule=Rule.SELF,
        run=_submit,
    ),
    Operation(
        method="GET",
        path="/councils/{council}/updates",
        about="What was made at the places after one",
        answer=list[CouncilEntryView],
        query=(
            Number(name="after", about="a place", default=0, minimum=0, maximum=_SEQUENCE_MAX),
            Number(name="limit", about="places", default=100, minimum=1, maximum=_PLACES_MAX),
        ),
        run=lambda node, call: node.council_log(call.path["council"], call.query["after"], call.query["limit"]),
    ),
    Operation(
        method="GET",
        path="/councils/{council}/events",
        about="What is made, update by update, as a live stream (Accept: text/event-stream): after the cursor in "
        "Last-Event-ID or ?after=, else from now on",
        answer=CouncilEntryView,
        query=(Text(name="after", about="PLACE or PLACE.POSITION", max_length=CURSOR_MAX),),
        media_types=("text/event-stream",),
        run=_follow,
    ),
    Operation(
        method="GET",
        path="/councils/{council}/values",
        about="Read a key: in the order of all updates, or at once what this node holds",
        answer=CouncilDecisionView,
        query=(
            Text(name="key", about="the key", max_length=KEY_MAX),
            Number(name="held", about="1: what this node holds, perhaps behind", default=0, minimum=0, maximum=1),
        ),
        run=_get,
    ),
    Operation(
        method="GET",
        path="/councils/{council}/proof",
        about="The proof of one update: a file that needs no node to be verified",
        answer=CouncilProofView,
        query=(
            Number(name="sequence", about="its place", default=1, minimum=1, maximum=_SEQUENCE_MAX),
            Number(name="position", about="its position in the batch", default=0, minimum=0, maximum=127),
        ),
        run=lambda node, call: node.council_proof(call.path["council"], call.query["sequence"], call.query["position"]),
    ),
    Operation(
        method="POST",
        path="/councils:verify",
        about="Check a commit proof, of whichever council, and say what it shows",
        answer=CouncilProvedView,
        body=CouncilProofInput,
        run=lambda node, call: node.council_verify(call.body.proof, call.body.council, seals_only=call.body.seals_only),
    ),
]
