"""The header ``foedus-proof``: a request to the API, signed by the device that its bearer token is bound to.

A token alone is what a thief finds in a log or a backup; with the proof it serves only from its device (the idea of
RFC 9449). The header is ``at.nonce.signature``: µs in decimal, then 16 and 64 bytes as unpadded base64url. The
signature covers the request, the node and the token, so it fits no other.
"""

from __future__ import annotations

import re

from msgspec import Struct

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url
from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.base.limits import HTTP_SIGNATURE_AGE_MAX
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes

PROOF_HEADER = "foedus-proof"
_FORM = re.compile(r"(\d{1,19})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{86})")


class ProvedRequest(Struct, frozen=True, kw_only=True):
    """What a proof is about. ``target``: path and query as sent; ``node``: 32 bytes; ``token``: its text."""

    method: str
    target: str
    body: bytes
    node: bytes
    token: str


class Proof(Struct, frozen=True, kw_only=True):
    """A proof that was read. ``nonce`` has 16 bytes; the caller remembers it for twice the age that is allowed."""

    at: Instant
    nonce: bytes
    signature: bytes


def make_proof(key: ed25519.Ed25519Key, request: ProvedRequest, at: Instant, nonce: bytes) -> str:
    """Return the header's value for a request, at this time, with 16 fresh random bytes."""
    signature = key.sign(proof_bytes(request, at, nonce))
    return f"{at}.{to_base64url(nonce)}.{to_base64url(signature)}"


def read_proof(value: str) -> Proof | None:
    """Return the parts of a header's value, or None where it has not the form."""
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    try:
        nonce, signature = (from_base64url(text) for text in match.groups()[1:])
    except NotBase64url:
        return None
    return Proof(at=int(match[1]), nonce=nonce, signature=signature)


def proof_holds(proof: Proof, device: bytes, request: ProvedRequest) -> bool:
    """Whether the device (32 bytes) signed exactly this request."""
    return ed25519.verify(device, proof_bytes(request, proof.at, proof.nonce), proof.signature)


def is_timely(proof: Proof, now: Instant) -> bool:
    """Whether a proof is of now, a minute more or less: clocks differ."""
    return abs(now - proof.at) <= HTTP_SIGNATURE_AGE_MAX


def proof_bytes(request: ProvedRequest, at: Instant, nonce: bytes) -> bytes:
    """Return what the device signs (docs/protocol.md, section 11)."""
    signed = {
        "at": at,
        "body": sha256(request.body),
        "method": request.method,
        "node": request.node,
        "nonce": nonce,
        "target": request.target,
        "token": sha256(request.token.encode()),
    }
    return signed_bytes("proof", encode(signed))
