"""The node itself, its peers and whom it trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.surfaces.http.bodies import (
    AcceptInput,
    KeyInput,
    ProbeInput,
    ReasonInput,
    RequestInput,
    TierInput,
    TrustInput,
)
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import NEARBY_MS_MAX, REASON_MAX, TARGET_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.values.node import (
    IdentityView,
    NearbyView,
    PeerView,
    PolicyOptionView,
    ProbeView,
    SigningContext,
    StatusView,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foedus.node.api import NodeService


def _request(node: NodeService, call: Call) -> Awaitable[PeerView]:
    asked: RequestInput = call.body
    return node.peer_request(asked.url, expect=asked.expect, note=asked.note, tier=asked.tier)


def _disconnect(node: NodeService, call: Call) -> Awaitable[PeerView]:
    reason = call.query.get("reason") or (call.body.reason if call.body else "")
    return node.peer_disconnect(call.path["peer"], reason)


def _untrust(node: NodeService, call: Call) -> Awaitable[None]:
    key = call.query.get("key") or (call.body.key if call.body else "")
    if not key:
        raise MalformedRequest("which key? Give it as ?key= or in the body")
    return node.peer_untrust(key)


def _on_peer(action: str, about: str, run: Callable[[NodeService, Call], Any], body: Any = None) -> Operation:
    path = f"/peers/{{peer}}/{action}"
    return Operation(method="POST", path=path, about=about, answer=PeerView, run=run, body=body)


NODE = [
    Operation(
        method="GET",
        path="/identity",
        about="This node",
        answer=IdentityView,
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.identity(),
    ),
    Operation(
        method="GET", path="/status", about="How the node does", answer=StatusView, run=lambda node, _: node.status()
    ),
    Operation(
        method="GET",
        path="/policy",
        about="Every option of the policy in force, and where its value comes from",
        answer=list[PolicyOptionView],
        run=lambda node, _: node.policy(),
    ),
    Operation(
        method="GET",
        path="/signing",
        about="What a device needs to sign acts for this node",
        answer=SigningContext,
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.signing_context(),
    ),
]

PEERS = [
    Operation(
        method="GET", path="/peers", about="Known nodes", answer=list[PeerView], run=lambda node, _: node.peers()
    ),
    Operation(
        method="GET",
        path="/peers/pending",
        about="Requests that wait for this node's human",
        answer=list[PeerView],
        run=lambda node, _: node.peers_pending(),
    ),
    Operation(
        method="GET",
        path="/peers/nearby",
        about="Who says to be on the network: claims, by multicast DNS. Nothing is connected to",
        answer=NearbyView,
        query=(Number(name="wait", about="milliseconds to listen", default=2_000, minimum=100, maximum=NEARBY_MS_MAX),),
        run=lambda node, call: node.peers_nearby(call.query["wait"] / 1_000),
    ),
    Operation(
        method="POST",
        path="/peers/probe",
        about="Who is at an address, proved by a handshake",
        answer=ProbeView,
        body=ProbeInput,
        run=lambda node, call: node.probe(call.body.url),
    ),
    Operation(
        method="POST",
        path="/peers/request",
        about="Ask a node for a connection",
        answer=PeerView,
        body=RequestInput,
        run=_request,
    ),
    Operation(
        method="GET",
        path="/peers/{peer}",
        about="One peer",
        answer=PeerView,
        run=lambda node, call: node.peer(call.path["peer"]),
    ),
    Operation(
        method="DELETE",
        path="/peers/{peer}",
        about="End the connection: nothing more flows",
        answer=PeerView,
        body=ReasonInput,
        body_optional=True,
        query=(Text(name="reason", about="told to the peer; may also be in the body", max_length=REASON_MAX),),
        run=_disconnect,
    ),
    _on_peer(
        "accept",
        "Accept a request",
        lambda node, call: node.peer_accept(call.path["peer"], call.body.tier),
        AcceptInput,
    ),
    _on_peer(
        "confirm",
        "Confirm that a node which was asked is the one that was meant",
        lambda node, call: node.peer_confirm(call.path["peer"]),
    ),
    _on_peer("decline", "Decline: they are told", lambda node, call: node.peer_decline(call.path["peer"])),
    _on_peer("ignore", "Ignore for good, silently", lambda node, call: node.peer_ignore(call.path["peer"])),
    _on_peer(
        "tier", "Change the tier given", lambda node, call: node.peer_tier(call.path["peer"], call.body.tier), TierInput
    ),
    _on_peer("pause", "Pause the exchange", lambda node, call: node.peer_pause(call.path["peer"])),
    _on_peer("resume", "Resume the exchange", lambda node, call: node.peer_resume(call.path["peer"])),
    _on_peer("follow", "Follow the newer epoch that waits", lambda node, call: node.peer_follow(call.path["peer"])),
]

TRUST = [
    Operation(
        method="GET",
        path="/trust",
        about="Keys whose requests need no prompt, and their tiers",
        answer=dict[str, str],
        run=lambda node, _: node.trusted(),
    ),
    Operation(
        method="POST",
        path="/trust",
        about="Accept requests of a key without asking",
        answer=None,
        status=204,
        body=TrustInput,
        run=lambda node, call: node.peer_trust(call.body.key, call.body.tier),
    ),
    Operation(
        method="DELETE",
        path="/trust",
        about="Ask again for a key that was trusted",
        answer=None,
        status=204,
        body=KeyInput,
        body_optional=True,
        query=(Text(name="key", about="the key; may also be in the body", max_length=TARGET_MAX),),
        run=_untrust,
    ),
]
