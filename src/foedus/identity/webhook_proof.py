"""The header ``foedus-webhook``: a call that a node delivers to an agent's webhook, signed by the node.

``at.attempt.call.signature``: µs and a count in decimal, the call's id in hex, 64 bytes as unpadded base64url. The
signature covers these, the URL as it was registered, and the body. It is plain text, not a canonical map: receivers are
written in every language, and need nothing but Ed25519.
"""

from __future__ import annotations

import re

from msgspec import Struct

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url
from foedus.base.clock import Instant
from foedus.base.limits import HTTP_SIGNATURE_AGE_MAX
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes

WEBHOOK_HEADER = "foedus-webhook"
_FORM = re.compile(r"(\d{1,19})\.(\d{1,9})\.([0-9a-f]{64})\.([A-Za-z0-9_-]{86})", re.ASCII)


class Delivery(Struct, frozen=True, kw_only=True):
    """What is signed. ``call``: 32 bytes; ``attempt``: from 1, later ones bring the same call again."""

    at: Instant
    attempt: int
    call: bytes
    url: str
    body: bytes


def sign_delivery(key: ed25519.Ed25519Key, delivery: Delivery) -> str:
    """Return the header's value."""
    return f"{_head(delivery)}.{to_base64url(key.sign(delivery_bytes(delivery)))}"


def read_delivery(header: str, url: str, body: bytes, key: bytes) -> Delivery | None:
    """Return what the node of ``key`` (32 bytes) delivered to ``url``; None where it has not signed exactly this."""
    match = _FORM.fullmatch(header)
    if match is None:
        return None
    call = bytes.fromhex(match[3])
    delivery = Delivery(at=int(match[1]), attempt=int(match[2]), call=call, url=url, body=body)
    try:
        signature = from_base64url(match[4])
    except NotBase64url:
        return None
    return delivery if ed25519.verify(key, delivery_bytes(delivery), signature) else None


def is_timely(delivery: Delivery, now: Instant) -> bool:
    """Whether a delivery is of now, a minute more or less: clocks differ."""
    return abs(now - delivery.at) <= HTTP_SIGNATURE_AGE_MAX


def delivery_bytes(delivery: Delivery) -> bytes:
    """Return what the node signs: a line, which ends with the URL, and the body."""
    return signed_bytes("webhook", f"{_head(delivery)}.{delivery.url}\n".encode() + delivery.body)


def _head(delivery: Delivery) -> str:
    return f"{delivery.at}.{delivery.attempt}.{delivery.call.hex()}"
