"""X-Wing: the hybrid key encapsulation of ML-KEM-768 (FIPS 203) and X25519 (RFC 7748).

As in draft-connolly-cfrg-xwing-kem: the secret holds while either of the two does. The 32-byte seed
is expanded by SHAKE256 (section 5.2), the combiner is SHA3-256 (section 5.3).

ML-KEM never reports tampering: a changed ciphertext decapsulates to another secret, silently
(FIPS 203, implicit rejection). Whoever decapsulates must confirm the secret by an AEAD.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from foedus.crypto.errors import BadKey

SEED_BYTES = 32
PUBLIC_BYTES = 1216
CIPHERTEXT_BYTES = 1120
SECRET_BYTES = 32

_MLKEM_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_CIPHERTEXT_BYTES = 1088
_EXPANDED_BYTES = 96
_LABEL = b"\\.//^\\"  # section 5.3: the letters X and wing, drawn in six ASCII characters


class XWingKey:
    """A decapsulation key. ``seed`` is the secret (32 bytes), ``public`` is shown (1,216 bytes)."""

    __slots__ = ("_mlkem", "_x25519", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        """Derive the key from ``seed``; raise ValueError unless it has 32 bytes."""
        _require_seed(seed)
        expanded = hashlib.shake_256(seed).digest(_EXPANDED_BYTES)
        self.seed = seed
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        self._x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        self.public = self._mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the secret (32 bytes) of ``ciphertext`` (1,120 bytes).

        A changed ciphertext gives another secret and no error: confirm it by an AEAD. Raises BadKey
        where the length is wrong or the X25519 part is a point of low order.
        """
        _require_length("an X-Wing ciphertext", ciphertext, CIPHERTEXT_BYTES)
        theirs = ciphertext[_MLKEM_CIPHERTEXT_BYTES:]
        from_mlkem = self._mlkem.decapsulate(ciphertext[:_MLKEM_CIPHERTEXT_BYTES])
        from_x25519 = _exchange(self._x25519, theirs)
        return _combine(from_mlkem, from_x25519, theirs, self.public[_MLKEM_PUBLIC_BYTES:])

    def __repr__(self) -> str:
        return f"XWingKey(public={self.public[:16].hex()}...)"


def encapsulate(public: bytes, ephemeral_seed: bytes) -> tuple[bytes, bytes]:
    """Return (ciphertext of 1,120 bytes, secret of 32 bytes) for the holder of ``public`` (1,216 bytes).

    ``ephemeral_seed`` (32 fresh random bytes, never used twice) is the X25519 part's private key; the
    library draws the randomness of the ML-KEM part itself, so the result differs from call to call.
    Raises BadKey where ``public`` is no key, ValueError where the seed has not 32 bytes.
    """
    _require_length("an X-Wing public key", public, PUBLIC_BYTES)
    _require_seed(ephemeral_seed)
    theirs = public[_MLKEM_PUBLIC_BYTES:]
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral_seed)
    ours = ephemeral.public_key().public_bytes_raw()
    from_x25519 = _exchange(ephemeral, theirs)
    from_mlkem, ciphertext = _mlkem_public(public[:_MLKEM_PUBLIC_BYTES]).encapsulate()
    return ciphertext + ours, _combine(from_mlkem, from_x25519, ours, theirs)


def _combine(from_mlkem: bytes, from_x25519: bytes, ephemeral_public: bytes, static_public: bytes) -> bytes:
    """Join the two secrets (section 5.3). ML-KEM binds its own ciphertext, so only X25519's side is hashed in."""
    return hashlib.sha3_256(from_mlkem + from_x25519 + ephemeral_public + static_public + _LABEL).digest()


def _exchange(ours: X25519PrivateKey, theirs: bytes) -> bytes:
    """Run X25519; a point of low order is refused (RFC 7748 section 6.1), no honest node sends one."""
    try:
        return ours.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise BadKey("the X25519 part is a point of low order") from None


def _mlkem_public(public: bytes) -> MLKEM768PublicKey:
    """Parse and check an encapsulation key (FIPS 203 section 7.2, the modulus check)."""
    try:
        return MLKEM768PublicKey.from_public_bytes(public)
    except ValueError:
        raise BadKey("the ML-KEM-768 part is not a valid key") from None


def _require_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise BadKey(f"{name} has {length} bytes")


def _require_seed(seed: bytes) -> None:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"an X-Wing seed has {SEED_BYTES} bytes, not {len(seed)}")
