"""The offline recovery key of a participant: what revokes a lost device, and enrols a new one, when no other is left.

One 32-byte seed, shown once as 24 words (``crypto.words``), gives it. The first enrolment holds only its hash.
"""

from __future__ import annotations

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.kdf import hkdf_sha256

SEED_BYTES = 32
_INFO = b"foedus participant recovery ed25519/1"


def recovery_key(seed: bytes) -> Ed25519Key:
    """Return the recovery key of a seed (32 bytes): docs/protocol.md, section 4."""
    return Ed25519Key(hkdf_sha256(seed, salt=b"", info=_INFO, length=SEED_BYTES))


def recovery_name(seed: bytes) -> bytes:
    """Return what a first enrolment says of the recovery key: SHA-256 of its public half."""
    return sha256(recovery_key(seed).public)
