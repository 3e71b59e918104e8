"""Who asks at an HTTP door: RFC 9421 signatures, the peers that may enter, and strangers who bring their records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from foedus.base.errors import PeerViolation, Unavailable, UsageError
from foedus.identity.record import SignedRecord, verify_history
from foedus.node.composition import Node
from foedus.node.federation_values import NotConnected
from foedus.node.http_nonces import NonceBook
from foedus.node.ports import FederationRequest, FederationResponse
from foedus.sync.effects import PeerIdentity
from foedus.sync.http_signature import BadHttpSignature, Signer, Target, VerifiedRequest, sign_response, verify_request
from foedus.sync.strangers import Refusal
from foedus.trust.peer import State


class Busy(Unavailable):
    """Too many strangers at once."""

    code = "busy"
    http_status = 429
    remedy = "try again in a few seconds"


class NotInForce(PeerViolation):
    """The epoch that signed is not the one that is followed here."""

    code = "superseded"
    http_status = 409
    remedy = "the node's newer identity is followed here; where its people know nothing of it: `foedus key recover`"


@dataclass
class Asking:
    """A request and who is behind it, as far as that is proved. ``node`` is set once the signature held."""

    request: FederationRequest
    node: bytes | None = None

    @property
    def peer(self) -> bytes:
        """Id of the connected peer that asks, where the door is only for those."""
        if self.node is None:
            raise NotConnected("the request is not signed")
        return self.node


class Access:
    """Verifies requests and signs answers."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._nonces = NonceBook(node.store)

    def is_connected(self, node: bytes) -> bool:
        """Whether the node is a connected peer."""
        return self._node.peers.book.peer(node).state is State.CONNECTED

    async def peer(self, asking: Asking) -> None:
        """Let connected peers in; raise BadHttpSignature (401) or NotConnected (403)."""
        verified, node = self._verify(asking)
        if not self.is_connected(node):
            asking.node = node
            raise NotConnected("this door is for connected peers")
        await self._nonces.spend(verified)
        asking.node = node

    async def anyone(self, asking: Asking) -> None:
        """Let everyone in; who signs must sign rightly. Only peers hear what a replay could bring out."""
        if "signature-input" in asking.request.headers:
            verified, node = self._verify(asking)
            if self.is_connected(node):
                await self._nonces.spend(verified)
            asking.node = node

    def _verify(self, asking: Asking) -> tuple[VerifiedRequest, bytes]:
        request = asking.request
        verified = verify_request(
            self._target(request), request.headers, request.body, self._key_of, self._node.store.now()
        )
        node = self._node.store.identities.node_of(verified.epoch)
        if node is None or node == self._node.store.node:
            raise BadHttpSignature("keyid names no epoch that may sign here")
        return verified, node

    def _target(self, request: FederationRequest) -> Target:
        return Target(request.method, request.target_uri, self._node.store.node)

    def _key_of(self, epoch: bytes) -> bytes | None:
        """Return the key of an epoch that is in force."""
        identities = self._node.store.identities
        view = identities.epoch(epoch)
        newest = identities.newest(view.node) if view is not None else None
        return view.ed25519 if view is not None and newest is not None and newest.id == epoch else None

    async def introduced(self, asking: Asking, history: Sequence[SignedRecord]) -> SignedRecord:
        """Let in who brings its own identity history, oldest first, and signs with the newest record of it.

        The records are learned. Raises BadHttpSignature, BadRecord, NotInForce or Busy.
        """
        newest, request, now = history[-1], asking.request, self._node.store.now()
        if newest.node == self._node.store.node:
            raise UsageError("that is this node itself", code="own_id", remedy="name another node")
        verified = verify_request(
            self._target(request),
            request.headers,
            request.body,
            lambda epoch: newest.record.keys.ed25519 if epoch == newest.id else None,
            now,
        )
        if self._node.store.identities.newest(newest.node) is None and not self._node.records.takes_strangers:
            raise Busy("too many strangers have come already", code="too_many_nodes")
        await self._check_history(history, request.address)
        await self._nonces.spend(verified)
        refused = await self._node.records.meet(PeerIdentity(newest.node, tuple(history), newest, {}, {}))
        if refused is not None:
            raise NotInForce("this epoch is not in force here", code=refused.code)
        asking.node = newest.node
        return newest

    async def _check_history(self, history: Sequence[SignedRecord], address: str) -> None:
        """Verify post-quantum signatures for strangers, within the limits of their handshakes."""
        gate = self._node.links.gate
        ticket = gate.admit(address)
        if isinstance(ticket, Refusal):
            raise Busy("too many strangers at once", code=ticket.code)
        try:
            if not gate.may_sign(self._node.store.now(), address):
                raise Busy("too many strangers at once")
            await asyncio.to_thread(verify_history, tuple(history))
        finally:
            gate.release(ticket)

    def signed(self, asking: Asking, response: FederationResponse) -> FederationResponse:
        """Return the answer with our signature, where the request had one that holds."""
        signature = asking.request.headers.get("signature")
        if asking.node is None or signature is None or response.stream is not None:
            return response
        store = self._node.store
        signer = Signer(store.epoch, store.keys.ed25519)
        headers = sign_response(response.status, response.body, signature, signer, store.now())
        return FederationResponse(status=response.status, headers={**response.headers, **headers}, body=response.body)
