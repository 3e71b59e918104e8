"""What the rows of the transition table are made of: conditions, and what a transition writes into the peer.

A condition only looks. A writer returns the new peer or raises and thereby stops the transition; signatures of
the other node are checked in writers, those that may honestly fail (a restored backup) in conditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from foedus.base.cbor import Malformed
from foedus.base.clock import Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.limits import PENDING_REQUESTS_MAX
from foedus.crypto.ed25519 import Ed25519Key
from foedus.trust import agreement, claims
from foedus.trust.effects import held
from foedus.trust.inputs import RequestReceived
from foedus.trust.peer import Peer, State
from foedus.trust.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TooManyRequests(Unavailable):
    """As many requests wait for a human as this node keeps."""

    code = "too_many_requests"
    http_status = 429
    remedy = "try again later, or ask the operator of that node to answer the requests that wait"


class Terms(NamedTuple):
    """What the transitions of one peer may know of this node."""

    own: bytes
    key: Ed25519Key
    signers: Sequence[str]
    trusted: Mapping[bytes, Tier]
    peers: Mapping[bytes, Peer]

    def trusted_tier(self, node: bytes, key: bytes) -> Tier | None:
        """Return the tier that a node was pre-trusted with, by its id or its key."""
        return self.trusted.get(node) or self.trusted.get(key)


class Context(NamedTuple):
    """One transition: the peer before it, and the input (whose type is the row's)."""

    terms: Terms
    peer: Peer
    received: Any
    now: Instant


# --- conditions -----------------------------------------------------------------------------------


def always(_: Context) -> bool:
    """If it comes at all."""
    return True


def is_trusted(context: Context) -> bool:
    """If its id or key is pre-trusted."""
    return context.terms.trusted_tier(context.peer.node, context.received.key) is not None


def is_known_draft(context: Context) -> bool:
    """If it is the request that was answered already."""
    return bool(context.received.agreement == context.peer.draft)


def is_unchanged(context: Context) -> bool:
    """If it says nothing new."""
    return _learned(context) == context.peer and is_known_draft(context)


def our_draft_rules(context: Context) -> bool:
    """If both asked, and our node id is the smaller: our draft is used."""
    return context.terms.own < context.peer.node


def is_full(context: Context) -> bool:
    """If no more requests can wait."""
    waiting = sum(peer.state is State.INCOMING for peer in context.terms.peers.values())
    return waiting >= PENDING_REQUESTS_MAX


def answers_our_draft(context: Context) -> bool:
    """If it answers our latest request."""
    terms, peer = context.terms, context.peer
    return agreement.answers(held(peer.draft), context.received.agreement, terms.own, peer.node)


def is_our_agreement(context: Context) -> bool:
    """If it is the agreement in force here."""
    return bool(context.received.agreement == context.peer.agreement)


def signs_our_agreement(context: Context) -> bool:
    """If it is a valid signature of the agreement that we signed."""
    received = context.received
    return agreement.is_signed(held(context.peer.agreement), received.key, received.signature)


# --- writers --------------------------------------------------------------------------------------


def keep(context: Context) -> Peer:
    """Change nothing."""
    return context.peer


def ask(context: Context) -> Peer:
    """Draft and sign an agreement with our signers."""
    terms, peer, received = context.terms, context.peer, context.received
    draft = agreement.draft(terms.own, peer.node, terms.signers, received.salt)
    fresh = replace(
        _cleared(peer),
        draft=draft,
        is_requester=True,
        own_signature=agreement.sign(terms.key, draft),
        requested_at=context.now,
    )
    return ask_again(context._replace(peer=fresh))


def ask_again(context: Context) -> Peer:
    """Change the note and the tier of a request whose draft stays."""
    peer, received = context.peer, context.received
    try:
        claims.check_claims(received.name, received.note)
    except Malformed as error:
        remedy = "shorten the name or note; leave control characters out"
        raise UsageError(str(error), code="bad_note", remedy=remedy) from None
    return replace(
        peer,
        tier=received.tier,
        note=received.note,
        name=received.name or peer.name,
        url=received.url or peer.url,
    )


def wait(context: Context) -> Peer:
    """Keep the other's request for our human. Raises TooManyRequests."""
    peer, received = context.peer, context.received
    if peer.state is State.INCOMING:
        return replace(_learned(context), draft=received.agreement)
    if is_full(context):
        raise TooManyRequests("too many connection requests wait for this node's operator")
    return replace(_cleared(_learned(context)), draft=received.agreement, requested_at=context.now)


def accept(context: Context) -> Peer:
    """Sign the waiting request with our signers filled in, and give the tier."""
    return _accepted(context, context.peer, context.received.tier)


def accept_crossed(context: Context) -> Peer:
    """Sign the other's draft in place of our own: both humans asked for each other."""
    peer = replace(_learned(context), draft=context.received.agreement)
    return _accepted(context, peer, context.peer.tier)


def accept_trusted(context: Context) -> Peer:
    """Sign the other's draft with the tier that its key was trusted with."""
    peer = replace(_cleared(_learned(context)), draft=context.received.agreement, requested_at=context.now)
    tier = context.terms.trusted_tier(peer.node, context.received.key) or Tier.UNKNOWN
    return _accepted(context, peer, tier)


def connect(context: Context) -> Peer:
    """Check what the accepter made of our draft, and its signature; sign it, too."""
    terms, peer, received = context.terms, context.peer, context.received
    agreement.check_completed(held(peer.draft), received.agreement, terms.own, peer.node)
    agreement.verify(received.agreement, received.key, received.signature)
    return replace(
        learn_answer(context),
        agreement=received.agreement,
        own_signature=agreement.sign(terms.key, received.agreement),
        peer_signature=received.signature,
    )


def learn_answer(context: Context) -> Peer:
    """Take up the tier that the accepter gives us, and its name."""
    received = context.received
    return replace(context.peer, name=received.name, their_tier=received.tier, key=received.key)


def confirm(context: Context) -> Peer:
    """Keep the requester's signature of the final agreement."""
    return replace(context.peer, peer_signature=context.received.signature, key=context.received.key)


def learn_tier(context: Context) -> Peer:
    """Take up the tier that the other gives us."""
    return replace(context.peer, their_tier=context.received.tier)


def learn_request(context: Context) -> Peer:
    """Take up the other's name and endpoints; the note stays ours."""
    return replace(_learned(context), note=context.peer.note)


def give_tier(context: Context) -> Peer:
    """Give another tier."""
    return replace(context.peer, tier=context.received.tier)


def pause(context: Context) -> Peer:
    """Let nothing flow."""
    return replace(context.peer, is_paused=True)


def resume(context: Context) -> Peer:
    """Let it flow."""
    return replace(context.peer, is_paused=False)


def learn_key(context: Context) -> Peer:
    """Remember the key that the link proved."""
    return replace(context.peer, key=context.received.key)


def sign_again(context: Context) -> Peer:
    """Sign with the key in force now what is about to be sent once more."""
    peer = learn_key(context)
    document = held(peer.draft if peer.agreement is None else peer.agreement)
    return replace(peer, own_signature=agreement.sign(context.terms.key, document))


def part(context: Context) -> Peer:
    """Take back the tiers, and say why; the documents stay as a record."""
    reason = claims.cleaned(getattr(context.received, "reason", "") or "not_connected")
    return replace(_without_tiers(context.peer), reason=reason)


def forget(context: Context) -> Peer:
    """Drop the request and all that belonged to it."""
    return _cleared(context.peer)


def _accepted(context: Context, peer: Peer, tier: Tier) -> Peer:
    terms = context.terms
    final = agreement.complete(held(peer.draft), terms.own, peer.node, terms.signers)
    return replace(
        peer,
        tier=tier,
        is_requester=False,
        agreement=final,
        own_signature=agreement.sign(terms.key, final),
        peer_signature=None,
    )


def _learned(context: Context) -> Peer:
    received: RequestReceived = context.received
    return replace(
        context.peer,
        name=received.name,
        note=received.note,
        endpoints=received.endpoints,
        address=received.address or context.peer.address,
        key=received.key,
    )


def _without_tiers(peer: Peer) -> Peer:
    former = peer.tier if peer.state is State.CONNECTED else peer.former_tier
    return replace(peer, tier=Tier.UNKNOWN, their_tier=Tier.UNKNOWN, former_tier=former, is_paused=False)


def _cleared(peer: Peer) -> Peer:
    return replace(
        _without_tiers(peer),
        draft=None,
        is_requester=False,
        agreement=None,
        own_signature=None,
        peer_signature=None,
        reason="",
    )
