"""What surfaces may do about tokens and pairing: the part of ``service`` that speaks to ``access``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.identity.request_proof import ProvedRequest
from foedus.log import streams
from foedus.log.participants import Participant
from foedus.node.architect_service import ArchitectService
from foedus.node.codec import draft_of
from foedus.node.pairing import Pairing
from foedus.node.participant_service import ParticipantService
from foedus.node.tokens import Holder
from foedus.trust.standing import Standing
from foedus.values.access import CallerView, PairCodeView, PairingView, PairStep, TokenView
from foedus.values.node import Placed, SignedAct

if TYPE_CHECKING:
    from foedus.node.composition import Node


class AccessOperations:
    """Operations on tokens and pairings, for ``Service``."""

    _node: Node
    if TYPE_CHECKING:

        async def participant_act(self, did: str, act: SignedAct) -> Placed:
            """Order a signed enrolment or revocation: ``Service`` does."""
            ...

    # --- who asks ----------------------------------------------------------------------------

    def holder_of(self, token: bytes) -> Holder | None:
        """Return who holds a participant's token, or None."""
        return self._node.access.tokens.find(token)

    async def prove_request(self, holder: Holder, request: tuple[str, str, bytes, str], proof: str) -> None:
        """Check the proof that goes with a request of a device."""
        method, target, body, token = request
        proved = ProvedRequest(method=method, target=target, body=body, node=self._node.store.node, token=token)
        await self._node.access.prove(holder, proved, proof)

    def as_participant(self, holder: Holder) -> ParticipantService:
        """Return the node as this participant may use it."""
        kind = ArchitectService if self.is_architect(holder.did) else ParticipantService
        return kind(self._node, self, holder)

    def is_architect(self, did: str) -> bool:
        """Whether the node is a participant's own: they govern it beside the operator."""
        return self._node.standings.is_architect(did)

    def watch_token(self, holder: Holder, *, governing: bool = False) -> asyncio.Event:
        """Return an event that is set when the token dies; ``governing``: or its holder is no architect any more."""
        return self._node.access.tokens.watch(holder, governing=governing)

    def unwatch_token(self, holder: Holder, event: asyncio.Event) -> None:
        """Forget that event."""
        self._node.access.tokens.unwatch(holder, event)

    def caller(self) -> CallerView:
        """Return the operator: participants ask their own view of the node."""
        return CallerView(did="", name=self._node.store.name, kind="operator", device="", bound=False)

    # --- pairing -----------------------------------------------------------------------------

    def pair_generate(self, who: str, kind: Literal["human", "agent"], *, architect: bool = False) -> PairCodeView:
        """Open a code."""
        found = self._node.agents.find(who) if who else None
        code, expires = self._node.access.pairings.generate(kind, found, architect=architect)
        advertised = self._node.peers.advertised
        url = advertised[0] if advertised else ""
        return PairCodeView(
            code=code,
            url=url,
            link=f"{url}/#pair={code}",
            kind=found.kind if found else kind,
            did=found.did if found else "",
            expires=expires,
        )

    def pair_claim(self, code: str, device: str, name: str, address: str) -> PairStep:
        """Spend a code for a key."""
        return self._step(self._node.access.pairings.claim(code, parse_id(device), name, address), "prove")

    async def pair_prove(self, pairing: str, signature: str, possession: str, enrolment: SignedAct | None) -> PairStep:
        """Go on with a pairing whose device has proved its key."""
        pairings = self._node.access.pairings
        signatures = from_base64url(signature, "signature"), from_base64url(possession, "possession")
        found = pairings.prove(pairing, *signatures)
        who = pairings.enrolled(found)
        if who is None and not found.invitation.did:
            who = await self._enrol_first(found, enrolment)
        if who is None:
            return self._step(found, "waiting")
        token = await self._node.access.tokens.issue(who, found.claim.device)
        return self._step(found, "paired", token)

    async def _enrol_first(self, pairing: Pairing, enrolment: SignedAct | None) -> Participant | None:
        if enrolment is None:
            raise UsageError(
                "a new participant brings its first enrolment, signed by its device",
                code="enrolment_needed",
                remedy="see docs/protocol.md, section 11",
            )
        draft = draft_of(streams.participant(pairing.did), enrolment)
        self._node.access.pairings.check_first(pairing, draft)
        await self.participant_act(pairing.did, enrolment)
        who = self._node.access.pairings.enrolled(pairing)
        if who is not None and pairing.invitation.architect:
            await self._node.standings.propose(who, Standing.ARCHITECT)
            await self._node.standings.confirm(who)
        return who

    def pairings(self) -> list[PairingView]:
        """Return further devices that wait."""
        return [self._waiting(pairing) for pairing in self._node.access.pairings.waiting()]

    def pair_withdraw(self, pairing: str) -> None:
        """Turn a waiting device away."""
        if pairing not in {waiting.pairing for waiting in self.pairings()}:
            raise NotFound("no such device waits", code="unknown_pairing", remedy="see `foedus pair list`")
        self._node.access.pairings.withdraw(pairing)

    def _step(self, pairing: Pairing, state: Literal["prove", "waiting", "paired"], token: str = "") -> PairStep:
        return PairStep(
            state=state,
            pairing=pairing.id,
            kind=pairing.invitation.kind,
            did=pairing.did if pairing.invitation.did or state == "paired" else "",
            node=pairing.claim.node.hex(),
            epoch=pairing.claim.epoch.hex(),
            now=self._node.store.now(),
            challenge=to_base64url(pairing.claim.challenge),
            fingerprint=self._node.access.pairings.fingerprint(pairing),
            expires=pairing.expires,
            token=token,
        )

    def _waiting(self, pairing: Pairing) -> PairingView:
        who = self._node.agents.find(pairing.did)
        return PairingView(
            pairing=pairing.id,
            did=who.did,
            name=who.name,
            kind=who.kind,
            device=pairing.claim.device.hex(),
            device_name=pairing.name,
            fingerprint=self._node.access.pairings.fingerprint(pairing),
            possession=to_base64url(pairing.possession),
            expires=pairing.expires,
        )

    # --- tokens ------------------------------------------------------------------------------

    async def token_issue(self, who: str, device: str) -> TokenView:
        """Give a device of a local participant a new token."""
        found = self._node.agents.find(who)
        key = _chosen(found, device)
        token = await self._node.access.tokens.issue(found, key)
        bound = found.custody == "device"
        return TokenView(did=found.did, name=found.name, device=key.hex(), bound=bound, token=token)

    async def token_revoke(self, who: str, device: str) -> None:
        """End the token of a device."""
        found = self._node.agents.find(who)
        if not await self._node.access.tokens.revoke(found.did, _chosen(found, device)):
            raise NotFound(f"{found.name} has no token there", code="no_token", remedy="nothing needs to be revoked")


def _chosen(who: Participant, device: str) -> bytes:
    """Return the device that is meant: the named one, or the only one in force."""
    if device:
        return parse_id(device)
    in_force = [key for key, held in who.devices.items() if held.cuts is None]
    if len(in_force) != 1:
        raise UsageError(
            f"{who.name} has {len(in_force)} devices in force: which one?",
            code="ambiguous",
            remedy="name its key: `foedus device list NAME` shows them",
        )
    return in_force[0]
