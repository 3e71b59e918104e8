"""What the peering machine hears: from humans, from the other node, and that a link opened.

``key`` is always the Ed25519 key of the other's newest identity record, as the link (or the signed HTTP request)
proved it: whoever makes these inputs has authenticated the sender. Randomness comes in as ``salt``.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from foedus.trust.tiers import Tier


class HumanRequest(Struct, frozen=True):
    """Ask a node for a connection. ``is_confirmed``: the person named its whole id, so that no question is left.

    ``salt``: 32 random bytes; ``name``: what the other calls itself, if known.
    """

    tier: Tier
    salt: bytes
    note: str = ""
    name: str = ""
    url: str = ""
    is_confirmed: bool = False


class HumanConfirm(Struct, frozen=True):
    """Confirm that the node which we asked is the one that was meant: its whole id has been compared."""


class HumanAccept(Struct, frozen=True):
    """Accept the waiting request, and give the other this tier."""

    tier: Tier


class HumanDecline(Struct, frozen=True):
    """Say no to the waiting request; the other is told."""


class HumanIgnore(Struct, frozen=True):
    """Hear nothing of this node any more, for good; it is not told."""


class HumanDisconnect(Struct, frozen=True):
    """End the connection, or withdraw our request or acceptance."""

    reason: str = "disconnected"


class HumanTier(Struct, frozen=True):
    """Give the other another tier."""

    tier: Tier


class HumanPause(Struct, frozen=True):
    """Let nothing flow for a while; the connection stays."""


class HumanResume(Struct, frozen=True):
    """Let it flow again."""


class RequestReceived(Struct, frozen=True):
    """The other asks for a connection. ``address`` is where the request came from, for the human to read."""

    name: str
    note: str
    endpoints: tuple[str, ...]
    agreement: bytes
    signature: bytes
    key: bytes
    address: str = ""


class AcceptedReceived(Struct, frozen=True):
    """The other accepted: the final agreement, its signature of that, the tier it gives us."""

    name: str
    tier: Tier
    agreement: bytes
    signature: bytes
    key: bytes


class ConfirmedReceived(Struct, frozen=True):
    """The other's signature of the agreement that it holds to be in force."""

    signature: bytes
    key: bytes


class DeclinedReceived(Struct, frozen=True):
    """The other's human said no."""


class EndedReceived(Struct, frozen=True):
    """The other holds itself not connected with us."""

    reason: str


class TierReceived(Struct, frozen=True):
    """The other holds itself connected with us, and gives us this tier (frames ``tier`` and ``ready``)."""

    tier: Tier


class LinkOpened(Struct, frozen=True):
    """A link stands. Whatever the other may have missed is sent again."""

    key: bytes


Input: TypeAlias = (
    HumanRequest
    | HumanConfirm
    | HumanAccept
    | HumanDecline
    | HumanIgnore
    | HumanDisconnect
    | HumanTier
    | HumanPause
    | HumanResume
    | RequestReceived
    | AcceptedReceived
    | ConfirmedReceived
    | DeclinedReceived
    | EndedReceived
    | TierReceived
    | LinkOpened
)

HUMAN: tuple[type[Input], ...] = (
    HumanRequest,
    HumanConfirm,
    HumanAccept,
    HumanDecline,
    HumanIgnore,
    HumanDisconnect,
    HumanTier,
    HumanPause,
    HumanResume,
)
RECEIVED: tuple[type[Input], ...] = (
    RequestReceived,
    AcceptedReceived,
    ConfirmedReceived,
    DeclinedReceived,
    EndedReceived,
    TierReceived,
    LinkOpened,
)
