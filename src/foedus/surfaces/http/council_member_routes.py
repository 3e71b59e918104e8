"""Members of councils, whom this node wishes to come and to go; what councils approve."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.surfaces.http.bodies import Input, Target
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Operation
from foedus.values.councils import CouncilMotionView, CouncilView


class CouncilMemberInput(Input, frozen=True):
    """A peer that shall be a member."""

    peer: Target


class CouncilGovernInput(Input, frozen=True):
    """A room that this node hosts, or a peer. ``release``: the council shall govern it no more."""

    room: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    peer: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    release: bool = False


COUNCIL_MEMBERS = [
    Operation(
        method="POST",
        path="/councils/{council}/members",
        about="Wish a peer to be a member; it comes once a quorum of the members wishes that and its human joins",
        answer=CouncilView,
        body=CouncilMemberInput,
        run=lambda node, call: node.council_add(call.path["council"], call.body.peer),
    ),
    Operation(
        method="DELETE",
        path="/councils/{council}/members/{member}",
        about="Wish a member to go; it does once a quorum of the members wishes that",
        answer=CouncilView,
        run=lambda node, call: node.council_remove(call.path["council"], call.path["member"]),
    ),
    Operation(
        method="GET",
        path="/councils/{council}/motions",
        about="What nodes would do once a quorum of the members approves it",
        answer=list[CouncilMotionView],
        run=lambda node, call: node.council_motions(call.path["council"]),
    ),
    Operation(
        method="POST",
        path="/councils/{council}/motions/{motion}/approve",
        about="Approve a motion in this node's name",
        answer=CouncilView,
        run=lambda node, call: node.council_approve(call.path["council"], call.path["motion"]),
    ),
    Operation(
        method="POST",
        path="/councils/{council}/governed",
        about="Change a room's members, or the agreement with a peer, only once the council approved it",
        answer=CouncilView,
        body=CouncilGovernInput,
        run=lambda node, call: node.council_govern(
            call.path["council"], call.body.room, call.body.peer, release=call.body.release
        ),
    ),
]
