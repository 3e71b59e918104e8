"""Members of councils: whom this node wishes to come and to go."""

from __future__ import annotations

from foedus.node.council_values import CouncilView
from foedus.surfaces.http.bodies import Input, Target
from foedus.surfaces.http.operations import Operation


class CouncilMemberInput(Input, frozen=True):
    """A peer that shall be a member."""

    peer: Target


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
]
