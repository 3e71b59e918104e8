"""CRDTs of rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.limits import NAME_MAX
from foedus.node.crdt_forms import CrdtAsk
from foedus.state.crdt.limits import KEY_MAX
from foedus.surfaces.http.bodies import Operations
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.operations import Call, Number, Operation, Text
from foedus.values.crdts import CrdtView
from foedus.values.node import Placed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService


def _show(node: NodeService, call: Call) -> Awaitable[CrdtView]:
    query = call.query
    return node.crdt(
        call.path["room"],
        call.path["name"],
        type_=query.get("type", ""),
        entry=query.get("entry", ""),
        additions=bool(query["additions"]),
    )


def _do(node: NodeService, call: Call) -> Awaitable[Placed]:
    room, name, asked = call.path["room"], call.path["name"], call.body.asked()
    return node.crdt_do(room, name, asked) if isinstance(asked, CrdtAsk) else node.crdt_act(room, name, asked)


CRDTS = [
    Operation(
        method="GET",
        path="/rooms/{room}/crdts",
        about="The CRDTs of a room, without their values",
        answer=list[CrdtView],
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.crdts(call.path["room"]),
    ),
    Operation(
        method="GET",
        path="/rooms/{room}/crdts/{name}",
        about="One CRDT with its value",
        answer=CrdtView,
        query=(
            Text(name="type", about="which, where several have the name", max_length=NAME_MAX),
            Text(name="entry", about="only this key of a map, or target of transfers", max_length=KEY_MAX),
            Number(name="additions", about="1: with what a removal has to name", default=0, minimum=0, maximum=1),
        ),
        rule=Rule.PARTICIPANT,
        run=_show,
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/crdts/{name}",
        about="Write to a CRDT: operations of a custodial agent, or a signed act. Durable when answered",
        answer=Placed,
        status=201,
        body=Operations,
        rule=Rule.SELF,
        run=_do,
    ),
]
