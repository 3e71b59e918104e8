"""Rooms, what is said in them, and their values that merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foedus.sdk import changes
from foedus.sdk.changes import Change
from foedus.sdk.operation import Action, Group, M, Sent, operation
from foedus.sdk.speaking import say
from foedus.values.crdts import CrdtView
from foedus.values.documents import TicketView
from foedus.values.node import Placed, SignedAct
from foedus.values.rooms import MessagesPage, RoomView


class Rooms(Group[M]):
    """Rooms. ``room``: an id, its first digits, or a name."""

    @operation("GET", "/rooms")
    def all(self) -> Sent[list[RoomView]]:
        """Return the rooms that the caller is in."""
        return Sent()

    @operation("POST", "/rooms")
    def create(self, name: str) -> Sent[RoomView]:
        """Create a room hosted here."""
        return Sent(body={"name": name})

    @operation("POST", "/rooms/direct")
    def direct(self, participant: str, as_: str) -> Sent[RoomView]:
        """Return the room of a local participant (``as_``) and another (a DID), made where there is none."""
        return Sent(body={"participant": participant, "as": as_})

    @operation("GET", "/rooms/{room}")
    def show(self, room: str) -> Sent[RoomView]:
        """Return one room."""
        return Sent({"room": room})

    @operation("POST", "/rooms/{room}/share")
    def share(self, room: str, peer: str, *, role: int | None = None) -> Sent[RoomView]:
        """Let a peer into a room hosted here."""
        return Sent({"room": room}, body={"peer": peer, "role": role})

    @operation("POST", "/rooms/{room}/role")
    def give_role(self, room: str, who: str, role: int, *, title: str | None = None) -> Sent[RoomView]:
        """Give a member of a room hosted here another role from now on."""
        return Sent({"room": room}, body={"who": who, "role": role, "title": title})

    @operation("POST", "/rooms/{room}/unshare")
    def unshare(self, room: str, peer: str) -> Sent[RoomView]:
        """Take a peer out of a room hosted here."""
        return Sent({"room": room}, body={"peer": peer})

    @operation("POST", "/rooms/{room}/leave")
    def leave(self, room: str) -> Sent[RoomView]:
        """Leave a room."""
        return Sent({"room": room})

    @operation("GET", "/rooms/{room}/messages")
    def messages(self, room: str, *, after: str = "", limit: int = 50, before: str = "") -> Sent[MessagesPage]:
        """Return messages after a cursor, or the newest; ``before``: the last ones before the message of that id."""
        return Sent({"room": room}, {"after": after, "limit": limit, "before": before})

    @Action
    async def say(self, room: str, text: str, *, as_: str = "", wait_s: float = 0) -> Placed:
        """Say something; it is durable when this returns.

        The client's device signs, where it has one and ``as_`` names no other. Else the node signs for ``as_``, an
        agent whose key it keeps, or speaks itself. What an agent may not say at another node without a person's yes
        waits for it: ``wait_s`` seconds here, and then ``approval`` names it.
        """
        return await say(self._client, room, text, as_=as_, wait_s=wait_s)

    @operation("POST", "/rooms/{room}/messages")
    def post(self, room: str, message: Mapping[str, str] | SignedAct) -> Sent[Placed]:
        """Send one message as the API has it: {text, as}, or a signed act."""
        return Sent({"room": room}, body=message)

    @operation("POST", "/rooms/{room}/messages:batch")
    def post_all(self, room: str, messages: Sequence[Mapping[str, str] | SignedAct]) -> Sent[list[Placed]]:
        """Send several messages in order, each as ``post`` takes it."""
        return Sent({"room": room}, body=list(messages))


class Crdts(Group[M]):
    """Values of rooms that everybody writes at once, and which merge."""

    @operation("GET", "/rooms/{room}/crdts")
    def all(self, room: str) -> Sent[list[CrdtView]]:
        """Return those of a room, without their values."""
        return Sent({"room": room})

    @operation("GET", "/rooms/{room}/crdts/{name}")
    def show(
        self, room: str, name: str, *, type_: str = "", entry: str = "", additions: bool = False
    ) -> Sent[CrdtView]:
        """Return one with its value. ``type_``: which, where several have the name; ``entry``: only this key."""
        query = {"type": type_, "entry": entry, "additions": 1 if additions else None}
        return Sent({"room": room, "name": name}, query)

    @Action
    async def change(self, room: str, name: str, change: Change, *, wait_s: float = 0) -> Placed:
        """Change one; a name that is new is made by its first change. Who signs, and who waits, as with ``rooms.say``.

        What the client's device removes from a set are the additions that this node shows.
        """
        return await changes.change(self._client, (room, name), change, wait_s)

    @operation("POST", "/rooms/{room}/crdts/{name}")
    def write(self, room: str, name: str, operations: Change | SignedAct) -> Sent[Placed]:
        """Send a change that the node signs, or a signed act."""
        return Sent({"room": room, "name": name}, body=operations)


class Documents(Group[M]):
    """Documents that people edit together by any y-websocket client."""

    @operation("POST", "/rooms/{room}/documents/{name}/ticket")
    def ticket(self, room: str, name: str, *, as_: str = "") -> Sent[TicketView]:
        """Return a ticket that opens a document once, or what a device has to sign first.

        The client connects to ``/api/v1/rooms/{room}/documents/{name}?ticket=…`` within a minute.
        """
        return Sent({"room": room, "name": name}, {"as": as_})
