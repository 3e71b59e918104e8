"""What surfaces may do with peers: the part of ``service`` that speaks to the peering book."""

from __future__ import annotations

from msgspec.structs import replace

from foedus.base.errors import FoedusError, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import NOTE_MAX
from foedus.identity.did import did_of, key_of
from foedus.node.composition import Node
from foedus.node.lookup import Known, find, find_to_give
from foedus.node.peers import new_salt
from foedus.node.views import Views
from foedus.sync.effects import Close
from foedus.trust.inputs import (
    HumanAccept,
    HumanConfirm,
    HumanDecline,
    HumanDisconnect,
    HumanIgnore,
    HumanPause,
    HumanRequest,
    HumanResume,
    HumanTier,
    Input,
)
from foedus.trust.peer import Peer, State
from foedus.trust.tiers import parse_tier
from foedus.values.node import PeerView, ProbeView, TierName

_PEER_REMEDY = "see `foedus peer list`"


class PeerOperations:
    """Operations on peers, for ``Service``."""

    def __init__(self, node: Node, views: Views) -> None:
        self._node = node
        self._views = views

    def _peer_id(self, wanted: str) -> bytes:
        peers = self._node.peers.book.peers
        wanted = self._node.petnames.id_of(wanted) or wanted
        return find(wanted, ((node, peer.name) for node, peer in peers.items()), "peer", _PEER_REMEDY)

    def _given_id(self, wanted: str) -> bytes:
        """Return the peer to which a person gives something: a stranger's claim of a name is not enough."""
        known_as = self._node.petnames.of
        book = self._node.peers.book.peers.items()
        return find_to_give(
            wanted,
            (Known(node, known_as(node.hex()), peer.name, peer.state is State.CONNECTED) for node, peer in book),
        )

    def peers(self) -> list[PeerView]:
        """Return every node in the book."""
        return [self._views.peer(peer) for peer in self._node.peers.book.peers.values()]

    def peers_pending(self) -> list[PeerView]:
        """Return the requests that wait for this node's human."""
        return [self._views.peer(pending.peer) for pending in self._node.peers.book.pending()]

    def peer(self, peer: str) -> PeerView:
        """Return one peer."""
        node = self._peer_id(peer)
        view = self._views.peer(self._node.peers.book.peer(node))
        return replace(view, evidence=self._node.reputations.evidence(node))

    async def probe(self, url: str) -> ProbeView:
        """Shake hands with the node at an address: its keys are proved, nothing else is said."""
        from foedus.adapters.websocket_client import normalise  # noqa: PLC0415  # aiohttp loads on the first dial

        base = normalise(url)
        link = await self._node.links.dial(base, None)
        link.closing = Close("probe", "")
        await link.stop()
        return ProbeView(
            url=base,
            node=link.node.hex(),
            did=did_of(link.peer.newest.record.keys.ed25519),
            name=await self._node.claimed_name(base, link.node),
            endpoints=[],
        )

    async def peer_request(self, url: str, *, expect: str = "", note: str = "", tier: TierName = "CORE") -> PeerView:
        """Ask the node at ``url`` for a connection. Who names its whole id has confirmed it."""
        given = parse_tier(tier)
        if len(note) > NOTE_MAX:
            raise UsageError(f"a note has at most {NOTE_MAX} characters", code="bad_note")
        probe = await self.probe(url)
        if expect and expect != probe.node:
            raise UsageError(
                f"another node answers at {probe.url}: {probe.node}",
                code="wrong_node",
                http_status=409,
                remedy="do not go on unless its people confirm that id to you",
            )
        request = HumanRequest(given, new_salt(), note=note, name=probe.name, url=probe.url, is_confirmed=bool(expect))
        return await self._human(bytes.fromhex(probe.node), request)

    async def _human(self, node: bytes, wish: Input) -> PeerView:
        peer: Peer = await self._node.peers.handle(node, wish)
        return self._views.peer(peer)

    async def peer_confirm(self, peer: str) -> PeerView:
        """Confirm that a node which we asked is the one that was meant."""
        return await self._human(self._peer_id(peer), HumanConfirm())

    async def peer_accept(self, peer: str, tier: TierName | None = None) -> PeerView:
        """Accept a waiting request, with the policy's tier where none is named."""
        given = parse_tier(tier or self._node.policy.current.policy.default_tier)
        return await self._human(self._peer_id(peer), HumanAccept(given))

    async def peer_decline(self, peer: str) -> PeerView:
        """Say no; the other is told."""
        return await self._human(self._peer_id(peer), HumanDecline())

    async def peer_ignore(self, peer: str) -> PeerView:
        """Hear nothing of it any more; it is not told."""
        return await self._human(self._peer_id(peer), HumanIgnore())

    async def peer_tier(self, peer: str, tier: TierName) -> PeerView:
        """Give a peer another tier."""
        return await self._human(self._peer_id(peer), HumanTier(parse_tier(tier)))

    async def peer_pause(self, peer: str) -> PeerView:
        """Let nothing flow for a while."""
        return await self._human(self._peer_id(peer), HumanPause())

    async def peer_resume(self, peer: str) -> PeerView:
        """Let it flow again."""
        node = self._peer_id(peer)
        view = await self._human(node, HumanResume())
        self._node.links.redialler.kick(node)
        return view

    async def peer_disconnect(self, peer: str, reason: str = "") -> PeerView:
        """End the connection: nothing more goes to that peer."""
        return await self._human(self._peer_id(peer), HumanDisconnect(reason[:NOTE_MAX] or "disconnected"))

    async def peer_trust(self, key: str, tier: TierName) -> None:
        """Accept this key or node id without asking."""
        await self._node.peers.trust(_key(key), parse_tier(tier))

    async def peer_untrust(self, key: str) -> None:
        """Ask again."""
        await self._node.peers.untrust(_key(key))

    def trusted(self) -> dict[str, str]:
        """Return pre-trusted keys with their tiers."""
        return {key.hex(): tier.value for key, tier in self._node.peers.book.trusted.items()}

    async def peer_follow(self, peer: str) -> PeerView:
        """Follow the newer epoch of a node that waits for a human: of a peer, or of who writes in a room of ours."""
        book = self._node.peers.book
        named = ((node, book.peer(node).name) for node in book.peers.keys() | self._node.records.held.keys())
        node = find(peer, named, "peer", _PEER_REMEDY)
        if not await self._node.records.follow(node):
            raise UsageError("no newer epoch of this peer waits", code="nothing_held", remedy=_PEER_REMEDY)
        self._node.links.redialler.kick(node)
        return self._views.peer(book.peer(node))


def _key(text: str) -> bytes:
    """Return the key or node id that a person gave as hex or did:key."""
    try:
        return key_of(text) if text.startswith("did:key:") else parse_id(text.lower())
    except FoedusError as error:
        raise UsageError(str(error), code="bad_key", remedy="give 64 hex digits or a did:key") from None
