"""Ids: SHA-256 values as 32-byte strings, shown as lowercase hex."""

from __future__ import annotations

import hashlib

from foedus.base.errors import UsageError

ID_BYTES = 32
SHORT_HEX = 12


class BadId(UsageError):
    """The text is not an id."""

    code = "bad_id"
    remedy = "an id is 64 lowercase hexadecimal digits"


def sha256(*parts: bytes) -> bytes:
    """Return the SHA-256 of the concatenated parts (32 bytes)."""
    return hashlib.sha256(b"".join(parts)).digest()


def parse_id(text: str) -> bytes:
    """Return the 32 bytes of a hex id; raise BadId."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_BYTES or text != value.hex():
        message = f"{text[:80]!r} is not an id"
        raise BadId(message)
    return value


def short(value: bytes) -> str:
    """Return the first 12 hex digits, for display only: never compare or accept by it."""
    return value.hex()[:SHORT_HEX]
