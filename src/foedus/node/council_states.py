"""What this node does in a council, and what to say where it does not decide."""

from __future__ import annotations

from typing import Literal, TypeAlias

from foedus.base.errors import FoedusError, UsageError
from foedus.node.council_asked import CouncilDown

State: TypeAlias = Literal["asked", "waiting", "running", "down", "fetching", "key_changed", "removed"]


def missing(state: State) -> FoedusError:
    """Return why nothing drives a council here."""
    match state:
        case "key_changed":
            return CouncilDown(
                "this node has other keys than it voted by",
                remedy="the other members take it over by themselves; wait until a quorum of them is connected",
            )
        case "fetching":
            return CouncilDown("this node fetches the state of the council", remedy="wait until it is here")
    return UsageError(
        "this node is no member of the council",
        code="no_member",
        remedy="its members add it: `foedus council add`, and a person here joins: `foedus council join`",
    )
