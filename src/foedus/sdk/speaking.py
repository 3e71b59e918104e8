"""What the client's own participant signs and says: by the key of its device, or by the one that its node keeps."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.base64url import from_base64url
from foedus.base.errors import NotFound, Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import ACT_DRIFT_MAX, APPROVAL_WAIT_MAX_S, NONCE_BYTES, SALT_BYTES
from foedus.identity.ucan import covers
from foedus.sdk.acts import Draft, Moment, signed_act
from foedus.sdk.device import Device, now
from foedus.sdk.errors import NoDevice
from foedus.values.consent import ApprovalView
from foedus.values.node import ParticipantView, Placed, SignedAct
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from foedus.sdk.client import Client


class Own(NamedTuple):
    """The participant who signs here, and the event that enrolled the device."""

    who: ParticipantView
    device: Device
    enrolment: bytes


def signs_for(client: Client, as_: str) -> bool:
    """Whether the client's device signs what ``as_`` ('': whoever the client is) says."""
    return client.device is not None and as_ in {"", client.device.did}


async def own(client: Client) -> Own:
    """Return who signs here; raise NoDevice, or NotFound where the node does not know the device as enrolled."""
    device = client.device
    if device is None:
        raise NoDevice("only a device signs this, and this client has none")
    public = device.key.public.hex()
    for who in await client.participants.all(q=device.did):
        for each in who.devices:
            if who.did == device.did and who.is_local and each.key == public and not each.revoked:
                return Own(who, device, parse_id(each.enrolment))
    raise NotFound(
        f"this node has no device {public[:12]} of {device.did} in force",
        code="unknown_device",
        remedy="enrol it: `foedus participant add`, or pair it: `foedus pair device`",
    )


async def sign(client: Client, device: Device, draft: Draft, salt: bytes = b"") -> SignedAct:
    """Sign an act for the node, in its epoch; raise Unavailable ``excessive_drift``. ``salt``: of what was approved."""
    context = await client.node.signing()
    here = now()
    if abs(here - context.now) > ACT_DRIFT_MAX:
        raise Unavailable(
            "the clocks of this machine and of the node are too far apart",
            code="excessive_drift",
            remedy="set the clock that is wrong: an act so far off would be rejected everywhere",
        )
    moment = Moment(parse_id(context.epoch), here, os.urandom(NONCE_BYTES), salt or os.urandom(SALT_BYTES))
    return signed_act(device.key, draft, moment)


async def grants_for(client: Client, mine: Own, command: str) -> list[bytes]:
    """Return what a person granted an agent with a key of its own for a command; a person needs none."""
    if mine.who.kind == "human":
        return []
    views = await client.grants.all()
    held = (it for it in views if it.audience.did == mine.device.device_did and it.state == "in_force")
    return [parse_id(it.id) for it in held if covers(it.command, command) and not it.one_act]


async def say(client: Client, room: str, text: str, *, as_: str, wait_s: float) -> Placed:
    """Say something in a room: see ``Rooms.say``."""
    if signs_for(client, as_):
        said = InRoom("message.text", {"text": text}, {"text": text})
        return await act_in_room(client, room, said, client.rooms.post, wait_s)
    message = {"text": text} | ({"as": as_} if as_ else {})
    return await settled(client, await client.rooms.post(room, message), wait_s)


async def settled(client: Client, placed: Placed, wait_s: float) -> Placed:
    """Return where the node ordered an agent's act, once a person allowed it; as it is after ``wait_s``."""
    if not placed.approval or not wait_s:
        return placed
    view = await decided(client, placed.approval, wait_s)
    return placed if view.state == "waiting" else Placed(id=view.event, stream=placed.stream, seq=0, hlc=[0, 0])


class InRoom(NamedTuple):
    """An act in a room. ``asked``: what an agent asks a person for, as ``approvals.ask`` takes it."""

    kind: str
    body: Mapping[str, Any]
    asked: Mapping[str, str]


Post = Callable[[str, SignedAct], Awaitable[Placed]]
"""How a signed act gets into a room, which its id names."""


async def act_in_room(client: Client, room: str, act: InRoom, post: Post, wait_s: float) -> Placed:
    """Sign an act and order it; an agent cites what is granted for another node's room, or waits for a person's yes."""
    where, mine = await client.rooms.show(room), await own(client)
    auth, salt = [mine.enrolment, parse_id(_membership(where, mine.who))], b""
    if mine.who.kind == "agent" and not where.is_host:
        view = await client.approvals.ask(where.room, mine.who.did, **act.asked)
        if view.state == "waiting":
            view = await decided(client, view.id, wait_s)
        if view.state == "waiting":
            return Placed(id="", stream=f"room:{where.room}", seq=0, hlc=[0, 0], approval=view.id)
        auth += [parse_id(event) for event in view.grants]
        salt = from_base64url(view.salt, "salt")  # hence the digest that a person signed
    draft = Draft(mine.who.did, f"room:{where.room}", act.kind, act.body, tuple(auth))
    return await post(where.room, await sign(client, mine.device, draft, salt))


def _membership(room: RoomView, who: ParticipantView) -> str:
    """Return the id of the membership that one stands on: its own, else its node's; raise UsageError."""
    ours = {member.participant: member.id for member in room.members if member.node == who.node}
    found = ours.get(who.did) or ours.get("")
    if found is None:
        raise UsageError(
            f"{who.name} is not a member of {room.name}",
            code="not_permitted",
            http_status=403,
            remedy="ask the room's host to share it with this node",
        )
    return found


async def decided(client: Client, approval: str, wait_s: float) -> ApprovalView:
    """Return an approval once a person decided, or as it is after ``wait_s``; raise UsageError where one said no."""
    end = time.monotonic() + wait_s
    while True:
        left = max(0, round(end - time.monotonic()))
        view = await client.approvals.show(approval, wait_s=min(left, APPROVAL_WAIT_MAX_S // 2))
        if view.state in {"denied", "expired", "failed"}:
            raise UsageError(
                f"the approval {view.id} is {view.state}{': ' + view.reason if view.reason else ''}",
                code=view.state,
                http_status=403,
                remedy="ask the people of this node",
            )
        if view.state != "waiting" or not left:
            return view
