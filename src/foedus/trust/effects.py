"""What the peering machine wants done, in the order of the list: first stored, then said.

``Save``, ``Forget`` and ``SaveTrusted`` are durable before the next effect runs. A ``Send…`` without a link is
dropped: ``LinkOpened`` brings it again. The node adds its own name and endpoints to what is sent.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from foedus.base.errors import FoedusError
from foedus.trust.peer import Peer
from foedus.trust.tiers import Tier


class Save(Struct, frozen=True):
    """Store the peer (``peer.encode_peer``) under its node id."""

    peer: Peer


class Forget(Struct, frozen=True):
    """Remove the stored peer; nothing is left between us."""

    node: bytes


class SaveTrusted(Struct, frozen=True):
    """Store the whole list of pre-trusted keys and node ids with their tiers."""

    trusted: dict[bytes, Tier]


class SendRequest(Struct, frozen=True):
    """Send the frame ``request``."""

    node: bytes
    note: str
    agreement: bytes
    signature: bytes


class SendAccepted(Struct, frozen=True):
    """Send the frame ``accepted``."""

    node: bytes
    tier: Tier
    agreement: bytes
    signature: bytes


class SendConfirmed(Struct, frozen=True):
    """Send the frame ``confirmed``."""

    node: bytes
    signature: bytes


class SendDeclined(Struct, frozen=True):
    """Send the frame ``declined``."""

    node: bytes


class SendEnded(Struct, frozen=True):
    """Send the frame ``ended``."""

    node: bytes
    reason: str


class SendTier(Struct, frozen=True):
    """Send the frame ``tier``."""

    node: bytes
    tier: Tier


class PendingRequest(Struct, frozen=True):
    """A request that waits for a human.

    ``name_clash``: ids of peers already known by a name that looks like it. A name is only a claim, so a surface warns:
    this may be somebody else.
    """

    peer: Peer
    name_clash: tuple[bytes, ...]


class AskHuman(Struct, frozen=True):
    """Show a request; it replaces an earlier one of the same node."""

    request: PendingRequest


class BecameConnected(Struct, frozen=True):
    """Both signatures are held: say ``ready``, let it flow, write ``agreement.sign`` to the pair's stream."""

    peer: Peer


class BecameDisconnected(Struct, frozen=True):
    """Stop the flow at once. The agreement that ended is ``peer``'s as it was while connected."""

    peer: Peer
    reason: str


Effect: TypeAlias = (
    Save
    | Forget
    | SaveTrusted
    | SendRequest
    | SendAccepted
    | SendConfirmed
    | SendDeclined
    | SendEnded
    | SendTier
    | AskHuman
    | BecameConnected
    | BecameDisconnected
)


class InvariantBroken(FoedusError):
    """A transition that sends what it does not hold: a mistake in the table, never in the input."""

    code = "invariant_broken"


def held(value: bytes | None) -> bytes:
    """Return a document or signature that the state says is held; raise InvariantBroken."""
    if value is None:
        raise InvariantBroken("the peering machine does not hold what its state says")
    return value


def send(kind: type[Effect], peer: Peer) -> Effect:
    """Make the effect of ``kind`` that tells the other node what ``peer`` says."""
    node = peer.node
    if kind is SendRequest:
        return SendRequest(node, peer.note, held(peer.draft), held(peer.own_signature))
    if kind is SendAccepted:
        return SendAccepted(node, peer.tier, held(peer.agreement), held(peer.own_signature))
    if kind is SendConfirmed:
        return SendConfirmed(node, held(peer.own_signature))
    if kind is SendTier:
        return SendTier(node, peer.tier)
    if kind is SendEnded:
        return SendEnded(node, peer.reason or "not_connected")
    if kind is SendDeclined:
        return SendDeclined(node)
    raise InvariantBroken(f"{kind.__name__} is not sent")
