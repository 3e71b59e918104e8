"""Resources: rooms and packets of knowledge, what they hold, and which of them an event changes."""

from __future__ import annotations

import re
from typing import NamedTuple

from foedus.base.errors import NotFound
from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.rendering import rendered
from foedus.values.rooms import EventView

ROOM, PACKET = "foedus://rooms/", "foedus://packets/"
_URI = re.compile(r"foedus://(?P<what>rooms|packets)/(?P<id>[0-9a-f]{64})")
_LISTED_MAX = 100
"""Packets that a listing names; a search finds the others."""
_MESSAGES = 50


class Listed(NamedTuple):
    """A resource. ``name``: the id's first digits, since names are others' words."""

    uri: str
    name: str
    about: str


class Change(NamedTuple):
    """What an event changes. ``uri``: a resource that says something else now, or ''; ``lists``: one is new or gone."""

    uri: str
    lists: bool


TEMPLATES = [
    Listed(f"{ROOM}{{room}}", "room", "A room: its members, and the newest messages."),
    Listed(f"{PACKET}{{packet}}", "packet", "A packet of knowledge, as it stands."),
]


async def listed(desk: Desk) -> list[Listed]:
    """Return the rooms of a participant, and packets that this node holds."""
    rooms = [Listed(f"{ROOM}{it.room}", f"room {it.room[:8]}", "A room.") for it in await desk.client.rooms.all()]
    page = await desk.client.knowledge.page(limit=_LISTED_MAX)
    return rooms + [
        Listed(f"{PACKET}{it.id}", f"packet {it.id[:8]}", f"A packet of {it.domain}.") for it in page.packets
    ]


async def read(desk: Desk, uri: str) -> str:
    """Return a resource as a model reads it; raise NotFound."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise NotFound("there is no such resource", code="unknown_resource", remedy=f"such as {ROOM}ID or {PACKET}ID")
    shaper = desk.shaper()
    if found["what"] == "packets":
        return rendered(shaper.packet(await desk.client.knowledge.show(found["id"])))
    room = await desk.client.rooms.show(found["id"])
    page = await desk.client.rooms.messages(room.room, limit=_MESSAGES)
    messages = [shaper.message(it) for it in page.messages]
    return rendered(values.RoomRead(room=shaper.room(room), newest=messages))


def change_of(event: EventView) -> Change | None:
    """Return what an event changes, or None."""
    kind, _, subject = event.stream.partition(":")
    if kind == "room":
        return Change(f"{ROOM}{subject}", lists=False)
    if kind == "members":
        return Change(f"{ROOM}{subject}", lists=True)
    if kind != "knowledge" or not event.kind.startswith("knowledge."):
        return None
    begun = str((event.body or {}).get("packet") or event.id)
    return Change(f"{PACKET}{begun}", lists=begun == event.id)
