"""HTTP message signatures (RFC 9421) of the federation endpoints, with Content-Digest (RFC 9530).

A request covers ``@method @target-uri content-digest foedus-to``, a response ``@status
content-digest "signature";req``, which binds it to its request. What Ed25519 signs is
``signed("http", signature base)``. Of structured fields (RFC 8941) only the one spelling that
foedus writes is read: label ``foedus``, parameters in the order below. Nonces are remembered by the
node; ``NonceWindow`` is the rule.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import HTTP_NONCE_KEPT, HTTP_SIGNATURE_AGE_MAX, NONCE_BYTES, SECOND
from foedus.crypto.ed25519 import SIGNATURE_BYTES, Ed25519Key, verify
from foedus.crypto.labels import signed_bytes

NONCES_MAX = 100_000
"""Nonces remembered: 800 requests a second; beyond, requests are refused rather than nonces forgotten."""

_REQUEST_PARTS = '("@method" "@target-uri" "content-digest" "foedus-to")'
_RESPONSE_PARTS = '("@status" "content-digest" "signature";req)'
_LABEL = "foedus="
_CREATED = r";created=(?P<created>0|[1-9][0-9]{0,11})"
_KEY = r';keyid="(?P<keyid>[0-9a-f]{64})";alg="ed25519";tag="foedus"'
_REQUEST_INPUT = re.compile(
    re.escape(_LABEL + _REQUEST_PARTS) + _CREATED + r';nonce="(?P<nonce>[A-Za-z0-9+/]{22}==)"' + _KEY
)
_RESPONSE_INPUT = re.compile(re.escape(_LABEL + _RESPONSE_PARTS) + _CREATED + _KEY)
_SIGNATURE = re.compile(re.escape(_LABEL) + ":([A-Za-z0-9+/]{86}==):")
_ONE_LINE = re.compile(r"[!-~]+")

KeyOf = Callable[[bytes], "bytes | None"]
"""From an epoch (32 bytes) to its Ed25519 public key, None where it may not sign."""


class BadHttpSignature(PeerViolation):
    """A request or response is not signed as it must be. What is wrong is in the message, not in the code."""

    code = "bad_http_signature"
    http_status = 401
    remedy = "sign by RFC 9421 as docs/protocol.md says; check the clock"


class VerifiedRequest(NamedTuple):
    """Who signed. The caller refuses a (epoch, ``nonce``) that it has seen. ``created``: µs, whole seconds."""

    epoch: bytes
    nonce: bytes
    created: Instant


class VerifiedResponse(NamedTuple):
    """Who signed, and when (µs, whole seconds)."""

    epoch: bytes
    created: Instant


class Target(NamedTuple):
    """What a request asks of whom. ``uri``: absolute, as sent; ``node``: id of the node it is for (32 bytes)."""

    method: str
    uri: str
    node: bytes


class Signer(NamedTuple):
    """Our newest epoch and its key."""

    epoch: bytes
    key: Ed25519Key


def sign_request(target: Target, body: bytes, signer: Signer, nonce: bytes, now: Instant) -> dict[str, str]:
    """Return the headers to add. ``nonce``: 16 fresh random bytes. ValueError for what fits no header."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    if not (_ONE_LINE.fullmatch(target.method) and _ONE_LINE.fullmatch(target.uri)):
        raise ValueError("method and URI are visible ASCII")
    digest = content_digest(body)
    parameters = f'{_REQUEST_PARTS};created={now // SECOND};nonce="{_text(nonce)}"{_key_parameters(signer.epoch)}'
    base = _request_base(target, digest, parameters)
    return {"Content-Digest": digest, "Foedus-To": target.node.hex(), **_signature(signer, base, parameters)}


def verify_request(
    target: Target, headers: Mapping[str, str], body: bytes, key_of: KeyOf, now: Instant
) -> VerifiedRequest:
    """Check a request that arrived at ``target`` (``target.node`` is our own id).

    Header names compare without case. Raises BadHttpSignature. The caller still has to refuse a
    nonce that it knows, before anything is done.
    """
    fields = _fields(headers)
    if not (_ONE_LINE.fullmatch(target.method) and _ONE_LINE.fullmatch(target.uri)):
        raise BadHttpSignature("method and URI are visible ASCII")
    if _field(fields, "foedus-to") != target.node.hex():
        raise BadHttpSignature("the request is for another node")
    parameters, match = _parameters(fields, _REQUEST_INPUT)
    _check_digest(fields, body)
    epoch, created = _check_time_and_key(match, now)
    base = _request_base(target, _field(fields, "content-digest"), parameters)
    _check_signature(fields, base, key_of(epoch))
    return VerifiedRequest(epoch, _bytes(match["nonce"], NONCE_BYTES), created)


def sign_response(status: int, body: bytes, request_signature: str, signer: Signer, now: Instant) -> dict[str, str]:
    """Return the headers to add. ``request_signature``: the Signature header of the (verified) request."""
    digest = content_digest(body)
    parameters = f"{_RESPONSE_PARTS};created={now // SECOND}{_key_parameters(signer.epoch)}"
    base = _response_base(status, digest, request_signature, parameters)
    return {"Content-Digest": digest, **_signature(signer, base, parameters)}


def verify_response(
    response: tuple[int, Mapping[str, str], bytes], request_signature: str, key_of: KeyOf, now: Instant
) -> VerifiedResponse:
    """Check (status, headers, body) as the answer to the request whose Signature header we sent.

    Raises BadHttpSignature. ``key_of`` must answer only for epochs of the node that was asked.
    """
    status, headers, body = response
    fields = _fields(headers)
    parameters, match = _parameters(fields, _RESPONSE_INPUT)
    _check_digest(fields, body)
    epoch, created = _check_time_and_key(match, now)
    base = _response_base(status, _field(fields, "content-digest"), request_signature, parameters)
    _check_signature(fields, base, key_of(epoch))
    return VerifiedResponse(epoch, created)


def content_digest(body: bytes) -> str:
    """Return the Content-Digest header of ``body``."""
    return f"sha-256=:{_text(sha256(body))}:"


class NonceWindow:
    """The rule against replays: a (epoch, nonce) serves once in HTTP_NONCE_KEPT (twice what ``created`` may be off)."""

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, bytes], Instant] = {}

    def admit(self, epoch: bytes, nonce: bytes, now: Instant) -> bool:
        """Remember the nonce and say True; say False where it is known, or where too many are."""
        self._forget(now)
        key = (epoch, nonce)
        if key in self._seen or len(self._seen) >= NONCES_MAX:
            return False
        self._seen[key] = now
        return True

    def _forget(self, now: Instant) -> None:
        # Oldest first; after a clock that stepped back some are kept longer, none shorter.
        while self._seen:
            key, at = next(iter(self._seen.items()))
            if now - at <= HTTP_NONCE_KEPT:
                return
            del self._seen[key]


def _request_base(target: Target, digest: str, parameters: str) -> str:
    """Return the signature base (RFC 9421 section 2.5)."""
    return (
        f'"@method": {target.method}\n"@target-uri": {target.uri}\n"content-digest": {digest}\n'
        f'"foedus-to": {target.node.hex()}\n"@signature-params": {parameters}'
    )


def _response_base(status: int, digest: str, request_signature: str, parameters: str) -> str:
    return (
        f'"@status": {status}\n"content-digest": {digest}\n"signature";req: {request_signature}\n'
        f'"@signature-params": {parameters}'
    )


def _signature(signer: Signer, base: str, parameters: str) -> dict[str, str]:
    signature = signer.key.sign(_signed(base))
    return {"Signature-Input": _LABEL + parameters, "Signature": f"{_LABEL}:{_text(signature)}:"}


def _signed(base: str) -> bytes:
    return signed_bytes("http", base.encode())


def _key_parameters(epoch: bytes) -> str:
    return f';keyid="{epoch.hex()}";alg="ed25519";tag="foedus"'


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    fields = {name.lower(): value for name, value in headers.items()}
    if len(fields) != len(headers):
        raise BadHttpSignature("a header is given twice")
    return fields


def _field(fields: Mapping[str, str], name: str) -> str:
    try:
        return fields[name]
    except KeyError:
        raise BadHttpSignature(f"the header {name} is missing") from None


def _parameters(fields: Mapping[str, str], form: re.Pattern[str]) -> tuple[str, re.Match[str]]:
    """Return the signature parameters, as they stand in the base, and their parts."""
    text = _field(fields, "signature-input")
    match = form.fullmatch(text)
    if match is None:
        raise BadHttpSignature("Signature-Input does not have the form that foedus uses")
    return text.removeprefix(_LABEL), match


def _check_digest(fields: Mapping[str, str], body: bytes) -> None:
    if _field(fields, "content-digest") != content_digest(body):
        raise BadHttpSignature("Content-Digest is not that of the body")


def _check_time_and_key(match: re.Match[str], now: Instant) -> tuple[bytes, Instant]:
    created = int(match["created"]) * SECOND
    if abs(now - created) > HTTP_SIGNATURE_AGE_MAX:
        raise BadHttpSignature("signed too long ago or in the future")
    return bytes.fromhex(match["keyid"]), created


def _check_signature(fields: Mapping[str, str], base: str, public: bytes | None) -> None:
    match = _SIGNATURE.fullmatch(_field(fields, "signature"))
    if match is None:
        raise BadHttpSignature("Signature does not have the form that foedus uses")
    if public is None:
        raise BadHttpSignature("keyid names no epoch that may sign here")
    if not verify(public, _signed(base), _bytes(match[1], SIGNATURE_BYTES)):
        raise BadHttpSignature("the signature does not hold")


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(text: str, length: int) -> bytes:
    """Return the bytes of canonical base64 (the last digit's spare bits are zero)."""
    try:
        data = b64decode(text, validate=True)
    except Base64Error:
        data = b""
    if len(data) != length or _text(data) != text:
        raise BadHttpSignature("base64 in another form than the canonical")
    return data
