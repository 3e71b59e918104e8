"""Peers, whom this node trusts, and agreements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foedus.sdk.operation import Group, M, Sent, operation
from foedus.sdk.transport import TIMEOUT_S
from foedus.values.agreements import AgreementView, ChangeView, DraftView, HumanWord, VersionView
from foedus.values.node import NearbyView, PeerView, ProbeView, TierName


class Peers(Group[M]):
    """Other nodes. ``peer``: an id, its first digits, or a name."""

    @operation("GET", "/peers")
    def all(self) -> Sent[list[PeerView]]:
        """Return the known nodes."""
        return Sent()

    @operation("GET", "/peers/pending")
    def pending(self) -> Sent[list[PeerView]]:
        """Return requests that wait for this node's human."""
        return Sent()

    @operation("GET", "/peers/nearby")
    def browse(self, *, wait_ms: int = 2_000) -> Sent[NearbyView]:
        """Look on the network who says to be there, for so long. All of it are claims: ``probe`` proves."""
        return Sent(query={"wait": wait_ms}, timeout_s=TIMEOUT_S + wait_ms / 1_000)

    @operation("POST", "/peers/probe")
    def probe(self, url: str) -> Sent[ProbeView]:
        """Return who is at an address, proved by a handshake."""
        return Sent(body={"url": url})

    @operation("POST", "/peers/request")
    def request(self, url: str, *, expect: str = "", note: str = "", tier: TierName = "CORE") -> Sent[PeerView]:
        """Ask the node at ``url`` for a connection. ``expect``: the whole id that it must have."""
        return Sent(body={"url": url, "expect": expect, "note": note, "tier": tier})

    @operation("GET", "/peers/{peer}")
    def show(self, peer: str) -> Sent[PeerView]:
        """Return one peer, with the evidence of its reputation."""
        return Sent({"peer": peer})

    @operation("DELETE", "/peers/{peer}")
    def disconnect(self, peer: str, *, reason: str = "") -> Sent[PeerView]:
        """End the connection: nothing more flows. The peer is told the reason."""
        return Sent({"peer": peer}, {"reason": reason})

    @operation("POST", "/peers/{peer}/accept")
    def accept(self, peer: str, *, tier: TierName | None = None) -> Sent[PeerView]:
        """Accept a request; without ``tier`` at the policy's."""
        return Sent({"peer": peer}, body={"tier": tier})

    @operation("POST", "/peers/{peer}/confirm")
    def confirm(self, peer: str) -> Sent[PeerView]:
        """Confirm that a node which was asked is the one that was meant."""
        return Sent({"peer": peer})

    @operation("POST", "/peers/{peer}/decline")
    def decline(self, peer: str) -> Sent[PeerView]:
        """Decline a request: they are told."""
        return Sent({"peer": peer})

    @operation("POST", "/peers/{peer}/ignore")
    def ignore(self, peer: str) -> Sent[PeerView]:
        """Ignore a node for good, silently."""
        return Sent({"peer": peer})

    @operation("POST", "/peers/{peer}/tier")
    def give_tier(self, peer: str, tier: TierName) -> Sent[PeerView]:
        """Change the tier given."""
        return Sent({"peer": peer}, body={"tier": tier})

    @operation("POST", "/peers/{peer}/pause")
    def pause(self, peer: str) -> Sent[PeerView]:
        """Pause the exchange."""
        return Sent({"peer": peer})

    @operation("POST", "/peers/{peer}/resume")
    def resume(self, peer: str) -> Sent[PeerView]:
        """Resume the exchange."""
        return Sent({"peer": peer})

    @operation("POST", "/peers/{peer}/follow")
    def follow_epoch(self, peer: str) -> Sent[PeerView]:
        """Follow the newer epoch of a peer that waits."""
        return Sent({"peer": peer})


class Trust(Group[M]):
    """Keys whose requests need no prompt: node id, Ed25519 public key in hex, or did:key."""

    @operation("GET", "/trust")
    def all(self) -> Sent[dict[str, str]]:
        """Return the keys, and the tier of each."""
        return Sent()

    @operation("POST", "/trust")
    def add(self, key: str, tier: TierName) -> Sent[None]:
        """Accept requests of a key without asking."""
        return Sent(body={"key": key, "tier": tier})

    @operation("DELETE", "/trust")
    def remove(self, key: str) -> Sent[None]:
        """Ask again for a key that was trusted."""
        return Sent(query={"key": key})


class Agreements(Group[M]):
    """What is agreed with peers. ``agreement``: an id, its first digits, or '' for the only one that waits."""

    @operation("GET", "/agreements")
    def all(self) -> Sent[list[AgreementView]]:
        """Return what is agreed with every connected peer."""
        return Sent()

    @operation("GET", "/agreements/{peer}")
    def show(self, peer: str) -> Sent[AgreementView]:
        """Return what is agreed with a peer, and what waits."""
        return Sent({"peer": peer})

    @operation("GET", "/agreements/{peer}/history")
    def history(self, peer: str) -> Sent[list[VersionView]]:
        """Return every version and proposal of the connection."""
        return Sent({"peer": peer})

    @operation("GET", "/agreements/{peer}/diff")
    def diff(self, peer: str, *, older: str = "", newer: str = "") -> Sent[list[ChangeView]]:
        """Return what changes, clause by clause; by default from what is in force to what waits."""
        return Sent({"peer": peer}, {"older": older, "newer": newer})

    @operation("POST", "/agreements/{peer}/draft")
    def draft(self, peer: str, terms: Mapping[str, Any]) -> Sent[DraftView]:
        """Make the document of a next version. ``terms``: what changes, as ``Terms`` in /schema has it."""
        return Sent({"peer": peer}, body=dict(terms))

    @operation("POST", "/agreements/{peer}/propose")
    def propose(
        self, peer: str, document: str, *, answers: str = "", human: HumanWord | None = None
    ) -> Sent[AgreementView]:
        """Offer a drafted document; ``answers``: the peer's proposal in whose place it stands."""
        return Sent({"peer": peer}, body={"document": document, "answers": answers, "human": human})

    @operation("POST", "/agreements/{peer}/sign")
    def sign(self, peer: str, agreement: str, *, human: HumanWord | None = None) -> Sent[AgreementView]:
        """Sign the peer's proposal."""
        return Sent({"peer": peer}, body={"agreement": agreement, "human": human})

    @operation("POST", "/agreements/{peer}/decline")
    def decline(self, peer: str, *, agreement: str = "") -> Sent[AgreementView]:
        """Say no to the peer's proposal."""
        return Sent({"peer": peer}, body={"agreement": agreement})

    @operation("POST", "/agreements/{peer}/withdraw")
    def withdraw(self, peer: str, *, agreement: str = "") -> Sent[AgreementView]:
        """Take back what is not yet in force."""
        return Sent({"peer": peer}, body={"agreement": agreement})

    @operation("POST", "/agreements/{peer}/terminate")
    def terminate(self, peer: str, *, reason: str = "") -> Sent[AgreementView]:
        """End the agreement, and the connection with it."""
        return Sent({"peer": peer}, body={"reason": reason})
