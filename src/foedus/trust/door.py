"""The two doors: what comes in is judged, what goes out is chosen. Local, pure, and binding nobody else.

Tiers, states, membership, and the agreement in force. An event that is withheld still moves
the head of its chain and is passed over by projections; the node judges withheld events anew when a peer's tier,
pause, state or agreement changes. A clause of the agreement is named ``agreement.<clause>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from foedus.log.streams import Stream, StreamKind
from foedus.trust.peer import Peer, State
from foedus.trust.tiers import JUDGED_BY, WITHOUT_MEMBERS, Tier, flows_to, may_query, passes_on, taken_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from foedus.base.clock import Instant
    from foedus.trust.agreements.in_force import AgreementInForce

Clause: TypeAlias = str
"""``ignored``, ``paused``, ``not_connected``, ``tier``, ``not_a_member``, or ``agreement.<clause>``."""
AGREEMENT = "agreement."
"""What the name of every clause of an agreement begins with."""


class Allow(Struct, frozen=True):
    """The door lets the event in."""


class Withhold(Struct, frozen=True):
    """The door holds the event back from what is shown here, by this clause."""

    clause: Clause


Decision: TypeAlias = Allow | Withhold


class Arrival(Struct, frozen=True):
    """An event at the door in.

    ``origin``: the node that wrote it, None where this node knows nothing of it (a third node, through a room).
    ``carrier``: the peer that brought it, None where it was read from a file. ``carrier_is_member``: that peer has a
    member in the room. For a room that is not held yet, the carrier of its ``members:`` stream counts as one: the
    stream itself then proves or disproves it. ``by_agreement``: the clause of the agreement in force with the origin
    that is against the event ('' where none is; see ``refused``).
    """

    origin: Peer | None
    carrier: Peer | None
    kind: StreamKind
    carrier_is_member: bool
    by_agreement: str = ""


def decide(arrival: Arrival) -> Decision:
    """Give the door verdict of an event. The first rule that has a clause withholds it."""
    for rule in _RULES:
        clause = rule(arrival)
        if clause is not None:
            return Withhold(clause)
    return Allow()


def may_carry(carrier_tier: Tier, kind: StreamKind, *, carrier_is_member: bool) -> bool:
    """Tell whether a peer may push streams of ``kind`` here at all; where not, the push is ``not_permitted``."""
    return taken_from(carrier_tier, kind) and (kind in WITHOUT_MEMBERS or carrier_is_member)


def _by_origin(arrival: Arrival) -> Clause | None:
    """Judge a node that we know by what we gave it; authority follows the origin, not the carrier."""
    origin = arrival.origin
    if origin is None:
        return None
    if origin.state is State.IGNORED:
        return "ignored"
    if origin.state is State.CONNECTED and origin.is_paused:
        return "paused"
    if origin.state is State.CONNECTED and not taken_from(origin.tier, arrival.kind):
        return "tier"
    return None


def _by_pair(arrival: Arrival) -> Clause | None:
    """Take agreements from the other of the two only while we are connected."""
    is_connected = arrival.origin is not None and arrival.origin.state is State.CONNECTED
    return "not_connected" if arrival.kind == "pair" and not is_connected else None


def _by_agreement(arrival: Arrival) -> Clause | None:
    """Judge what a connected node wrote by the agreement in force with it."""
    is_connected = arrival.origin is not None and arrival.origin.state is State.CONNECTED
    return arrival.by_agreement or None if is_connected else None


def refused(terms: AgreementInForce | None, sender: bytes, stream: Stream, at: Instant) -> Clause:
    """Return the clause of an agreement by which ``sender`` may not send a stream at an instant, or ''."""
    clause = terms.refuses(sender, stream, at) if terms is not None else ""
    return f"{AGREEMENT}{clause}" if clause else ""


def _by_carrier(arrival: Arrival) -> Clause | None:
    """Take from a carrier what its tier lets it bring, and rooms only from members."""
    carrier = arrival.carrier
    if carrier is None:
        return None
    if carrier.state is not State.CONNECTED:
        return "not_connected"
    if not taken_from(carrier.tier, arrival.kind):
        return "tier"
    return None if arrival.kind in WITHOUT_MEMBERS or arrival.carrier_is_member else "not_a_member"


_RULES: tuple[Callable[[Arrival], Clause | None], ...] = (_by_origin, _by_pair, _by_agreement, _by_carrier)


_OF_DOMAINS = frozenset({"knowledge", "sketch"})
"""Kinds of streams that have no members: tiers and agreements say who sees them."""
KNOWLEDGE = Stream("knowledge", "")
"""All domains alike: tiers and agreements speak of knowledge as a whole."""


class AudienceFacts(Protocol):
    """What the node knows about who is where. Node ids are 32 bytes, rooms as in stream names (64 hex digits)."""

    @property
    def own(self) -> bytes:
        """Id of this node."""

    def is_member(self, node: bytes, room: str) -> bool:
        """Whether the node has a member in the room."""

    def wrote_for(self, origin: bytes, viewer: bytes) -> bool:
        """Whether the viewer has a member in a room held here in which the origin has or once had one.

        What a node wrote before it left stands, and on its participants' streams.
        """

    def is_knowing(self, node: bytes) -> bool:
        """Whether knowledge that the node wrote is held here."""

    def tier(self, node: bytes) -> Tier | None:
        """Return the tier that a connected peer was given; None for this node and all others."""

    def is_agreed(self, viewer: bytes, stream: Stream) -> bool:
        """Whether the agreement in force with the viewer lets this node send it the stream now."""


def may_see(viewer: Peer, origin: bytes, stream: Stream, facts: AudienceFacts) -> bool:
    """Tell whether the chain that ``origin`` writes in ``stream`` may be sent to ``viewer``, or named to it at all.

    The one way out: cursors, pushes, wants, and the HTTP doors ask here. A forbidden chain and an absent one look
    the same from outside.
    """
    if viewer.state is not State.CONNECTED or viewer.is_paused or not flows_to(viewer.tier, stream.kind):
        return False
    return _is_audience(viewer, origin, stream, facts)


def may_be_told(viewer: Peer, origin: bytes, stream: Stream, facts: AudienceFacts) -> bool:
    """Tell whether an answer to ``viewer`` may show what ``origin`` wrote in ``stream``.

    As ``may_see``, but for the tier: who may query is told what it would be sent if it had sync.
    """
    if viewer.state is not State.CONNECTED or viewer.is_paused or not may_query(viewer.tier):
        return False
    return _is_audience(viewer, origin, stream, facts)


def _is_audience(viewer: Peer, origin: bytes, stream: Stream, facts: AudienceFacts) -> bool:
    if stream.kind == "pair":
        return stream.subject == _pair(facts.own, viewer.node)
    if stream.kind in JUDGED_BY:
        is_known = origin in {facts.own, viewer.node} or facts.wrote_for(origin, viewer.node)
        return is_known or (facts.is_knowing(origin) and may_see(viewer, origin, KNOWLEDGE, facts))
    if stream.kind not in _OF_DOMAINS and not facts.is_member(viewer.node, stream.subject):
        return False
    return _is_told(viewer, origin, stream, facts)


def _is_told(viewer: Peer, origin: bytes, stream: Stream, facts: AudienceFacts) -> bool:
    """Tell whether our tier for ``origin`` and our terms with ``viewer`` let what the one wrote go to the other."""
    if not _is_passed_on(viewer, origin, facts):
        return False
    return origin == viewer.node or facts.is_agreed(viewer.node, stream)  # its own words, should it have lost them


def _is_passed_on(viewer: Peer, origin: bytes, facts: AudienceFacts) -> bool:
    """Tell whether what ``origin`` wrote goes further: to itself always, from a peer as its tier says."""
    tier = facts.tier(origin)
    return tier is None or origin == viewer.node or passes_on(tier)


def _pair(one: bytes, other: bytes) -> str:
    low, high = sorted((one.hex(), other.hex()))
    return f"{low}:{high}"
