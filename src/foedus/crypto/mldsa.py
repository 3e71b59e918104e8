"""ML-DSA-65 (FIPS 204), pure, with the empty context string, by the ``cryptography`` library.

It signs what must stay unforgeable after Ed25519 falls: identity records, links, checkpoints,
agreements. A signing costs about 1 ms and 3.3 KB, so it is never on the path of a single event.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

SEED_BYTES = 32
PUBLIC_BYTES = 1952
SIGNATURE_BYTES = 3309


class MlDsaKey:
    """A signing key. ``seed`` is the secret (32 bytes, FIPS 204's xi), ``public`` is shown (1,952 bytes)."""

    __slots__ = ("_private", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        """Derive the key from ``seed``; raise ValueError unless it has 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an ML-DSA-65 seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self._private = MLDSA65PrivateKey.from_seed_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return a signature (3,309 bytes) of ``message``, which begins with its label.

        The library hedges: it mixes in randomness of its own (FIPS 204 section 3.4), so two
        signatures of one message differ. Nothing may depend on the bytes of a signature.
        """
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"MlDsaKey(public={self.public[:16].hex()}...)"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` of ``message`` holds under ``public``; never raises on any bytes.

    Wrong lengths are False, too.
    """
    try:
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
