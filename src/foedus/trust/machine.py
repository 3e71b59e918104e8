"""One step of the peering machine: find the row, write the peer, make the effects. The table is in transitions.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.trust import agreement, claims, effects
from foedus.trust.effects import AskHuman, BecameConnected, BecameDisconnected, Effect, InvariantBroken, PendingRequest
from foedus.trust.inputs import (
    AcceptedReceived,
    HumanAccept,
    HumanRequest,
    HumanTier,
    Input,
    RequestReceived,
)
from foedus.trust.peer import Peer, State
from foedus.trust.rules import Context, Terms
from foedus.trust.tiers import check_given
from foedus.trust.transitions import TABLE, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

REMEDIES: Mapping[State, str] = {
    State.UNKNOWN: "ask it with `foedus peer request URL`",
    State.REQUESTED: "wait for its answer, or withdraw the request with `foedus peer disconnect ID`",
    State.ANSWERED: "compare its whole id, then `foedus peer confirm ID`, or withdraw with `foedus peer disconnect ID`",
    State.INCOMING: "answer its request with `foedus peer accept ID`, `decline ID` or `ignore ID`",
    State.ACCEPTING: "wait until it confirms, or end it with `foedus peer disconnect ID`",
    State.CONNECTED: "nothing is left to do; end the connection with `foedus peer disconnect ID`",
    State.DISCONNECTED: "ask again with `foedus peer request URL`, or wait until it asks",
    State.DECLINED: "ask it yourself with `foedus peer request URL`, or wait until it asks again",
    State.TURNED_DOWN: "ask again with `foedus peer request URL`",
    State.IGNORED: "end the silence with `foedus peer request URL` or `foedus peer trust KEY`",
}
"""What a human can do in each state; shown when they asked for what the state does not allow."""


class IllegalInput(UsageError):
    """A human asked for what the state of the peer does not allow. Nothing has changed."""

    code = "wrong_state"
    http_status = 409


_INDEX: dict[tuple[State, type[Input]], tuple[Row, ...]] = {}
for _row in TABLE:
    _key = (_row.state, _row.received)
    _INDEX[_key] = (*_INDEX.get(_key, ()), _row)


def step(terms: Terms, peer: Peer, received: Input, now: Instant) -> tuple[Peer, list[Effect]]:
    """Return the peer after ``received`` and the effects without Save, which the book puts first.

    Raises IllegalInput or another UsageError (a human's input), PeerViolation (the other node's) or
    TooManyRequests; nothing has changed then.
    """
    context = Context(terms, peer, received, now)
    row = find(context)
    if row.target is not State.IGNORED and not (peer.state is State.IGNORED and row.target is None):
        _check(context)  # an ignored node is not even told that it broke the protocol
    written = row.write(context)
    if row.target is not None and row.target is not peer.state:
        written = replace(written, state=row.target, since=now)
    _hold(written)
    return written, [_effect(kind, written, context) for kind in row.effects]


def find(context: Context) -> Row:
    """Return the row of the table that fits; raise IllegalInput."""
    peer = context.peer
    for row in _INDEX.get((peer.state, type(context.received)), ()):
        if row.condition(context):
            return row
    wish = type(context.received).__name__.removeprefix("Human").lower()
    article = f"the state of this peer is '{peer.state.replace('_', ' ')}'"
    raise IllegalInput(f"{article}: '{wish}' is not possible now", remedy=REMEDIES[peer.state])


def _check(context: Context) -> None:
    """Check what does not depend on the state: claims, the other's draft and its signature, a tier that is given."""
    received, peer = context.received, context.peer
    if isinstance(received, HumanRequest | HumanAccept | HumanTier):
        check_given(received.tier)
    elif isinstance(received, RequestReceived):
        claims.check_claims(received.name, received.note, received.endpoints)
        agreement.check_draft(received.agreement, context.terms.own, peer.node)
        agreement.verify(received.agreement, received.key, received.signature)
    elif isinstance(received, AcceptedReceived):
        claims.check_claims(received.name)


def _hold(peer: Peer) -> None:
    """Hold the invariant that everything else rests on: connected means both signatures of one agreement."""
    complete = peer.agreement and peer.own_signature and peer.peer_signature
    if peer.state is State.CONNECTED and not complete:
        raise InvariantBroken("connected without both signatures")


def _effect(kind: type[Effect], peer: Peer, context: Context) -> Effect:
    if kind is AskHuman:
        return AskHuman(PendingRequest(peer, claims.name_clash(peer, context.terms.peers.values())))
    if kind is BecameConnected:
        return BecameConnected(peer)
    if kind is BecameDisconnected:
        return BecameDisconnected(context.peer, peer.reason)
    return effects.send(kind, peer)
