"""Rooms: make, share, read, follow, leave."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from foedus.base.limits import HTTP_PAGE_MAX
from foedus.log.roles import MEMBER, parse_role
from foedus.surfaces.cli.messages import message_lines
from foedus.surfaces.cli.options import COMMON, Common, Limit, Peer, Room, Yes
from foedus.surfaces.cli.output import Line, Output, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import named, short
from foedus.values.rooms import EventView, MemberView, MessagesPage, MessageView, RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

app = App(name="room", help="Rooms: make, share, read, follow, leave.")

RoleName = Annotated[
    str, Parameter(help="admin, moderator, super-agent, member, agent, spectator, or a number from 1 to 998.")
]
RETRY_S = 30.0
"""How long `follow` waits for a node that went away: a restart takes a second, an upgrade some more."""
_PAUSE_S = 0.5
_SHOWN_MAX = 4 * HTTP_PAGE_MAX
"""Messages remembered as shown, since those of the first page may come by the stream again."""


@app.command
def create(name: Annotated[str, Parameter(help="What its members see.")], /, *, common: Common = COMMON) -> None:
    """Make a room that this node hosts."""
    out = common.output()
    room = common.client().post("/rooms", RoomView, {"name": name})
    out.show(room, room_lines)
    out.next(f"foedus room share {short(room.room)} PEER")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the rooms that this node is in."""
    out = common.output()
    rooms = common.client().get("/rooms", list[RoomView])
    if out.as_json or not rooms:
        out.show(rooms, lambda _: [["no rooms yet"]])
    else:
        rows = ([room.name, short(room.room), _host(room), str(len(room.members)), _state(room)] for room in rooms)
        out.table(["room", "id", "host", "members", ""], rows)
    out.next("foedus room read ROOM" if rooms else "foedus room create NAME")


@app.command
def show(room: Room, /, *, common: Common = COMMON) -> None:
    """Show a room and its members."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    out.show(common.client().get(path_of("rooms", room), RoomView), room_lines)
    out.next("foedus room read {}", room)


@app.command
def share(room: Room, peer: Peer, /, *, role: RoleName = "", common: Common = COMMON) -> None:
    """Make all of a peer's people and agents members. They get the room's whole history."""
    _act(common, room, "share", {"peer": peer, **({"role": parse_role(role)} if role else {})})


@app.command(name="role")
def give_role(
    room: Room,
    who: Annotated[str, Parameter(help="A participant's DID or name, or a node in the room.")],
    role: RoleName,
    /,
    *,
    title: Annotated[str, Parameter(help="What a role of your own is called.")] = "",
    common: Common = COMMON,
) -> None:
    """Give a member another role from now on. What it said before stays as it is."""
    _act(common, room, "role", {"who": who, "role": parse_role(role), "title": title or None})


@app.command
def unshare(room: Room, peer: Peer, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """End a peer's membership. It keeps what it has; what it says from now on is rejected everywhere."""
    confirm(f"End the membership of {peer} in {room}?", yes=yes)
    _act(common, room, "unshare", {"peer": peer})


@app.command
def leave(room: Room, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Ask the host to remove this node from a room. Its people and agents can speak there no more."""
    confirm(f"Leave {room}?", yes=yes)
    _act(common, room, "leave", {})


def _act(common: Common, room: str, verb: str, body: Mapping[str, str | int | None]) -> None:
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    out.show(common.client().post(path_of("rooms", room, verb), RoomView, body), room_lines)
    out.next("foedus room list" if verb == "leave" else "foedus room show {}", room)


@app.command
def read(
    room: Room,
    /,
    *,
    limit: Limit = 50,
    after: Annotated[str, Parameter(help="The cursor of an earlier page (--json shows it).")] = "",
    common: Common = COMMON,
) -> None:
    """Read a room: the newest messages, or those after a cursor, in the order of their clock."""
    out = common.output()
    page = _page(common.client(), room, limit, after)
    out.show(page, lambda _: _messages(page.messages, out))
    out.next("foedus room follow {}", room)


def _messages(messages: list[MessageView], out: Output) -> Iterable[Line]:
    for message in messages:
        yield from message_lines(message, out.width)
    if not messages:
        yield ["nothing was said yet"]


def _page(node: Client, room: str, limit: int, after: str = "") -> MessagesPage:
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("rooms", room, "messages"), MessagesPage, {"limit": limit, "after": after})


@app.command
def follow(room: Room, /, *, limit: Limit = 10, common: Common = COMMON) -> None:
    """Show a room's newest messages, and each new one as it comes, until Ctrl-C. With --json: one message a line."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    found = node.get(path_of("rooms", room), RoomView)
    if not out.as_json:
        out.words(f"following {found.name}; Ctrl-C ends it")
    for message in following(node, found.room, limit, out):
        out.show(message, lambda shown: message_lines(shown, out.width))


def following(node: Client, room: str, limit: int, out: Output) -> Iterator[MessageView]:
    """Yield the newest messages, then each new one once, across restarts of the node; raise when it stays away.

    The stream is opened before the page is read, so nothing falls between them.
    """
    from foedus.surfaces.cli.client import StreamLost
    from foedus.surfaces.cli.errors import NotRunning

    seen: OrderedDict[str, None] = OrderedDict()
    cursor: str | None = None
    lost_at: float | None = None
    while True:
        try:
            stream = node.follow("/events", {"stream": f"room:{room}"}, cursor)
            if cursor is None:
                yield from _unseen(_page(node, room, limit).messages, seen)
            lost_at = None
            for followed in stream:
                cursor = followed.cursor or cursor
                message = msgspec.json.decode(followed.data, type=EventView).message
                yield from _unseen([message] if message is not None else [], seen)
        except (StreamLost, NotRunning) as error:
            now = time.monotonic()
            if lost_at is None:
                lost_at = now
                out.words("the node went away; waiting for it")
            if now - lost_at > RETRY_S:
                raise error from None
            time.sleep(_PAUSE_S)


def _unseen(messages: list[MessageView], seen: OrderedDict[str, None]) -> Iterator[MessageView]:
    for message in messages:
        if message.id not in seen:
            seen[message.id] = None
            yield message
    while len(seen) > _SHOWN_MAX:
        seen.popitem(last=False)


def room_lines(room: RoomView) -> Iterable[Line]:
    """Return a room and its members."""
    yield from pairs([("room", (room.name, "bold")), ("id", room.room), ("host", _host(room))])
    for member in room.members:
        who = "everyone"
        if member.participant:
            who = named(member.participant_known_as, member.participant_name, member.participant)
        yield [
            ("member  ", "dim"),
            f"{who} at {named(member.node_known_as, member.node_name, member.node)}",
            (f", {_role(member)}", "dim"),
        ]
    if room.left:
        yield [("this node left it", "yellow")]


def _role(member: MemberView) -> str:
    return f"{member.role_name} {member.role}" if member.participant or member.role != MEMBER else "by its kind"


def _host(room: RoomView) -> str:
    return "this node" if room.is_host else named(room.host_known_as, room.host_name, room.host)


def _state(room: RoomView) -> str:
    return "left" if room.left else ""
