"""Councils: nodes that decide together. An agent proposes in its own name, where a person's grant carries it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.base.base64url import from_base64url
from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.tool import Takes, tool
from foedus.values.councils import CouncilView

_Council = Annotated[str, Meta(min_length=1, max_length=128, description="A council's name or id.")]
_Text = Annotated[str, Meta(max_length=16_384)]


class _Nothing(Takes, frozen=True):
    pass


class _Show(Takes, frozen=True):
    council: _Council


class _Propose(Takes, frozen=True):
    council: _Council
    key: Annotated[str, Meta(min_length=1, max_length=256, description="A key of the council's map.")]
    value: Annotated[_Text | None, Meta(description="What it shall be; null deletes it.")]
    expect: Annotated[_Text | None, Meta(description="Only if the key has this value now; null: whatever it has.")] = (
        None
    )


@tool(_Nothing, values.Councils, reads=True)
async def list_councils(desk: Desk, _: _Nothing) -> values.Councils:
    """List the councils that this node takes part in: nodes that decide together although some of them may lie."""
    return values.Councils(councils=[_council(desk, it) for it in await desk.client.councils.all()])


@tool(_Show, values.Council, reads=True)
async def show_council(desk: Desk, asked: _Show) -> values.Council:
    """Show one council: its members, how far it is, and who is away."""
    return _council(desk, await desk.client.councils.show(asked.council))


@tool(_Propose, values.CouncilDecision)
async def propose_to_council(desk: Desk, asked: _Propose) -> values.CouncilDecision:
    """Set a key of a council's map in your own name, and wait for the decision.

    A person's grant must carry it. `unequal`: the key had another value than you expected, and nothing was changed.
    """
    made = await desk.client.councils.put(
        asked.council,
        asked.key,
        None if asked.value is None else asked.value.encode(),
        if_value=None if asked.expect is None else [asked.expect.encode()],
        as_=desk.did,
    )
    council = await desk.client.councils.show(asked.council)
    before = None if made.value is None else from_base64url(made.value, "a value").decode(errors="replace")
    told = desk.shaper().told(desk.shaper().at(_another(desk, council)), {"before": before}, "what members wrote")
    return values.CouncilDecision(place=made.sequence, position=made.position, outcome=made.outcome, told=told)


def _another(desk: Desk, council: CouncilView) -> str:
    """Return a member that is not this node: what the map holds may be anybody's words."""
    return next((it.node for it in council.members if it.node != desk.own), desk.own)


def _council(desk: Desk, view: CouncilView) -> values.Council:
    shaper = desk.shaper()
    founder = _another(desk, view)
    return values.Council(
        council=view.id,
        state=view.state,
        bears=view.faults,
        quorum=view.quorum,
        made=view.made,
        members=[
            values.CouncilMember(node=it.node, connected=it.is_connected, leads=it.leads, lied=it.is_exposed)
            for it in view.members
        ],
        told=shaper.told(shaper.at(founder), {"name": view.name}, "names are claims"),
    )


TOOLS = [list_councils, show_council, propose_to_council]
