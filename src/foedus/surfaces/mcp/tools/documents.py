"""Documents of rooms: reading and editing their text."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.tool import Takes, tool
from foedus.surfaces.mcp.tools.rooms import RoomName

DocumentName = Annotated[str, Meta(min_length=1, max_length=128, description="The document's name.")]
Field = Annotated[str, Meta(max_length=128, description="Which text of the document; '' for its only one.")]


class _Read(Takes, frozen=True):
    room: RoomName
    name: DocumentName
    field: Field = ""


class _Edit(Takes, frozen=True):
    room: RoomName
    name: DocumentName
    find: Annotated[str, Meta(max_length=60_000, description="What stands there once; '' to append at the end.")] = ""
    replace: Annotated[str, Meta(max_length=60_000, description="What stands there afterwards.")] = ""
    field: Field = ""


@tool(_Read, values.DocumentText, reads=True)
async def read_document(desk: Desk, asked: _Read) -> values.DocumentText:
    """Read a document that the members of a room edit together. A name that is new is an empty document."""
    from foedus.surfaces.mcp.documents import visiting  # noqa: PLC0415  # pycrdt, for who has documents

    async with visiting(desk.client, asked.room, asked.name) as visit:
        field = visit.field(asked.field)
        text = visit.text(field)
    shaper = desk.shaper()
    told = shaper.told(values.Origin(foreign=True, node=""), {"text": text}, "members of the room")
    return values.DocumentText(room=asked.room, name=asked.name, field=field, told=told, length=len(text))


@tool(_Edit, values.DocumentEdited)
async def edit_document(desk: Desk, asked: _Edit) -> values.DocumentEdited:
    """Replace a piece of a document, or append to it; others' edits at the same time are kept.

    Durable when answered.
    """
    from foedus.surfaces.mcp.documents import visiting  # noqa: PLC0415  # as above

    async with visiting(desk.client, asked.room, asked.name) as visit:
        field = visit.field(asked.field)
        await visit.replace(field, asked.find, asked.replace)
        length = len(visit.text(field))
    return values.DocumentEdited(room=asked.room, name=asked.name, field=field, length=length)


TOOLS = [read_document, edit_document]
