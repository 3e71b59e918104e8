"""What this node knows of another node: the durable value that the peering machine moves from state to state."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import Unavailable
from foedus.log.event import Id, Signature
from foedus.trust.tiers import Tier


class State(StrEnum):
    """Where this node stands with another. Each value is also the word that people read."""

    UNKNOWN = "unknown"
    """Nothing is between us (most nodes of the world; kept only if we were once connected)."""
    REQUESTED = "requested"
    """Our human asked; the other has not answered."""
    INCOMING = "incoming"
    """The other asked; our human has not answered."""
    ANSWERED = "answered"
    """The other accepted our request; our human has not yet confirmed that it is the node that was meant."""
    ACCEPTING = "accepting"
    """We accepted and signed; the other's signature of the final agreement is missing."""
    CONNECTED = "connected"
    """Both signatures are held. The only state in which anything flows."""
    DISCONNECTED = "disconnected"
    """Ended by either side, or our request withdrawn."""
    DECLINED = "declined"
    """Our human said no to the other's request. It was told, and may ask again."""
    TURNED_DOWN = "turned_down"
    """The other's human said no to ours."""
    IGNORED = "ignored"
    """Our human wants to hear nothing of it, for good. It is not told, and its requests are dropped."""


class DamagedPeer(Unavailable):
    """A stored peer cannot be read."""

    code = "damaged_peer"
    http_status = 500
    remedy = "run `foedus doctor`; if the database is damaged, restore the last backup"


class Peer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node and where we stand with it. Immutable: a transition makes a new one.

    ``tier`` is what we give, ``their_tier`` what we were told that we have; both UNKNOWN unless connected or on
    the way. ``name``, ``note`` and ``endpoints`` are the other's claims (in REQUESTED, ``note`` is ours to them).
    ``key`` is the Ed25519 key that it last proved. ``draft`` is the requester's document (``is_requester``: ours),
    ``agreement`` the final one. ``own_signature`` is over ``agreement`` where there is one, else over ``draft``;
    ``peer_signature`` is set exactly where it is over ``agreement``. ``is_confirmed``: our human
    vouched for its whole id when asking, or since. ``is_barred``: our human's last word to it was no, so that it is
    not accepted unasked. ``reason`` says why it ended.
    """

    v: Annotated[int, Meta(ge=1, le=1)] = 1
    node: Id
    state: State = State.UNKNOWN
    tier: Tier = Tier.UNKNOWN
    their_tier: Tier = Tier.UNKNOWN
    former_tier: Tier | None = None
    name: str = ""
    note: str = ""
    endpoints: tuple[str, ...] = ()
    url: str = ""
    address: str = ""
    key: Id | None = None
    draft: bytes | None = None
    is_requester: bool = False
    agreement: bytes | None = None
    own_signature: Signature | None = None
    peer_signature: Signature | None = None
    is_confirmed: bool = False
    is_barred: bool = False
    first_seen: Instant = 0
    requested_at: Instant = 0
    since: Instant = 0
    is_paused: bool = False
    reason: str = ""


def encode_peer(peer: Peer) -> bytes:
    """Return the bytes under which the node stores a peer."""
    return encode(to_plain(peer))


def decode_peer(data: bytes) -> Peer:
    """Return a stored peer; raise DamagedPeer."""
    try:
        return decode_as(data, Peer)
    except (NotCanonical, Malformed) as error:
        raise DamagedPeer(f"a stored peer cannot be read: {error}") from None
