"""What an agent of one node and one of another do when the first calls what the second offers."""

from __future__ import annotations

from typing import Any

from foedus.base.base64url import from_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import sha256, short
from foedus.crypto import ed25519
from foedus.query.call import parse_receipt, receipt_bytes
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import Broken, NodeProcess, eventually
from foedus.values.calls import CallView, CapabilityView, WorkPage
from foedus.values.node import IdentityView
from foedus.values.queries import AnswersView
from foedus.values.standing import StandingView

_WAIT_MS = 10_000
_INPUT = {"harbour": "north quay"}
_TAKES = {"type": "object", "properties": {"harbour": {"type": "string"}}, "required": ["harbour"]}
_RETURNS = {"type": "object", "properties": {"turns": {"type": "string"}}, "required": ["turns"]}


def offered(node: NodeProcess, agent: str) -> CapabilityView:
    """Let an agent whose key the node keeps offer something."""
    offer = {"name": "tide.turns", "about": "says when the tide turns", "agent": agent}
    return node.client.post("/capabilities", CapabilityView, offer | {"takes": _TAKES, "returns": _RETURNS})


def _body(node: NodeProcess, agent: str, offer: CapabilityView) -> dict[str, Any]:
    """Return the call of what ``agent`` finds by asking its node's peers; raise Broken where it is another."""
    asked = {"kind": "capability", "text": "tide turns", "scope": "direct", "wait_ms": 3_000}
    found = node.client.post("/queries", AnswersView, asked).results
    if [one.content for one in found] != [offer.offer]:
        raise Broken(f"{node.name} does not find what is offered, but {len(found)} others")
    call = {"name": found[0].body["name"], "node": found[0].sources[0].node, "offer": found[0].content}
    return call | {"input": _INPUT, "as": agent, "wait_ms": _WAIT_MS}


def refused(node: NodeProcess, agent: str, offer: CapabilityView) -> str:
    """Return the code by which an agent may not call in nobody's name; raise Broken where it may."""
    try:
        node.client.post("/calls", CallView, _body(node, agent, offer))
    except UsageError as error:
        return error.code
    raise Broken(f"{agent} called at another node without a human")


def raised(node: NodeProcess, agent: str) -> None:
    """Do what the operator does who lets an agent of another node contribute."""
    view = eventually(f"{agent} is known at {node.name}", lambda: _standing(node, agent))
    for step in ("propose", "confirm"):
        view = node.client.post(path_of("standings", view.did, step), StandingView)
    if "contribute" not in view.rights:
        raise Broken(f"{agent} stands at {view.standing}")


def _standing(node: NodeProcess, agent: str) -> StandingView | None:
    return next((it for it in node.client.get("/standings", list[StandingView]) if it.name == agent), None)


def called(node: NodeProcess, agent: str, offer: CapabilityView) -> CallView:
    """Let an agent call; return the call when it is over, or raise Broken."""
    view = node.client.post("/calls", CallView, _body(node, agent, offer))
    if view.outcome != "result":
        raise Broken(f"the call ended as {view.outcome or view.state} {view.code} {view.message}")
    return view


def answered(node: NodeProcess, agent: str) -> None:
    """Let an agent take its next call and answer it."""
    work = node.client.get("/calls/work", WorkPage, {"agent": agent, "wait_ms": _WAIT_MS}).work
    if work is None or work.input != _INPUT:
        raise Broken(f"{agent} was not handed the call")
    node.client.tell("POST", path_of("calls", work.call, "result"), {"output": {"turns": "at six"}, "agent": agent})


def signed_by_both(view: CallView, callee: NodeProcess, caller: NodeProcess) -> str:
    """Return the short id of a receipt whose two signatures hold; raise Broken."""
    receipt = from_base64url(view.receipt, "receipt")
    for node, signature in ((callee, view.receipt_sig), (caller, view.countersig)):
        key = bytes.fromhex(node.client.get("/identity", IdentityView).ed25519)
        if not ed25519.verify(key, receipt_bytes(receipt), from_base64url(signature, "signature")):
            raise Broken(f"{node.name} did not sign the receipt")
    if parse_receipt(receipt).call.hex() != view.call:
        raise Broken("the receipt is of another call")
    return short(sha256(receipt))
