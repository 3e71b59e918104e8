"""The new device's side of pairing: its key, the proofs of it, and what it keeps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from foedus.adapters.device_folder import DeviceEntry
from foedus.adapters.device_profiles import Profile, save_profile
from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import NONCE_BYTES, SALT_BYTES
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.pairing import PairingClaim, claim_bytes, fingerprint, plain
from foedus.log.participants import possession_bytes
from foedus.surfaces.cli.devices import device_folder, keep_key
from foedus.surfaces.cli.participant_client import PublicClient
from foedus.surfaces.cli.participants import enrolment_draft, new_recovery
from foedus.surfaces.cli.signing import Moment, signed_act
from foedus.values.access import PairStep

if TYPE_CHECKING:
    from pathlib import Path

    from foedus.values.node import SignedAct


class NewDevice:
    """A key that is being paired: ``claim``, for a new participant ``enrol_first``, then ``prove`` until paired."""

    def __init__(self, url: str, name: str, *, keyring: bool, file: Path | None) -> None:
        self.url = url
        self._name = name
        self._kept_as = name
        self._keyring = keyring
        self._file = file
        self._node = PublicClient(url)
        self._folder = device_folder()
        self._key = Ed25519Key(os.urandom(SEED_BYTES))
        self._claim: PairingClaim | None = None
        self._step: PairStep | None = None
        self._enrolment: SignedAct | None = None

    @property
    def public(self) -> str:
        """The key's public half, hex."""
        return self._key.public.hex()

    @property
    def fingerprint(self) -> str:
        """What a person compares with the other screen."""
        return fingerprint(self._key.public)

    def claim(self, code: str) -> PairStep:
        """Spend the code for this key, and keep the key, sealed, before anything is signed by it."""
        letters = plain(code)
        step = self._ask({"step": "claim", "code": code, "device": self.public, "name": self._name})
        self._claim = PairingClaim(
            challenge=from_base64url(step.challenge, "challenge"),
            code=letters,
            node=parse_id(step.node),
            epoch=parse_id(step.epoch),
            device=self._key.public,
        )
        did = step.did or did_of(self._key.public)
        node = self._claim.node
        taken = any(entry.name == self._name for entry in self._folder.list())
        self._kept_as = f"{self._name}-{self.public[:8]}" if taken else self._name
        entry = DeviceEntry(self._kept_as, did, node, step.kind, True, self._key.public, self._keyring)  # noqa: FBT003
        keep_key(self._folder, entry, self._key, self._file)
        self._step = step
        return step

    def enrol_first(self, *, recovery: bool) -> list[str]:
        """Sign the first enrolment of a new participant; return its recovery words, or none."""
        step, claim = self._begun()
        words, name_of_words = new_recovery() if recovery else ([], None)
        draft = enrolment_draft(self._key, claim.node, step.kind, self._name, name_of_words)
        moment = Moment(claim.epoch, step.now, os.urandom(NONCE_BYTES), os.urandom(SALT_BYTES))
        self._enrolment = signed_act(self._key, draft, moment)
        return words

    def prove(self) -> PairStep:
        """Prove the key; where that pairs it, keep the token."""
        begun, claim = self._begun()
        asked: dict[str, Any] = {
            "step": "prove",
            "pairing": begun.pairing,
            "signature": to_base64url(self._key.sign(claim_bytes(claim))),
        }
        if begun.did:
            asked["possession"] = to_base64url(self._key.sign(possession_bytes(begun.did, claim.device, claim.node)))
        if self._enrolment is not None:
            asked["enrolment"] = self._enrolment
        step = self._ask(asked)
        if step.state == "paired":
            profile = Profile(self.url, step.node, step.did, self.public, self._kept_as, step.token)
            save_profile(self._folder.path, profile)
        return step

    def _begun(self) -> tuple[PairStep, PairingClaim]:
        if self._step is None or self._claim is None:
            raise UsageError("the code was not claimed yet")
        return self._step, self._claim

    def _ask(self, body: dict[str, Any]) -> PairStep:
        return self._node.ask("POST", "/api/pair", PairStep, body)
