"""Participants, rooms and messages."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from foedus.base.limits import HTTP_PAGE_MAX, NAME_MAX
from foedus.node.room_forms import Said
from foedus.surfaces.http.bodies import (
    ActInput,
    DirectInput,
    Message,
    Messages,
    ParticipantInput,
    PeerInput,
    RoleInput,
    RoomInput,
    ShareInput,
)
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import CURSOR_MAX, TARGET_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.values.node import ParticipantView, Placed
from foedus.values.rooms import MessagesPage, RoomView

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService


def _add_participant(node: NodeService, call: Call) -> Awaitable[ParticipantView]:
    asked: ParticipantInput = call.body
    if not asked.custodial:
        raise MalformedRequest("a participant with a key of its own enrols by POST /participants/{did}/acts")
    return node.participant_add_custodial(asked.name)


def _give_role(node: NodeService, call: Call) -> Awaitable[RoomView]:
    asked: RoleInput = call.body
    return node.room_role(call.path["room"], asked.who, asked.role, asked.title or "")


def _say(node: NodeService, call: Call) -> Awaitable[Placed]:
    message = call.body.value()
    room = call.path["room"]
    return node.say(room, message) if isinstance(message, Said) else node.say_signed(room, message)


async def _say_batch(node: NodeService, call: Call) -> list[Placed]:
    """Place the messages in order, runs of one sort together. An error in a later run leaves the earlier placed."""
    room = call.path["room"]
    placed: list[Placed] = []
    for sort, run in groupby([message.value() for message in call.body], type):
        some: Any = list(run)
        placed += await (node.say_batch(room, some) if sort is Said else node.say_signed_batch(room, some))
    return placed


def _messages(node: NodeService, call: Call) -> MessagesPage:
    return node.messages(
        call.path["room"],
        after=call.query.get("after", ""),
        limit=call.query["limit"],
        before=call.query.get("before", ""),
    )


PARTICIPANTS = [
    Operation(
        method="GET",
        path="/participants",
        about="Local participants and those of peers",
        answer=list[ParticipantView],
        query=(Text(name="q", about="part of a name or DID", max_length=NAME_MAX),),
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.participants(call.query.get("q", "")),
    ),
    Operation(
        method="POST",
        path="/participants",
        about="Make an agent whose key the node keeps",
        answer=ParticipantView,
        status=201,
        body=ParticipantInput,
        run=_add_participant,
    ),
    Operation(
        method="POST",
        path="/participants/{did}/acts",
        about="Order a signed enrolment or revocation; the first enrolment makes the participant",
        answer=Placed,
        status=201,
        body=ActInput,
        rule=Rule.SELF,
        run=lambda node, call: node.participant_act(call.path["did"], call.body.value()),
    ),
    Operation(
        method="GET",
        path="/participants/{did}/devices/{key}/cuts",
        about="[chain id, seq, event id] of each chain that the device acted in: what a revocation names",
        answer=list[list[Any]],
        rule=Rule.SELF,
        run=lambda node, call: node.device_cuts(call.path["did"], call.path["key"]),
    ),
]

ROOMS = [
    Operation(
        method="GET",
        path="/rooms",
        about="Rooms that this node is in",
        answer=list[RoomView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.rooms(),
    ),
    Operation(
        method="POST",
        path="/rooms",
        about="Create a room hosted here",
        answer=RoomView,
        status=201,
        body=RoomInput,
        run=lambda node, call: node.room_create(call.body.name),
    ),
    Operation(
        method="POST",
        path="/rooms/direct",
        about="The two-party room of a local participant and another",
        answer=RoomView,
        body=DirectInput,
        rule=Rule.SELF,
        run=lambda node, call: node.room_direct(call.body.participant, call.body.as_),
    ),
    Operation(
        method="GET",
        path="/rooms/{room}",
        about="One room",
        answer=RoomView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.room(call.path["room"]),
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/share",
        about="Let a peer into a room hosted here",
        answer=RoomView,
        body=ShareInput,
        run=lambda node, call: node.room_share(call.path["room"], call.body.peer, call.body.role),
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/role",
        about="Give a member of a room hosted here another role from now on",
        answer=RoomView,
        body=RoleInput,
        run=_give_role,
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/unshare",
        about="Take a peer out of a room hosted here",
        answer=RoomView,
        body=PeerInput,
        run=lambda node, call: node.room_unshare(call.path["room"], call.body.peer),
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/leave",
        about="Leave a room",
        answer=RoomView,
        run=lambda node, call: node.room_leave(call.path["room"]),
    ),
]

MESSAGES = [
    Operation(
        method="POST",
        path="/rooms/{room}/messages",
        about="Say something: text for a custodial agent, or a signed act. Durable when answered",
        answer=Placed,
        status=201,
        body=Message,
        rule=Rule.SELF,
        run=_say,
    ),
    Operation(
        method="GET",
        path="/rooms/{room}/messages",
        about="Messages after a cursor, or the newest; with before, the last ones before that message",
        answer=MessagesPage,
        query=(
            Text(name="after", about="cursor of an earlier answer", max_length=CURSOR_MAX),
            Number(name="limit", about="messages at most", default=50, minimum=1, maximum=HTTP_PAGE_MAX),
            Text(name="before", about="id of a message, where no after is given", max_length=TARGET_MAX),
        ),
        rule=Rule.PARTICIPANT,
        run=_messages,
    ),
    Operation(
        method="POST",
        path="/rooms/{room}/messages:batch",
        about="Say several things in order",
        answer=list[Placed],
        status=201,
        body=Messages,
        rule=Rule.SELF,
        run=_say_batch,
    ),
]
