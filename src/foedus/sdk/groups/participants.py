"""Participants, their tokens and devices, their standing."""

from __future__ import annotations

from typing import Any, Literal

from foedus.sdk.device import Device
from foedus.sdk.enrolling import enrol
from foedus.sdk.operation import Action, Group, M, Sent, operation
from foedus.values.access import CallerView, PairCodeView, PairingView, PairStep, TokenView
from foedus.values.node import ParticipantView, Placed, SignedAct
from foedus.values.standing import ExplainView, StandingView

_PAIR = "/api"


class Participants(Group[M]):
    """People and agents, here and at peers."""

    @operation("GET", "/participants")
    def all(self, *, q: str = "") -> Sent[list[ParticipantView]]:
        """Return participants; ``q``: part of a name or DID."""
        return Sent(query={"q": q})

    @operation("POST", "/participants")
    def add_agent(self, name: str) -> Sent[ParticipantView]:
        """Make an agent whose key the node keeps."""
        return Sent(body={"name": name})

    @Action
    async def enrol(self, name: str, seed: bytes, *, kind: Literal["agent", "human"] = "agent") -> Device:
        """Make a participant with a key of its own: the Ed25519 key of ``seed``, 32 random bytes that you keep secret.

        Without its seed it cannot act again, and no recovery words go with it: who wants them, and a sealed file,
        uses ``foedus participant add``.
        """
        return await enrol(self._client, name, seed, kind)

    @operation("POST", "/participants/{did}/acts")
    def act(self, did: str, act: SignedAct) -> Sent[Placed]:
        """Order a signed act of a participant's own stream: an enrolment, a grant, a revocation."""
        return Sent({"did": did}, body=act)

    @operation("GET", "/participants/{did}/devices/{key}/cuts")
    def device_cuts(self, did: str, key: str) -> Sent[list[list[Any]]]:
        """Return [chain id, seq, event id] of each chain that a device acted in: what its revocation names."""
        return Sent({"did": did, "key": key})

    @operation("POST", "/participants/{did}/token")
    def issue_token(self, did: str, *, device: str = "") -> Sent[TokenView]:
        """Give a device, or an agent whose key the node keeps, a new token; the former one is void."""
        return Sent({"did": did}, body={"device": device})

    @operation("DELETE", "/participants/{did}/token")
    def end_token(self, did: str, *, device: str = "") -> Sent[None]:
        """End a token, and the streams that it opened."""
        return Sent({"did": did}, {"device": device})


class Access(Group[M]):
    """Whose token this is, and the pairing of devices."""

    @operation("GET", "/caller")
    def caller(self) -> Sent[CallerView]:
        """Return whom this client's token stands for."""
        return Sent()

    @operation("GET", "/pairings")
    def pairings(self) -> Sent[list[PairingView]]:
        """Return devices that wait for an enrolled one to confirm them."""
        return Sent()

    @operation("DELETE", "/pairings/{pairing}")
    def turn_away(self, pairing: str) -> Sent[None]:
        """Turn a waiting device away."""
        return Sent({"pairing": pairing})

    @operation("POST", "/pair/generate", _PAIR)
    def pair_code(self, *, participant: str = "", kind: str = "human", architect: bool = False) -> Sent[PairCodeView]:
        """Show a code for a new device, of a participant or of a new one of a kind: it serves once.

        ``architect``: a new human who may do what the operator may.
        """
        return Sent(body={"participant": participant, "kind": kind, "architect": architect})

    @operation("POST", "/pair", _PAIR)
    def pair(self, step: dict[str, Any]) -> Sent[PairStep]:
        """Pair a new device: claim with the code, then prove the key (docs/protocol.md, section 11)."""
        return Sent(body=step)


class Standings(Group[M]):
    """How far this node lets participants go, and why. ``who``: a DID or name."""

    @operation("GET", "/standings")
    def all(self) -> Sent[list[StandingView]]:
        """Return where every known participant stands."""
        return Sent()

    @operation("GET", "/standings/{who}")
    def show(self, who: str) -> Sent[StandingView]:
        """Return where one stands, and what the rule still asks for."""
        return Sent({"who": who})

    @operation("POST", "/standings/{who}/propose")
    def propose(self, who: str, *, to: int | None = None) -> Sent[StandingView]:
        """Propose a step up (without ``to``: the next); a step down takes effect at once."""
        return Sent({"who": who}, body={"to": to})

    @operation("POST", "/standings/{who}/confirm")
    def confirm(self, who: str) -> Sent[StandingView]:
        """Let a proposed step take effect."""
        return Sent({"who": who})

    @operation("GET", "/explain")
    def explain(self, who: str, act: str, *, room: str = "") -> Sent[ExplainView]:
        """Return, layer by layer, whether ``who`` may do ``act``; ``who="event"``: why an event has its verdict."""
        return Sent(query={"who": who, "act": act, "room": room})
