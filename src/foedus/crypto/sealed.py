"""A secret at rest: sealed by a passphrase, Argon2id (RFC 9106) then ChaCha20-Poly1305 (RFC 8439).

The sealed bytes are a header and the box: 16 bytes of magic, passes (u8), memory in KiB (u32
big-endian), salt (16), nonce (12), then ciphertext and tag. The whole header is authenticated. The
cost is read from the file, so it is bounded: a hostile file must not cost gigabytes or minutes.
"""

from __future__ import annotations

import struct
import unicodedata
from typing import NamedTuple

from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13

from foedus.crypto.aead import KEY_BYTES, NONCE_BYTES, open_sealed, seal
from foedus.crypto.errors import DamagedSecret, NotAuthentic, PassphraseRequired, WrongPassphrase

SALT_BYTES = 16
PASSES_MAX = 10
"""Passes that a file may ask for: three times what foedus seals with; above, a file is hostile."""
MEMORY_KIB_MAX = 256 * 1024
"""Memory that a file may ask for, 256 MiB: four times what foedus seals with, and small machines have it."""
_MEMORY_KIB_MIN = 8  # libsodium's least

_MAGIC = b"foedus-sealed/1\0"
_HEADER = struct.Struct(f">{len(_MAGIC)}sBI{SALT_BYTES}s{NONCE_BYTES}s")


class Cost(NamedTuple):
    """The work of one try at a passphrase: Argon2id passes over ``memory_kib`` KiB, one lane."""

    passes: int
    memory_kib: int


MODERATE = Cost(passes=3, memory_kib=64 * 1024)
"""RFC 9106 section 4, second recommendation, with the one lane that libsodium has: about 0.1 s."""
LEAST = Cost(passes=1, memory_kib=_MEMORY_KIB_MIN)
"""For tests and the self-test only."""


def seal_secret(secret: bytes, passphrase: str, salt: bytes, nonce: bytes, cost: Cost = MODERATE) -> bytes:
    """Return ``secret`` sealed by ``passphrase``: 65 bytes longer.

    ``salt`` (16 bytes) and ``nonce`` (12) must be fresh random bytes. The passphrase is normalised
    to NFC (RFC 8265), since keyboards differ in how they compose letters. Raises PassphraseRequired
    where it is empty, ValueError where salt, nonce or cost are out of range.
    """
    if len(salt) != SALT_BYTES or len(nonce) != NONCE_BYTES or not _bearable(cost):
        raise ValueError("salt, nonce or cost out of range")
    header = _HEADER.pack(_MAGIC, cost.passes, cost.memory_kib, salt, nonce)
    return header + seal(_stretch(passphrase, salt, cost), nonce, secret, header)


def open_secret(sealed: bytes, passphrase: str) -> bytes:
    """Return the secret in ``sealed``; takes as long as sealing did (MODERATE: about 0.1 s and 64 MiB).

    Raises WrongPassphrase, PassphraseRequired (empty), DamagedSecret where the bytes are not a
    sealed secret or ask for more work than PASSES_MAX and MEMORY_KIB_MAX.
    """
    cost, salt, nonce = _parse(sealed[: _HEADER.size])
    key = _stretch(passphrase, salt, cost)
    try:
        return open_sealed(key, nonce, sealed[_HEADER.size :], sealed[: _HEADER.size])
    except NotAuthentic:
        raise WrongPassphrase("the passphrase does not open this key") from None


def _parse(header: bytes) -> tuple[Cost, bytes, bytes]:
    """Return (cost, salt, nonce) of a header, or raise DamagedSecret."""
    if len(header) != _HEADER.size or not header.startswith(_MAGIC):
        raise DamagedSecret("these bytes are not a sealed secret")
    _, passes, memory_kib, salt, nonce = _HEADER.unpack(header)
    cost = Cost(passes, memory_kib)
    if not _bearable(cost):
        raise DamagedSecret(
            f"opening this secret would take {passes} passes over {memory_kib} KiB, more than foedus allows"
        )
    return cost, salt, nonce


def _bearable(cost: Cost) -> bool:
    return 1 <= cost.passes <= PASSES_MAX and _MEMORY_KIB_MIN <= cost.memory_kib <= MEMORY_KIB_MAX


def _stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Derive the 32-byte key of a passphrase by Argon2id (RFC 9106)."""
    if not passphrase:
        raise PassphraseRequired("this key is sealed by a passphrase, which may not be empty")
    # surrogatepass: a terminal that is not UTF-8 hands over lone surrogates, which are a passphrase too.
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return crypto_pwhash_alg(KEY_BYTES, typed, salt, cost.passes, cost.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13)
