"""What surfaces may ask of a running node about its peers."""

from __future__ import annotations

from typing import Protocol

from foedus.values.node import NearbyView, PeerView, ProbeView, TierName


class PeerService(Protocol):
    """Peers, and who may become one: a part of ``api.NodeService``."""

    async def probe(self, url: str) -> ProbeView:
        """Shake hands with the node at an address; its keys are proved, nothing else is said."""
        ...

    async def peer_request(self, url: str, *, expect: str = "", note: str = "", tier: TierName = "CORE") -> PeerView:
        """Ask the node at ``url`` for a connection; refuse where it is not ``expect`` (whole id) if that is given.

        Who gives ``expect`` has confirmed the node; else a person does when it has accepted (``peer_confirm``).
        """
        ...

    async def peer_confirm(self, peer: str) -> PeerView:
        """Confirm that a node which was asked is the one that was meant: its whole id has been compared."""
        ...

    def peers(self) -> list[PeerView]:
        """Return every node in the book."""
        ...

    def peers_pending(self) -> list[PeerView]:
        """Return the requests that wait for this node's human."""
        ...

    def peer(self, peer: str) -> PeerView:
        """Return one peer, with the evidence behind its reputation."""
        ...

    async def peer_accept(self, peer: str, tier: TierName | None = None) -> PeerView:
        """Accept a waiting request; None: with the tier that the policy says."""
        ...

    async def peer_decline(self, peer: str) -> PeerView:
        """Say no to a waiting request; the other is told."""
        ...

    async def peer_ignore(self, peer: str) -> PeerView:
        """Hear nothing of a node any more; it is not told."""
        ...

    async def peer_trust(self, key: str, tier: TierName) -> None:
        """Accept requests from ``key`` (node id, or Ed25519 public key in hex, or did:key) without asking."""
        ...

    async def peer_untrust(self, key: str) -> None:
        """Ask a human again before this key is accepted."""
        ...

    def trusted(self) -> dict[str, str]:
        """Return pre-trusted keys (hex) with their tiers."""
        ...

    async def peer_tier(self, peer: str, tier: TierName) -> PeerView:
        """Give a peer another tier."""
        ...

    async def peer_pause(self, peer: str) -> PeerView:
        """Let nothing flow for a while."""
        ...

    async def peer_resume(self, peer: str) -> PeerView:
        """Let it flow again."""
        ...

    async def peer_disconnect(self, peer: str, reason: str = "") -> PeerView:
        """End the connection: nothing more goes to that peer."""
        ...

    async def peers_nearby(self, wait_s: float) -> NearbyView:
        """Look for nodes on the network, for so long. Nothing that they say is proved."""
        ...

    async def peer_follow(self, peer: str) -> PeerView:
        """Follow the newer epoch of a peer that waits for a human."""
        ...
