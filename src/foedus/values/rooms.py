"""Rooms, and what was said and done in them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from foedus.values.node import View


class MemberView(View, frozen=True):
    """A membership in force. ``participant`` '' means everyone at the node. ``id``: what acts cite."""

    id: str
    node: str
    node_name: str
    participant: str
    participant_name: str
    node_known_as: str = ""
    participant_known_as: str = ""
    role: int = 400
    role_name: str = "member"


class RoomView(View, frozen=True):
    """A room that this node is in."""

    room: str
    name: str
    host: str
    host_name: str
    is_host: bool
    members: list[MemberView]
    left: bool
    host_known_as: str = ""


class ErasedView(View, frozen=True):
    """Why a body is gone: the erase event ``event``, whose it is, when and for what reason."""

    event: str
    by: str
    """did:key, or the node id where the node itself erased."""
    by_name: str
    node: str
    at: int
    reason: Literal["author", "moderator", "retention"]


class MessageView(View, frozen=True):
    """What someone said in a room, and how far that is proved."""

    id: str
    room: str
    stream: str
    seq: int
    hlc: list[int]
    at: int
    text: str | None
    """None: the body is missing or erased, or the message does not stand here."""
    author: str
    """did:key, or the node id where the node itself speaks."""
    author_name: str
    author_kind: Literal["human", "agent", "node", "unknown"]
    node: str
    node_name: str
    verified: bool
    why_not: str
    """'' where verified, else the verdict and its reason."""
    refs: list[str]
    cursor: str
    author_known_as: str = ""
    """The name known here; '' where there is only what the author claims."""
    node_known_as: str = ""
    author_looks_like: list[str] = field(default_factory=list)
    """Names known here, of others, that the author's claimed name may be taken for."""
    erased: ErasedView | None = None


class MessagesPage(View, frozen=True):
    """Messages in order of their clock; ``cursor`` goes into the next ``after``."""

    messages: list[MessageView]
    cursor: str


class EventView(View, frozen=True):
    """A held event, with what it carries where that is one of the kinds of docs/protocol.md."""

    id: str
    stream: str
    epoch: str
    node: str
    seq: int
    prev: str | None
    hlc: list[int]
    kind: str
    author: str
    at: int
    verdict: Literal["accepted", "pending", "rejected"]
    reason: str
    withheld: str
    body: dict[str, Any] | None
    message: MessageView | None
    """Set for message.text."""
    cursor: str
    erased: ErasedView | None = None


class EventsPage(View, frozen=True):
    """Events in this node's admission order; ``cursor`` (opaque) goes into the next ``after``."""

    events: list[EventView]
    cursor: str
