"""The doors of other nodes over plain HTTP: docs/protocol.md, section 9.

Three kinds of access: anyone (identity, manifest), who brings its identity records (register, records), and connected
peers. Unsigned requests at a peers' door get 401, signed ones of others 403, whatever is behind the door.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from foedus.base.base64url import to_base64url
from foedus.base.errors import FoedusError, NotFound
from foedus.node.composition import Node
from foedus.node.credential_store import STATUS_ROOT
from foedus.node.federation_access import Access, Asking
from foedus.node.federation_events import EventDoors
from foedus.node.federation_frames import FrameDoor
from foedus.node.federation_records import RecordDoors
from foedus.node.federation_values import NoSuchDoor, WrongMethod, json_reply, problem
from foedus.node.manifests import Manifests
from foedus.node.ports import FederationRequest, FederationResponse
from foedus.node.service import Service
from foedus.trust.inputs import EndedReceived

ROOT = "/api/federation"
MANIFEST_PATH = "/.well-known/mesh-manifest.json"
_PEERS = f"{ROOT}/peers"

Door: TypeAlias = Callable[[Asking], Awaitable[FederationResponse]]
Entrance: TypeAlias = Callable[[Asking], Awaitable[None]]


class _Way(NamedTuple):
    """What stands before a door, and the door."""

    enter: Entrance
    door: Door


class Federation:
    """Answers other nodes: ``ports.FederationDoors``."""

    def __init__(self, node: Node, service: Service) -> None:
        self._node = node
        self._service = service
        self._access = Access(node)
        self._manifests = Manifests(node.store)
        self._events = EventDoors(node)
        self._frames = FrameDoor(node)
        self._records = RecordDoors(node, self._access)
        self._ways = self._table()

    def _table(self) -> dict[str, dict[str, _Way]]:
        anyone, peer, own = self._access.anyone, self._access.peer, _enters_by_itself
        return {
            MANIFEST_PATH: {"GET": _Way(anyone, self._manifest)},
            f"{ROOT}/identity": {"GET": _Way(anyone, self._identity)},
            f"{ROOT}/register": {"POST": _Way(own, self._records.register)},
            f"{ROOT}/records": {
                "GET": _Way(peer, self._records.get),
                "POST": _Way(own, self._records.post),
            },
            f"{ROOT}/events": {"GET": _Way(peer, self._events.get), "POST": _Way(peer, self._events.post)},
            f"{ROOT}/frames": {"POST": _Way(peer, self._frames.post)},
            f"{ROOT}/pruned": {"GET": _Way(peer, self._events.pruned), "POST": _Way(peer, self._events.post_pruned)},
            f"{ROOT}/stream": {"GET": _Way(peer, self._events.stream)},
            f"{ROOT}/status": {"GET": _Way(peer, self._status)},
            _PEERS: {"GET": _Way(peer, self._peers)},
        }

    async def handle(self, request: FederationRequest) -> FederationResponse:
        """Answer a request. What is refused is counted; where the request was signed, so is the answer."""
        asking = Asking(request)
        try:
            self._node.rates.take_address("federation_per_address", request.address)
            way = self._way(request)
            await way.enter(asking)
            if asking.node is not None:
                self._node.rates.take("federation_per_peer", asking.node.hex())
            response = await way.door(asking)
        except FoedusError as error:
            self._node.ingest.refusals[error.code] += 1
            what = f"{request.method} {request.path}"
            self._node.audited.federation_refused(asking.node, request.address, what, error.code)
            response = problem(error)
        return self._access.signed(asking, response)

    def _way(self, request: FederationRequest) -> _Way:
        ways = self._ways.get(request.path)
        if ways is None and request.path.startswith(f"{STATUS_ROOT}/"):
            ways = {"GET": _Way(self._access.anyone, self._status_list)}
        if ways is None and request.path.startswith(f"{_PEERS}/"):
            ways = {
                "GET": _Way(self._access.peer, self._peer),
                "DELETE": _Way(self._access.peer, self._disconnect),
            }
        if ways is None:
            raise NoSuchDoor("there is nothing at this path")
        if request.method not in ways:
            raise WrongMethod(f"this path takes {', '.join(ways)}")
        return ways[request.method]

    # --- for anyone --------------------------------------------------------------------------

    async def _manifest(self, asking: Asking) -> FederationResponse:
        is_peer = asking.node is not None and self._access.is_connected(asking.node)
        body = await self._manifests.json(list(self._node.peers.advertised), with_agents=is_peer)
        return FederationResponse(status=200, headers={"content-type": "application/json"}, body=body)

    async def _identity(self, _: Asking) -> FederationResponse:
        it = self._service.identity()
        store = self._node.store
        records = [to_base64url(record.encode()) for record in store.identities.history(store.node)]
        shown = {
            "node": it.node,
            "epoch": it.epoch,
            "epoch_number": it.epoch_number,
            "did": it.did,
            "ed25519": it.ed25519,
            "version": it.version,
            "endpoints": it.endpoints,
            "records": records,
        }
        return json_reply(200, shown)

    async def _status_list(self, asking: Asking) -> FederationResponse:
        list_id = asking.request.path.removeprefix(f"{STATUS_ROOT}/")
        return json_reply(200, self._service.credentials.kept.list_document(list_id))

    # --- for peers, about themselves ---------------------------------------------------------

    def _standing(self, peer: bytes) -> dict[str, Any]:
        view = self._service.peer(peer.hex())
        counts = self._events.counts(peer)
        return {
            "node": view.node,
            "state": view.state,
            "tier": view.tier,
            "their_tier": view.their_tier,
            "paused": view.paused,
            "link": view.link,
            "lag": view.lag,
            "sent": view.sent + counts.sent,
            "received": view.received + counts.received,
            "rejected": dict(counts.rejected + Counter(view.refused)),
        }

    async def _peers(self, asking: Asking) -> FederationResponse:
        return json_reply(200, {"peers": [self._standing(asking.peer)]})

    async def _peer(self, asking: Asking) -> FederationResponse:
        return json_reply(200, self._standing(self._itself(asking)))

    async def _disconnect(self, asking: Asking) -> FederationResponse:
        peer = self._itself(asking)
        await self._node.peers.handle(peer, EndedReceived("disconnected over HTTP"))
        return json_reply(200, {"node": peer.hex(), "state": "disconnected"})

    def _itself(self, asking: Asking) -> bytes:
        """Return the peer that the path names: itself. Others look as if they did not exist."""
        if asking.request.path != f"{_PEERS}/{asking.peer.hex()}":
            raise NotFound("there is no such peer", remedy="a peer may ask for itself, by its whole id")
        return asking.peer

    async def _status(self, asking: Asking) -> FederationResponse:
        store = self._node.store
        shown = {
            "node": store.node.hex(),
            "clock": store.now(),
            "head": self._events.head(asking),
            "authoring": not self._node.author.stopped,
            "peer": self._standing(asking.peer),
        }
        return json_reply(200, shown)


async def _enters_by_itself(_: Asking) -> None:
    """Let the door itself verify the request: the keys are in its body."""
