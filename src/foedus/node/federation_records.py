"""The doors for identity records: asking for a connection, introducing a new epoch, and fetching those of writers."""

from __future__ import annotations

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import frame, split_frames
from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.base.limits import PENDING_REQUESTS_MAX, RECORDS_MAX
from foedus.identity.manifest import MANIFEST_JSON_MAX
from foedus.identity.record import SignedRecord, parse_signed_record
from foedus.node.composition import Node
from foedus.node.federation_access import Access, Asking
from foedus.node.federation_values import (
    RECORDS_TYPE,
    BadBody,
    NotConnected,
    Registration,
    check_media_type,
    json_reply,
    read_json,
)
from foedus.node.ports import FederationResponse
from foedus.trust.inputs import RequestReceived
from foedus.trust.peer import State
from foedus.trust.rules import TooManyRequests

REGISTER_MAX = MANIFEST_JSON_MAX
"""Bytes of a registration: a whole identity history in base64, as in a manifest, and an agreement."""
_SHOWN = {
    State.ACCEPTING: "accepted",
    State.CONNECTED: "connected",
    State.DECLINED: "declined",
    State.DISCONNECTED: "declined",
}
"""What a requester hears; all else looks like waiting, so that nobody can tell that it is ignored."""


class RecordDoors:
    """Takes and gives identity records."""

    def __init__(self, node: Node, access: Access) -> None:
        self._node = node
        self._access = access

    async def register(self, asking: Asking) -> FederationResponse:
        """Take a connection request: the link's ``request`` frame, by HTTP."""
        request = asking.request
        check_media_type(request, "application/json")
        if len(request.body) > REGISTER_MAX:
            raise BadBody(f"a registration has at most {REGISTER_MAX} bytes", code="too_large", http_status=413)
        body = read_json(request.body, Registration)
        history = [parse_signed_record(from_base64url(text)) for text in body.records]
        self._node.rates.take_address("requests_per_address", request.address)
        self._check_room(history[-1].node)
        newest = await self._access.introduced(asking, history)
        it = body.application
        received = RequestReceived(
            it.name,
            it.note,
            it.endpoints,
            from_base64url(it.agreement),
            from_base64url(it.signature),
            newest.record.keys.ed25519,
            request.address,
        )
        peer = await self._node.peers.handle(newest.node, received)
        store = self._node.store
        shown = {
            "state": _SHOWN.get(peer.state, "pending"),
            "node": store.node.hex(),
            "request": asking.request.headers["signature-input"],
            "records": [to_base64url(record.encode()) for record in store.identities.history(store.node)],
        }
        return json_reply(202, shown)

    def _check_room(self, node: bytes) -> None:
        """Refuse a stranger where no request can wait, before its records are verified and kept."""
        book = self._node.peers.book
        if book.peer(node).state is State.UNKNOWN and len(book.pending()) >= PENDING_REQUESTS_MAX:
            raise TooManyRequests("too many connection requests wait for this node's operator")

    async def post(self, asking: Asking) -> FederationResponse:
        """Take records from a connected peer: of its own new epoch, or of others whose events it brings."""
        request = asking.request
        check_media_type(request, RECORDS_TYPE)
        records = [parse_signed_record(data) for data in split_frames(request.body, RECORDS_MAX)]
        signer = self._signer(asking, records)
        if signer is None:
            await self._access.peer(asking)
        else:
            own = [record for record in records if record.node == signer.node]
            if not self._access.is_connected(signer.node) or own[-1] is not signer:
                raise NotConnected("this door is for connected peers")
            await self._access.introduced(asking, own)
        learned = await self._node.records.learn(records, carrier=asking.peer)
        return json_reply(200, {"learned": [record.id.hex() for record in learned]})

    def _signer(self, asking: Asking, records: list[SignedRecord]) -> SignedRecord | None:
        """Return the record in the body that the request claims to be signed with, where it is new here."""
        claimed = asking.request.headers.get("signature-input", "")
        for record in records:
            if f'keyid="{record.id.hex()}"' in claimed and not self._node.store.holds(record.id):
                return record
        return None

    async def get(self, asking: Asking) -> FederationResponse:
        """Give all records of the node of an epoch, oldest first, to who may see something that it wrote."""
        epoch = parse_id(asking.request.query.get("epoch", ""))
        node = self._node.store.identities.node_of(epoch)
        if node is None or not self._is_visible(asking.peer, node):
            raise NotFound("no such epoch", remedy="ask for the epoch of an event that came from here")
        held = self._node.store.identities.held(node)
        body = b"".join(frame(record.encode()) for record in held)
        return FederationResponse(status=200, headers={"content-type": RECORDS_TYPE}, body=body)

    def _is_visible(self, peer: bytes, node: bytes) -> bool:
        if node in {peer, self._node.store.node}:
            return True
        chains = self._node.store.admission.chains.of_node(node)
        return any(self._node.audience.may_see(peer, chain) for chain in chains)
