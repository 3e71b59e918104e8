"""What surfaces may ask of a running node about rooms, and what was said and done in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

from foedus.node.room_forms import Said
from foedus.values.node import Placed, SignedAct
from foedus.values.rooms import EventsPage, EventView, MessagesPage, RoomView


class RoomService(Protocol):
    """Rooms and events: a part of ``api.NodeService``."""

    def rooms(self) -> list[RoomView]:
        """Return the rooms held here."""
        ...

    def room(self, room: str) -> RoomView:
        """Return one room."""
        ...

    async def room_create(self, name: str) -> RoomView:
        """Make a room of which this node is the host."""
        ...

    async def room_share(self, room: str, peer: str, role: int | None = None) -> RoomView:
        """Let all participants of a connected peer into a room of ours, with a role or the default of each."""
        ...

    async def room_role(self, room: str, who: str, role: int, title: str = "") -> RoomView:
        """Give a member of a room of ours (a participant's DID or name, or a node) another role from now on."""
        ...

    async def room_unshare(self, room: str, peer: str) -> RoomView:
        """Take a peer out of a room of ours."""
        ...

    async def room_leave(self, room: str) -> RoomView:
        """Leave a room."""
        ...

    async def room_direct(self, participant: str, author: str) -> RoomView:
        """Return the two-party room of local participant ``author`` (name or DID) and ``participant`` (DID)."""
        ...

    async def say(self, room: str, message: Said) -> Placed:
        """Order one message."""
        ...

    async def say_batch(self, room: str, messages: Sequence[Said]) -> list[Placed]:
        """Order messages in the given order, all or none."""
        ...

    async def say_signed(self, room: str, act: SignedAct) -> Placed:
        """Order one message that a device signed."""
        ...

    async def say_signed_batch(self, room: str, acts: Sequence[SignedAct]) -> list[Placed]:
        """Order messages that devices signed, all or none."""
        ...

    def messages(self, room: str, *, after: str = "", limit: int = 50, before: str = "") -> MessagesPage:
        """Return the ``limit`` messages after the cursor, or without one the newest, or the last before a message."""
        ...

    def events(self, *, after: str = "", limit: int = 100, stream: str = "") -> EventsPage:
        """Return a page of events in admission order."""
        ...

    def follow(self, *, after: str | None = None, stream: str = "") -> AsyncIterator[EventView]:
        """Yield events as they become durable here, after a cursor (None: from now on), without a gap."""
        ...

    def event(self, event: str) -> EventView:
        """Return one held event by its id."""
        ...

    async def erase(self, event: str, reason: Literal["author", "moderator", "retention"]) -> Placed:
        """Erase an event: as its author where the node keeps that key, else as the room's host."""
        ...

    async def erase_signed(self, event: str, act: SignedAct) -> Placed:
        """Order an erasure of an event that a device signed."""
        ...
