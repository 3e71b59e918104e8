"""Peer tiers (DESIGN section 4): what one node gives another. Local, directional, told to the other side."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from foedus.base.errors import UsageError
from foedus.log.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tier(StrEnum):
    """What a peer was given. UNKNOWN is what strangers have; nobody can be given it."""

    CORE = "CORE"
    SANDBOX = "SANDBOX"
    EXTERNAL = "EXTERNAL"
    UNKNOWN = "UNKNOWN"


class Grants(NamedTuple):
    """One line of the table of tiers, seen from the node that gives the tier."""

    is_accepted: bool
    """Streams that everything else is judged by (``node``, ``participant:``, ``pair:``) flow both ways."""
    sends_sync: bool
    """This node sends such a peer the streams of rooms that it may see."""
    takes_sync: bool
    """This node takes the streams of rooms from such a peer."""
    passes_on: bool
    """This node relays what originates there to others."""
    may_query: bool
    """Such a peer may ask this node questions."""


TABLE: Mapping[Tier, Grants] = MappingProxyType(
    {
        Tier.CORE: Grants(is_accepted=True, sends_sync=True, takes_sync=True, passes_on=True, may_query=True),
        Tier.SANDBOX: Grants(is_accepted=True, sends_sync=False, takes_sync=True, passes_on=False, may_query=True),
        Tier.EXTERNAL: Grants(is_accepted=True, sends_sync=False, takes_sync=False, passes_on=False, may_query=True),
        Tier.UNKNOWN: Grants(is_accepted=False, sends_sync=False, takes_sync=False, passes_on=False, may_query=False),
    },
)
"""The table of tiers. All that follows reads it."""

JUDGED_BY: frozenset[StreamKind] = frozenset({"node", "participant", "pair"})
"""Kinds of streams that flow to and from every accepted peer whatever its tier: events are judged by them."""


WITHOUT_MEMBERS: frozenset[StreamKind] = JUDGED_BY | {"knowledge", "sketch"}
"""Kinds of streams that a peer may bring without being a member of anything."""


def sends_sync(tier: Tier) -> bool:
    """Tell whether this node sends streams of rooms to a peer of ``tier``."""
    return TABLE[tier].sends_sync


def takes_sync(tier: Tier) -> bool:
    """Tell whether this node takes streams of rooms from a peer of ``tier``."""
    return TABLE[tier].takes_sync


def passes_on(tier: Tier) -> bool:
    """Tell whether this node relays what originates at a peer of ``tier``."""
    return TABLE[tier].passes_on


def may_query(tier: Tier) -> bool:
    """Tell whether a peer of ``tier`` may query this node."""
    return TABLE[tier].may_query


def flows_to(tier: Tier, kind: StreamKind) -> bool:
    """Tell whether streams of ``kind`` are sent to a peer of ``tier``; who may see one stream is ``door.may_see``.

    Sketches go to whom questions are answered: they say where to ask, and roughly what would be told.
    """
    grants = TABLE[tier]
    if kind == "sketch":
        return grants.may_query
    return grants.is_accepted if kind in JUDGED_BY else grants.sends_sync


def taken_from(tier: Tier, kind: StreamKind) -> bool:
    """Tell whether streams of ``kind`` are taken from a peer of ``tier``; sketches from whoever may be asked."""
    grants = TABLE[tier]
    if kind == "sketch":
        return grants.is_accepted
    return grants.is_accepted if kind in JUDGED_BY else grants.takes_sync


def parse_tier(text: str) -> Tier:
    """Return the tier that a user typed, in any case; raise UsageError, also for UNKNOWN, which nobody is given."""
    tier = Tier.__members__.get(text.strip().upper(), Tier.UNKNOWN)
    check_given(tier)
    return tier


def check_given(tier: Tier) -> None:
    """Raise UsageError unless ``tier`` is one that a human can give."""
    if tier is Tier.UNKNOWN:
        raise UsageError(
            "a peer is given the tier core, sandbox or external",
            code="bad_tier",
            remedy="name one of the three; to give a peer nothing, run `foedus peer disconnect ID`",
        )
