"""A passkey as a phone makes them, in software: what WebAuthn says that an authenticator answers."""

import json
import os
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
_COSE_ES256 = bytes.fromhex("a5010203262001215820"), bytes.fromhex("225820")
"""{1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}, without x and y."""


class Authenticator:
    """One credential. ``count``: None for those that sync, which count nothing."""

    def __init__(self, origin, host, count=0):
        self.id = os.urandom(16)
        self.origin, self.host, self.count = origin, host, count
        self._key = ec.generate_private_key(ec.SECP256R1())

    def _client_data(self, kind, challenge):
        said = {"type": kind, "challenge": to_base64url(challenge), "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _data(self, flags, more=b""):
        if self.count is not None:
            self.count += 1
        return sha256(self.host.encode()).digest() + bytes([flags]) + (self.count or 0).to_bytes(4, "big") + more

    def _answer(self, **parts):
        response = {name: to_base64url(value) for name, value in parts.items()}
        return json.dumps(
            {"id": to_base64url(self.id), "rawId": to_base64url(self.id), "type": "public-key", "response": response}
        )

    def create(self, challenge, flags=PRESENT | VERIFIED):
        """Return a RegistrationResponseJSON, without attestation."""
        point = self._key.public_key().public_numbers()
        cose = _COSE_ES256[0] + point.x.to_bytes(32, "big") + _COSE_ES256[1] + point.y.to_bytes(32, "big")
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(flags | ATTESTED, attested)
        made = encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=self._client_data("webauthn.create", challenge), attestationObject=made)

    def get(self, challenge, flags=PRESENT | VERIFIED):
        """Return an AuthenticationResponseJSON."""
        client, data = self._client_data("webauthn.get", challenge), self._data(flags)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)
