"""What people allowed, and asking them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.shaping import granted, waiting
from foedus.surfaces.mcp.tool import Takes, tool
from foedus.surfaces.mcp.tools.rooms import WAIT_MAX_S, RoomName, Text, said


class _Nothing(Takes, frozen=True):
    pass


class _Ask(Takes, frozen=True):
    room: RoomName
    text: Text


class _Which(Takes, frozen=True):
    approval: Annotated[str, Meta(min_length=1, max_length=128, description="The approval's id.")]
    wait_s: Annotated[float, Meta(ge=0, le=WAIT_MAX_S, description="How long to wait for the person.")] = 0


@tool(_Nothing, values.Grants, reads=True)
async def my_grants(desk: Desk, _: _Nothing) -> values.Grants:
    """List what people let you do at other nodes: which acts, in which rooms and domains, until when."""
    views = await desk.client.grants.all()
    return values.Grants(grants=[granted(it) for it in views if it.audience.participant == desk.did])


@tool(_Ask, values.Placed)
async def ask_for_approval(desk: Desk, asked: _Ask) -> values.Placed:
    """Ask a person to let you say something in another node's room.

    It is said once they allow it; where your grants allow it already, nobody is asked and it is said at once.
    """
    return await said(desk, asked.room, asked.text)


@tool(_Which, values.Waiting, reads=True)
async def approval_status(desk: Desk, asked: _Which) -> values.Waiting:
    """Look what became of something that you asked a person for, or wait for their word."""
    return waiting(await desk.decided(asked.approval, asked.wait_s))


@tool(_Nothing, values.Approvals, reads=True)
async def my_approvals(desk: Desk, _: _Nothing) -> values.Approvals:
    """List what you asked people for, and how it stands."""
    return values.Approvals(approvals=[waiting(it) for it in await desk.client.approvals.all()])


TOOLS = [my_grants, ask_for_approval, approval_status, my_approvals]
