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
from foedus.trust.inputs import HumanDisconnect, RequestReceived
from foedus.trust.peer import Peer, State
from foedus.trust.policy import PeeringPolicy
from foedus.trust.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_TAKES_PLACE = frozenset({State.ACCEPTING, State.CONNECTED})


class TooManyRequests(Unavailable):
    """As many requests wait for a human as this node keeps."""

    code = "too_many_requests"
    http_status = 429
    remedy = "try again later, or ask the operator of that node to answer the requests that wait"


class MaxPeers(Unavailable):
    """As many peers are connected as this node's policy allows."""

    code = "max_peers"
    http_status = 409
    remedy = "end a connection with `foedus peer disconnect ID`, or raise max_peers in foedus.toml (0: no limit)"


class NotConfirmed(UsageError):
    """A request that nobody vouched for meets one that waits: to accept takes a look at the whole id."""

    code = "request_waits"
    http_status = 409
    remedy = "compare its whole id, then answer its request with `foedus peer accept ID`"


class Terms(NamedTuple):
    """What the transitions of one peer may know of this node."""

    own: bytes
    key: Ed25519Key
    signers: Sequence[str]
    trusted: Mapping[bytes, Tier]
    peers: Mapping[bytes, Peer]
    policy: PeeringPolicy

    def trusted_tier(self, node: bytes, key: bytes) -> Tier | None:
        """Return the tier that a node was pre-trusted with, by its id or its key."""
        return self.trusted.get(node) or self.trusted.get(key)

    def has_room(self, node: bytes) -> bool:
        """Tell whether ``node`` can be connected beside the other peers."""
        most = self.policy.max_peers
        others = (peer for peer in self.peers.values() if peer.node != node)
        return not most or sum(peer.state in _TAKES_PLACE for peer in others) < most


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
    """If its id or key is pre-trusted, and there is room for it."""
    return _is_trusted(context) and has_room(context)


def is_welcome(context: Context) -> bool:
    """If its id or key is pre-trusted, or it is known and the policy accepts such, and there is room for it."""
    return (_is_trusted(context) or _is_known(context)) and has_room(context)


def has_room(context: Context) -> bool:
    """If the policy allows one more peer."""
    return context.terms.has_room(context.peer.node)


def is_vouched(context: Context) -> bool:
    """If our human names its whole id, or need not."""
    return bool(context.received.is_confirmed) or not context.terms.policy.require_mutual


def may_cross(context: Context) -> bool:
    """If our human vouched for this node when asking (or need not), and there is room for it."""
    return _is_confirmed(context) and has_room(context)


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


def answers_and_may_connect(context: Context) -> bool:
    """If it answers our latest request, our human vouched for this node (or need not), and there is room for it."""
    return answers_our_draft(context) and _is_confirmed(context) and has_room(context)


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
    _require_room(context)
    draft = agreement.draft(terms.own, peer.node, terms.signers, received.salt)
    fresh = replace(
        _cleared(peer),
        draft=draft,
        is_requester=True,
        is_barred=False,
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
        is_confirmed=peer.is_confirmed or received.is_confirmed,
    )


def vouch(context: Context) -> Peer:
    """Note that our human has compared the whole id. Raises MaxPeers."""
    _require_room(context)
    return replace(context.peer, is_confirmed=True)


def refuse_unvouched(_: Context) -> Peer:
    """Change nothing: to accept takes `foedus peer accept`, or a request that names the whole id."""
    raise NotConfirmed("this node has asked already, and its request waits for you")


def wait(context: Context) -> Peer:
    """Keep the other's request for our human. Raises TooManyRequests."""
    peer, received = context.peer, context.received
    if peer.state is State.INCOMING:
        return replace(_learned(context), draft=received.agreement)
    if is_full(context):
        raise TooManyRequests("too many connection requests wait for this node's operator")
    return replace(_cleared(_learned(context)), draft=received.agreement, requested_at=context.now)


def accept(context: Context) -> Peer:
    """Sign the waiting request with our signers filled in, and give the tier. Raises MaxPeers."""
    _require_room(context)
    return _accepted(context, context.peer, context.received.tier)


def accept_crossed(context: Context) -> Peer:
    """Sign the other's draft in place of our own: both humans asked for each other."""
    peer = replace(_learned(context), draft=context.received.agreement)
    return _accepted(context, peer, context.peer.tier)


def accept_trusted(context: Context) -> Peer:
    """Sign the other's draft with the tier that its key was trusted with, else with its former one."""
    peer = replace(_cleared(_learned(context)), draft=context.received.agreement, requested_at=context.now)
    trusted = context.terms.trusted_tier(peer.node, context.received.key)
    tier = trusted or peer.former_tier or Tier.UNKNOWN
    return _accepted(context, peer, tier)


def connect(context: Context) -> Peer:
    """Check what the accepter made of our draft, and its signature; sign it, too."""
    received = context.received
    return replace(
        hear_answer(context),
        agreement=received.agreement,
        own_signature=agreement.sign(context.terms.key, received.agreement),
        peer_signature=received.signature,
    )


def hear_answer(context: Context) -> Peer:
    """Check what the accepter made of our draft, and its signature; our own waits for our human."""
    received, peer = context.received, context.peer
    agreement.check_completed(held(peer.draft), received.agreement, context.terms.own, peer.node)
    agreement.verify(received.agreement, received.key, received.signature)
    return learn_answer(context)


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
    is_barred = context.peer.is_barred or isinstance(context.received, HumanDisconnect)
    return replace(_without_tiers(context.peer), reason=reason, is_barred=is_barred)


def forget(context: Context) -> Peer:
    """Drop the request and all that belonged to it."""
    return _cleared(context.peer)


def bar(context: Context) -> Peer:
    """Note that our human said no."""
    return replace(context.peer, is_barred=True)


def forget_and_bar(context: Context) -> Peer:
    """Drop the request and all that belonged to it, and note that our human said no."""
    return replace(forget(context), is_barred=True)


def _is_trusted(context: Context) -> bool:
    return context.terms.trusted_tier(context.peer.node, context.received.key) is not None


def _is_known(context: Context) -> bool:
    """Whether it was connected once and may come back by itself: not where our human's last word was no."""
    peer = context.peer
    was_connected = peer.former_tier is not None or peer.state is State.CONNECTED
    return context.terms.policy.auto_accept_known and was_connected and not peer.is_barred


def _is_confirmed(context: Context) -> bool:
    peer, terms = context.peer, context.terms
    return peer.is_confirmed or not terms.policy.require_mutual or _is_trusted(context)


def _require_room(context: Context) -> None:
    if not has_room(context):
        raise MaxPeers(f"{context.terms.policy.max_peers} peers are connected, as many as this node's policy allows")


def _accepted(context: Context, peer: Peer, tier: Tier) -> Peer:
    terms = context.terms
    final = agreement.complete(held(peer.draft), terms.own, peer.node, terms.signers)
    return replace(
        peer,
        tier=tier,
        is_requester=False,
        is_barred=False,
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
        is_confirmed=False,
        reason="",
    )
