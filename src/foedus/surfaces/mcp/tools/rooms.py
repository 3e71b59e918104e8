"""Rooms: which there are, what was said, saying something, and hearing what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Annotated

from msgspec import Meta

from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.shaping import waiting
from foedus.surfaces.mcp.tool import Takes, tool
from foedus.values.rooms import EventView, MessageView

WAIT_MAX_S = 50
"""Clients give up on a tool after a minute."""
_PAGE = 100

RoomName = Annotated[str, Meta(min_length=1, max_length=128, description="The room's id, or its name.")]
Text = Annotated[str, Meta(min_length=1, max_length=60_000)]
Cursor = Annotated[str, Meta(max_length=256, description="The cursor of an earlier answer; '' for the newest.")]


class _Nothing(Takes, frozen=True):
    pass


class _Read(Takes, frozen=True):
    room: RoomName
    after: Cursor = ""
    limit: Annotated[int, Meta(ge=1, le=_PAGE)] = 20


class _Say(Takes, frozen=True):
    room: RoomName
    text: Text


class _Hear(Takes, frozen=True):
    room: Annotated[str, Meta(max_length=128, description="Only of this room; '' for all of yours.")] = ""
    after: Annotated[str, Meta(max_length=256, description="The cursor of an earlier answer; '' for from now on.")] = ""
    wait_s: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = 30


@tool(_Nothing, values.Rooms, reads=True)
async def list_rooms(desk: Desk, _: _Nothing) -> values.Rooms:
    """List the rooms that you are in, with their members.

    Speaking in a room that another node hosts may need a person's yes.
    """
    shaper = desk.shaper()
    return values.Rooms(rooms=[shaper.room(it) for it in await desk.client.rooms.all()])


@tool(_Read, values.Messages, reads=True)
async def read_room(desk: Desk, asked: _Read) -> values.Messages:
    """Read messages of a room, oldest first.

    The newest, or those after a cursor. What was written at other nodes is marked as foreign content.
    """
    page = await desk.client.rooms.messages(asked.room, after=asked.after, limit=asked.limit)
    shaper = desk.shaper()
    shown = [shaper.message(it) for it in page.messages]
    wait_after = page.messages[-1].cursor if page.messages else ""
    return values.Messages(messages=shown, cursor=page.cursor, wait_after=wait_after)


@tool(_Say, values.Placed)
async def say(desk: Desk, asked: _Say) -> values.Placed:
    """Say something in a room, as yourself.

    In a room of another node a person may have to allow it first: the answer is then `waiting` with the approval,
    and it is said by itself once they allow it. Do not say it again.
    """
    return await said(desk, asked.room, asked.text)


@tool(_Hear, values.Heard, reads=True)
async def wait_for_messages(desk: Desk, asked: _Hear) -> values.Heard:
    """Wait until others say something new, in one room or in all of yours; empty where nobody does in time.

    Call it again with the cursor that it returned, and nothing is missed.
    """
    rooms = [await desk.client.rooms.show(asked.room)] if asked.room else await desk.client.rooms.all()
    stream = f"room:{rooms[0].room}" if asked.room else ""
    cursor = asked.after or await _newest(desk, [it.room for it in rooms])
    heard: list[MessageView] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(asked.wait_s):
            while not heard:
                heard, cursor = await _hear(desk, stream, cursor)
    shaper = desk.shaper()
    return values.Heard(messages=[shaper.message(it) for it in heard], cursor=cursor)


async def _newest(desk: Desk, rooms: Sequence[str]) -> str:
    """Return the cursor after the last message that came, '' where there is none."""
    cursors = []
    for room in rooms:
        page = await desk.client.rooms.messages(room, limit=1)
        cursors += [it.cursor for it in page.messages]
    return max(cursors, key=lambda it: int(it.rpartition(".")[2]), default="")


async def _hear(desk: Desk, stream: str, cursor: str) -> tuple[list[MessageView], str]:
    """Return what others said after a cursor, and the cursor after it; wait where nothing has come yet."""
    if cursor:
        page = await desk.client.events.page(after=cursor, stream=stream, limit=_PAGE)
        if page.cursor != cursor:
            return [it for event in page.events if (it := _heard(desk, event))], page.cursor
    async with aclosing(desk.client.events.follow(after=cursor or None, stream=stream)) as coming:  # type: ignore[type-var]  # an async generator
        async for event in coming:
            return [it] if (it := _heard(desk, event)) else [], event.cursor
    return [], cursor


def _heard(desk: Desk, event: EventView) -> MessageView | None:
    """Return the message of an event that somebody else said."""
    message = event.message
    return message if message is not None and message.text is not None and message.author != desk.did else None


async def said(desk: Desk, room: str, text: str) -> values.Placed:
    """Say something; where it waits for a person, see to it that it is said when they allow it."""
    placed = await desk.client.rooms.say(room, text)
    if not placed.approval:
        return values.Placed(state="done", event=placed.id)
    if desk.signs_itself():
        desk.when_allowed(placed.approval, lambda: desk.client.rooms.say(room, text))
    return values.Placed.after(waiting(await desk.client.approvals.show(placed.approval)))


TOOLS = [list_rooms, read_room, say, wait_for_messages]
