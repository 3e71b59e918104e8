"""The offline recovery keys of a node: what takes it back when its keys were stolen or lost.

One 32-byte seed, shown once as 24 words (``crypto.words``), gives both keys. Identity records hold
only the hash of the public keys, so until a recovery nobody learns even those.
"""

from __future__ import annotations

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.kdf import hkdf_sha256
from foedus.crypto.mldsa import MlDsaKey

SEED_BYTES = 32

_INFO_ED25519 = b"foedus recovery ed25519/1"
_INFO_MLDSA = b"foedus recovery mldsa65/1"


class RecoverySecrets:
    """Both recovery keys. ``public`` is (Ed25519 of 32 bytes, ML-DSA-65 of 1,952), ``hash`` names them (32 bytes)."""

    __slots__ = ("ed25519", "hash", "mldsa65", "public")

    def __init__(self, seed: bytes) -> None:
        """Derive both keys from ``seed`` (docs/protocol.md, section 2); raise ValueError unless it has 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a recovery seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.ed25519 = Ed25519Key(hkdf_sha256(seed, salt=b"", info=_INFO_ED25519, length=SEED_BYTES))
        self.mldsa65 = MlDsaKey(hkdf_sha256(seed, salt=b"", info=_INFO_MLDSA, length=SEED_BYTES))
        self.public = (self.ed25519.public, self.mldsa65.public)
        self.hash = recovery_hash(*self.public)

    def __repr__(self) -> str:
        return f"RecoverySecrets(hash={self.hash.hex()})"


def recovery_hash(ed25519: bytes, mldsa65: bytes) -> bytes:
    """Return what an identity record says of its recovery keys: SHA-256 of both public keys, joined."""
    return sha256(ed25519, mldsa65)
