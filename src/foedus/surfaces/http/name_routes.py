"""The names that people here gave to peers and participants."""

from __future__ import annotations

from foedus.surfaces.http.bodies import NameInput
from foedus.surfaces.http.operations import Operation
from foedus.values.node import NameView

NAMES = [
    Operation(
        method="GET",
        path="/names",
        about="Names given here to peers and participants",
        answer=list[NameView],
        run=lambda node, _: node.names(),
    ),
    Operation(
        method="POST",
        path="/names",
        about="Name a peer or a participant",
        answer=NameView,
        status=201,
        body=NameInput,
        run=lambda node, call: node.name_set(call.body.id, call.body.name),
    ),
    Operation(
        method="DELETE",
        path="/names/{id}",
        about="Take a name back",
        answer=None,
        status=204,
        run=lambda node, call: node.name_remove(call.path["id"]),
    ),
]
