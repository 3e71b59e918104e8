"""What agents of connected peers offered when this node last asked: so that who is away can still be written to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from foedus.base.errors import FoedusError
from foedus.log.port import Value
from foedus.node.query_forms import Asked
from foedus.values.calls import CapabilityView
from foedus.values.queries import FoundView

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.query_forms import AskedSigned
    from foedus.values.queries import AnswersView

SPACE = "peer_offers"
OFFERS_MAX = 64
"""Of one peer: more agents than a person writes to at one place."""
BYTES_MAX = 262_144
"""Of one peer: as much as sixty offers of usual size."""
WAIT_MS = 2_000


class Asker(Protocol):
    """What asks a question: the service."""

    async def answers(self, asked: Asked | AskedSigned) -> AnswersView:
        """Ask, and return everything at the end."""
        ...


class PeerOffers:
    """Kept durably; forgotten when the peer is connected no more."""

    def __init__(self, node: Node) -> None:
        self._node = node
        held = node.store.log.values(SPACE)
        self._offers = {key: msgspec.json.decode(data, type=list[CapabilityView]) for key, data in held.items()}

    def known(self) -> list[CapabilityView]:
        """Return what agents of connected peers offer, as far as it is known."""
        book = self._node.peers.book.peers
        return [offer for peer, offers in self._offers.items() if peer in book for offer in offers]

    async def ask(self, service: Asker) -> None:
        """Ask the peers, as this node; what those answer replaces what was known of them. Raises UsageError."""
        asked = Asked(kind="capability", scope="direct", results=OFFERS_MAX, wait_ms=WAIT_MS)
        answers = await service.answers(asked)
        found: dict[bytes, list[CapabilityView]] = {
            bytes.fromhex(it.node): []
            for it in answers.nodes
            if it.outcome in {"answered", "partial"} and it.node not in {"", self._node.store.node.hex()}
        }
        for result in answers.results:
            for source in result.sources:
                if (offers := found.get(bytes.fromhex(source.node))) is not None:
                    offers += _offer(source)
        for peer, offers in found.items():
            await self._keep(peer, offers)

    async def _keep(self, peer: bytes, offers: list[CapabilityView]) -> None:
        data = msgspec.json.encode(offers)
        if offers == self._offers.get(peer, []) or len(data) > BYTES_MAX:
            return
        book = self._node.peers.book.peers
        gone = [key for key in self._offers if key not in book]
        await self._node.store.put(*(Value(SPACE, key, None) for key in gone), Value(SPACE, peer, data))
        for key in gone:
            del self._offers[key]
        self._offers[peer] = offers


def _offer(source: FoundView) -> list[CapabilityView]:
    """Return the offer in a result that its own node signed, or nothing where it is none."""
    body = source.body
    try:
        return [
            CapabilityView(
                name=body["name"],
                node=source.node,
                node_name=source.node_name,
                offer=source.content,
                agent=body["agent"],
                agent_name="",
                about=body["about"],
                takes=_schema(body["takes"]),
                returns=_schema(body["returns"]),
                model=body["model"],
                provider=body["provider"],
                price=body["price"],
                standing=body["standing"],
            )
        ]
    except (KeyError, ValueError, FoedusError):
        return []


def _schema(text: str) -> Any:
    return json.loads(bytes.fromhex(text)) if text else None
