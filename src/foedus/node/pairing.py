"""Pairing a new device: from the code that it was told to its token. The key never leaves the device.

A code claims a pairing for one key; that key proves itself by signing a challenge; then it enrols: a new participant
by itself, a further device by an enrolled one (or the recovery key), which signs where it is. Open codes and pairings
live in memory: a restart voids them, and nobody waits for them longer than ten minutes.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Literal

from msgspec import Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.crypto import ed25519
from foedus.identity.did import did_of
from foedus.identity.pairing import (
    CHALLENGE_BYTES,
    CODE_LIFE,
    OPEN_CODES_MAX,
    CodeBook,
    Invitation,
    PairingClaim,
    claim_bytes,
    fingerprint,
    plain,
)
from foedus.log.bodies import DeviceEnrol
from foedus.log.participants import Participant, possession_bytes
from foedus.node.agents import Agents
from foedus.node.author import Draft
from foedus.node.home import check_name
from foedus.node.store import Store
from foedus.sync.strangers import network_of

_ENTROPY_BYTES = 4
_ID_BYTES = 16


class BadPossession(UsageError):
    """The new device did not prove that it holds its key."""

    code = "bad_possession"
    http_status = 403
    remedy = "sign the challenge that this pairing was given, with the key that claimed it"


class Pairing(Struct, kw_only=True):
    """A device that came with a right code. ``possession``: a further device's consent, once it has proved its key."""

    id: str
    invitation: Invitation
    claim: PairingClaim
    name: str
    did: str
    expires: Instant
    possession: bytes = b""


class Pairings:
    """The open codes and pairings of a node, and what came of them."""

    def __init__(self, store: Store, agents: Agents, counts: Counter[str]) -> None:
        self._store = store
        self._agents = agents
        self._codes = CodeBook()
        self._claimed: dict[str, Pairing] = {}
        self._counts = counts

    def generate(
        self, kind: Literal["human", "agent"], who: Participant | None, *, architect: bool = False
    ) -> tuple[str, Instant]:
        """Open a code for a new participant, or for a further device of ``who``; return it and when it expires.

        ``architect``: who comes by it is to have the node as their own. Raises UsageError unless it is a new human.
        """
        if architect and (who is not None or kind != "human"):
            raise UsageError(
                "only a new human begins as architect",
                code="not_permitted",
                remedy="for who is here already: `foedus standing propose WHO 1`, then confirm it",
            )
        if who is not None and who.custody != "device":
            raise UsageError(
                f"the node keeps the key of {who.name}: it has no devices to pair",
                code="custodial",
                remedy="give it a token: `foedus participant token NAME`",
            )
        invitation = Invitation(did=who.did, kind=who.kind) if who else Invitation(kind=kind, architect=architect)
        return self._codes.open(secrets.token_bytes(_ENTROPY_BYTES), invitation, self._store.now())

    def claim(self, code: str, device: bytes, name: str, address: str) -> Pairing:
        """Spend a code for a key; raise BadCode, TooManyTries, or what is wrong with the name (the code stays)."""
        now = self._store.now()
        try:
            invitation = self._codes.check(code, network_of(address), now)
        except UsageError as error:
            self._counts[error.code] += 1
            raise
        name = check_name(name)
        did = invitation.did or did_of(device)
        if not invitation.did:
            self._agents.check_free(name)
        self._refuse_known(device)
        self._codes.use(code)
        pairing = Pairing(
            id=secrets.token_hex(_ID_BYTES),
            invitation=invitation,
            claim=PairingClaim(
                challenge=secrets.token_bytes(CHALLENGE_BYTES),
                code=plain(code),
                node=self._store.node,
                epoch=self._store.epoch,
                device=device,
            ),
            name=name,
            did=did,
            expires=now + CODE_LIFE,
        )
        self._keep(pairing)
        self._counts["claimed"] += 1
        return pairing

    def _refuse_known(self, device: bytes) -> None:
        if any(device in who.devices for who in self._agents.local()):
            raise UsageError(
                "this key is enrolled already", code="device_exists", remedy="make a new key", http_status=409
            )

    def _keep(self, pairing: Pairing) -> None:
        self._forget()
        if len(self._claimed) >= OPEN_CODES_MAX:
            did = pairing.invitation.did
            alike = (key for key, other in self._claimed.items() if other.invitation.did == did)
            del self._claimed[next(alike, next(iter(self._claimed)))]  # who brings many ends their own
        self._claimed[pairing.id] = pairing

    def _forget(self) -> None:
        now = self._store.now()
        for key in [key for key, pairing in self._claimed.items() if pairing.expires <= now]:
            del self._claimed[key]

    def prove(self, pairing_id: str, signature: bytes, possession: bytes) -> Pairing:
        """Check what the new device signed: the challenge, and its consent to be enrolled (for a further device).

        Raises NotFound where the pairing is over, BadPossession.
        """
        self._forget()
        pairing = self._claimed.get(pairing_id)
        if pairing is None:
            raise NotFound(
                "there is no such pairing", code="unknown_pairing", remedy="begin again: `foedus pair start`"
            )
        claim = pairing.claim
        holds = ed25519.verify(claim.device, claim_bytes(claim), signature)
        if holds and pairing.invitation.did:
            consent = possession_bytes(pairing.did, claim.device, claim.node)
            holds = ed25519.verify(claim.device, consent, possession)
        if not holds:
            self._counts[BadPossession.code] += 1
            raise BadPossession("the signature is not that of the new device over its challenge")
        pairing.possession = possession
        return pairing

    def check_first(self, pairing: Pairing, draft: Draft) -> None:
        """Refuse a first enrolment that is not what the code was for."""
        try:
            body = decode_as(draft.body, DeviceEnrol)
        except (NotCanonical, Malformed) as error:
            raise UsageError(f"the enrolment: {error}", code="malformed_event") from None
        asked = (pairing.did, pairing.claim.device, pairing.invitation.kind, pairing.name)
        if pairing.invitation.did or (body.did, body.device, body.kind, body.name) != asked:
            raise UsageError("the enrolment is not the one that the code was for", code="not_permitted")

    def enrolled(self, pairing: Pairing) -> Participant | None:
        """Return the participant once the new device is one of its own, else None."""
        who = self._store.admission.authority.participants.get((self._store.node, pairing.did))
        device = who.devices.get(pairing.claim.device) if who else None
        return who if device is not None and device.cuts is None else None

    def waiting(self) -> list[Pairing]:
        """Return further devices that have proved their key and are not enrolled yet."""
        self._forget()
        return [
            pairing
            for pairing in self._claimed.values()
            if pairing.invitation.did and pairing.possession and self.enrolled(pairing) is None
        ]

    def withdraw(self, pairing_id: str) -> None:
        """Forget a pairing: its person does not know the device."""
        self._claimed.pop(pairing_id, None)

    @staticmethod
    def fingerprint(pairing: Pairing) -> str:
        """Return the new key's fingerprint."""
        return fingerprint(pairing.claim.device)
