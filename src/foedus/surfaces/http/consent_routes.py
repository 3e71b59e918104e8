"""Grants and approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.base.limits import APPROVAL_WAIT_MAX_S
from foedus.surfaces.http.bodies import AllowInput, Ask, DenyInput
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.operations import Call, Number, Operation
from foedus.values.consent import ApprovalView, GrantView

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService


def _allow(node: NodeService, call: Call) -> Awaitable[ApprovalView]:
    asked: AllowInput = call.body
    return node.approval_allow(call.path["approval"], asked.did, asked.value())


def _approval(node: NodeService, call: Call) -> Awaitable[ApprovalView]:
    return node.approval(call.path["approval"], wait_s=float(call.query["wait"]))


CONSENT = [
    Operation(
        method="GET",
        path="/grants",
        about="The grants of this node's people and agents, newest first",
        answer=list[GrantView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.grants(),
    ),
    Operation(
        method="GET",
        path="/grants/{grant}",
        about="One grant, by its event or its CID",
        answer=GrantView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.grant(call.path["grant"]),
    ),
    Operation(
        method="GET",
        path="/grants/{grant}/cuts",
        about="[chain id, seq, event id] of each chain in which acts under it may stand: what a revocation names",
        answer=list[list[Any]],
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.grant_cuts(call.path["grant"]),
    ),
    Operation(
        method="GET",
        path="/approvals",
        about="Acts that wait or waited for a human, oldest first",
        answer=list[ApprovalView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.approvals(),
    ),
    Operation(
        method="POST",
        path="/approvals",
        about="Ask for what an agent with a key of its own wants to say: `allowed` at once where grants carry it",
        answer=ApprovalView,
        status=201,
        body=Ask,
        rule=Rule.SELF,
        run=lambda node, call: node.approval_ask(call.body.room, call.body.as_, *call.body.said()),
    ),
    Operation(
        method="GET",
        path="/approvals/{approval}",
        about="One approval; with `wait`, once it is decided",
        answer=ApprovalView,
        query=(Number(name="wait", about="seconds at most", default=0, minimum=0, maximum=APPROVAL_WAIT_MAX_S),),
        rule=Rule.PARTICIPANT,
        run=_approval,
    ),
    Operation(
        method="POST",
        path="/approvals/{approval}/allow",
        about="Allow a waiting act by a signed grant; once enough humans did, the node orders it",
        answer=ApprovalView,
        body=AllowInput,
        rule=Rule.SELF,
        run=_allow,
    ),
    Operation(
        method="POST",
        path="/approvals/{approval}/deny",
        about="Say no to a waiting act",
        answer=ApprovalView,
        body=DenyInput,
        rule=Rule.SELF,
        run=lambda node, call: node.approval_deny(call.path["approval"], call.body.did, call.body.reason),
    ),
]
