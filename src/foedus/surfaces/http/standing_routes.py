"""Standing, and why an act may or may not pass."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.surfaces.http.bodies import Input
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Operation, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.values.standing import ExplainView, StandingView


class StepInput(Input, frozen=True):
    """The standing that is proposed; null: the next one up."""

    to: Annotated[int, Meta(ge=1, le=4)] | None = None


def _text(name: str, about: str) -> Text:
    return Text(name=name, about=about, max_length=TARGET_MAX)


def _given(query: dict[str, str], name: str) -> str:
    value = query.get(name, "")
    if not value:
        raise MalformedRequest(f"{name} is missing")
    return value


STANDING = [
    Operation(
        method="GET",
        path="/standings",
        about="Where every known participant stands at this node",
        answer=list[StandingView],
        run=lambda node, _: node.standings(),
    ),
    Operation(
        method="GET",
        path="/standings/{who}",
        about="Where one stands (DID or name), and what the rule still asks for",
        answer=StandingView,
        run=lambda node, call: node.standing(call.path["who"]),
    ),
    Operation(
        method="POST",
        path="/standings/{who}/propose",
        about="Propose a step up; a step down takes effect at once",
        answer=StandingView,
        body=StepInput,
        body_optional=True,
        run=lambda node, call: node.standing_propose(call.path["who"], call.body.to if call.body else None),
    ),
    Operation(
        method="POST",
        path="/standings/{who}/confirm",
        about="Let a proposed step take effect",
        answer=StandingView,
        run=lambda node, call: node.standing_confirm(call.path["who"]),
    ),
    Operation(
        method="GET",
        path="/explain",
        about="Layer by layer: may `who` do `act`? Or, with who=event, why the event `act` has its verdict",
        answer=ExplainView,
        query=(
            _text("who", "a participant's DID or name; `event` for a held event"),
            _text("act", "a border command, a kind of act in a room, or the event's id"),
            _text("room", "the room; for a command outside of rooms the peer"),
        ),
        run=lambda node, call: node.explain(
            _given(call.query, "who"), _given(call.query, "act"), call.query.get("room", "")
        ),
    ),
]
