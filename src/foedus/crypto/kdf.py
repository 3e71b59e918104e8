"""HKDF with SHA-256 (RFC 5869)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Return ``length`` bytes (at most 8,160) derived from ``secret``.

    ``salt`` binds the session and may be empty (RFC 5869 section 2.2 then takes zeros); ``info``
    names the use, so that keys of different uses are independent. ``secret`` is a strong key, never
    a passphrase. Raises ValueError on a length out of range.
    """
    if length < 1:
        raise ValueError("HKDF gives at least one byte")
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
