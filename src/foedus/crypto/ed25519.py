"""Ed25519 (RFC 8032) by libsodium, through PyNaCl.

Libraries disagree on edge cases (points of low order, non-canonical encodings), and a federation
splits where its nodes disagree. libsodium's answer is the protocol's: it refuses keys and
commitments of low order, non-canonical keys and scalars, and checks the equation without the
cofactor. No other Ed25519 verification may be used anywhere in foedus.

Checks call the C library that PyNaCl brings past its binding, which copies each message out again
and makes two buffers to do so: 1.2 of 57 µs, two checks an event. That is a private interface, so
pyproject.toml holds PyNaCl to one minor version, and the tests compare each answer with the
binding's. libsodium runs without the GIL, so two worker threads check nearly twice as many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # made by cffi, and without types
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
_open = lib.crypto_sign_open
_NOWHERE = ffi.NULL
"""Where the message and its length are not to be written: libsodium allows that of ``crypto_sign_open``."""


class Ed25519Key:
    """A signing key. ``seed`` is the secret (32 bytes, RFC 8032 section 5.1.5), ``public`` is shown (32 bytes)."""

    __slots__ = ("_secret", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        """Derive the key from ``seed``; raise ValueError unless it has 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self.public, self._secret = crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Return the signature (64 bytes, deterministic) of ``message``, which begins with its label."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"Ed25519Key(public={self.public.hex()})"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether libsodium accepts ``signature`` of ``message`` under ``public``; never raises on any bytes.

    The lengths must be checked here: libsodium reads 32 bytes from whatever it is given as the key,
    and takes signature and message as one string. Wrong lengths, and what is not ``bytes``, are False.
    """
    try:
        if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        signed = signature + message
        return bool(_open(_NOWHERE, _NOWHERE, signed, len(signed), public) == 0)
    except TypeError:
        return False


def verify_many(items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """Verify a batch of (public, message, signature); the answers come in the same order.

    Made to run in a worker thread: 64 to 256 items amortise the hand-over, some 17,000 a second and core.
    """
    return [verify(public, message, signature) for public, message, signature in items]
