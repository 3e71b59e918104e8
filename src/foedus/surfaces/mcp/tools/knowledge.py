"""Knowledge: publishing packets, and finding them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from foedus.sdk.forms import MILLION, Publish, Retract, Revise
from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.shaping import waiting
from foedus.surfaces.mcp.tool import Takes, tool

Domain = Annotated[str, Meta(min_length=1, max_length=128, description="What it is about, such as `harbour`.")]
Id = Annotated[str, Meta(min_length=1, max_length=64, description="A packet's id.")]
Certainty = Annotated[float, Meta(ge=0, le=1, description="How sure you are, from 0 to 1.")]


class _Says(Takes, frozen=True):
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    content: Annotated[str, Meta(max_length=50_000)] = ""
    type: Annotated[str, Meta(max_length=64, description="Such as note, fact, procedure.")] = "note"
    confidence: Certainty = 1.0
    tags: list[str] = field(default_factory=list)
    dependencies: Annotated[list[str], Meta(description="Ids of the packets that it stands on.")] = field(
        default_factory=list
    )


class _Publish(_Says, frozen=True, kw_only=True):
    domain: Domain


class _Revise(_Says, frozen=True, kw_only=True):
    packet: Id


class _Retract(Takes, frozen=True):
    packet: Id
    reason: Annotated[str, Meta(max_length=512)] = ""


class _Search(Takes, frozen=True):
    query: Annotated[str, Meta(min_length=1, max_length=512)]
    domain: Annotated[str, Meta(max_length=128, description="Only of this domain; '' for all.")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class _Read(Takes, frozen=True):
    packet: Id


@tool(_Publish, values.Published)
async def publish_knowledge(desk: Desk, asked: _Publish) -> values.Published:
    """Publish a packet of knowledge, signed as yours.

    It is durable here at once; peers whose terms take it get it, and `kept_from` names those that will not show it
    and why. Where it would reach other nodes and no grant carries it, a person has to allow it first: the answer then
    has the `approval` that waits, and it is published by itself once they allow it. Do not publish it again.
    """
    return await _tell(desk, Publish(domain=asked.domain, **_said(asked)), "")


@tool(_Revise, values.Published)
async def revise_knowledge(desk: Desk, asked: _Revise) -> values.Published:
    """Say anew, as a whole, what one of your packets says. Its history stays."""
    return await _tell(desk, Revise(packet=asked.packet, **_said(asked)), asked.packet)


@tool(_Retract, values.Published)
async def retract_knowledge(desk: Desk, asked: _Retract) -> values.Published:
    """Take one of your packets back: it is shown to nobody any more."""
    return await _tell(desk, Retract(packet=asked.packet, reason=asked.reason), asked.packet)


@tool(_Search, values.Packets, reads=True)
async def search_knowledge(desk: Desk, asked: _Search) -> values.Packets:
    """Search the packets that this node holds, its own and those of peers, by words and meaning.

    To ask nodes for what is not held here, use ask_federation.
    """
    found = await desk.client.knowledge.search(asked.query, domain=asked.domain, limit=asked.limit)
    shaper = desk.shaper()
    return values.Packets(packets=[shaper.packet(it) for it in found])


@tool(_Read, values.Packet, reads=True)
async def read_packet(desk: Desk, asked: _Read) -> values.Packet:
    """Read one packet of knowledge by its id."""
    return desk.shaper().packet(await desk.client.knowledge.show(asked.packet))


async def _tell(desk: Desk, form: Publish | Revise | Retract, packet: str) -> values.Published:
    placed = await desk.client.knowledge.tell(form)
    if placed.approval:
        if desk.signs_itself():
            desk.when_allowed(placed.approval, lambda: desk.client.knowledge.tell(form))
        return values.Published.after(waiting(await desk.client.approvals.show(placed.approval)))
    return values.Published(
        packet=packet or placed.id,
        event=placed.id,
        kept_from={it.node: it.clause for it in placed.kept_from},
    )


def _said(asked: _Says) -> dict[str, Any]:
    return {
        "title": asked.title,
        "content": asked.content,
        "type": asked.type,
        "confidence": round(asked.confidence * MILLION),
        "tags": asked.tags,
        "dependencies": asked.dependencies,
    }


TOOLS = [publish_knowledge, revise_knowledge, retract_knowledge, search_knowledge, read_packet]
