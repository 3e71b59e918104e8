"""Bytes as text, where they are no ids: base64url without padding (RFC 4648, section 5)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from foedus.base.errors import UsageError


class NotBase64url(UsageError):
    """The text is not unpadded base64url in its one form."""

    code = "malformed_request"
    remedy = "write bytes as base64url without padding (RFC 4648, section 5)"


def to_base64url(data: bytes) -> str:
    """Return unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str, what: str = "a value") -> bytes:
    """Return the bytes; raise NotBase64url, which names ``what``.

    Each value has exactly one form: no padding, no other alphabet, no line breaks, no bits left over.
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if to_base64url(data) != text:
        raise NotBase64url(f"{what} is not unpadded base64url")
    return data
