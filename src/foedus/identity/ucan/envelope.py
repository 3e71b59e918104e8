"""The envelope that every UCAN has: ``[signature, {h: varsig header, tag: payload}]`` (UCAN specification, "Envelope").

Both tags of version 1.0.0 are read and the final one is written. One signature algorithm is known,
so the header has one value; anything else is refused before a key is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from foedus.crypto import ed25519
from foedus.crypto.ed25519 import SIGNATURE_BYTES, Ed25519Key
from foedus.identity.did import did_of, key_of
from foedus.identity.ucan.command import check_command
from foedus.identity.ucan.errors import InvalidSignature, MalformedUcan
from foedus.identity.ucan.ipld import cid_of, decode, encode

Kind: TypeAlias = Literal["dlg", "inv"]
SignatureCheck: TypeAlias = tuple[bytes, bytes, bytes]
"""Public key, message and signature, as ``crypto.ed25519.verify`` takes them."""

UCAN_NONCE_MAX = 64
"""Bytes of a UCAN's nonce: 12 random ones make a token unique, and no hash is longer."""
SECONDS_END = 1 << 53
"""Instants of UCANs are seconds since 1970 UTC that a double holds exactly (UCAN specification, "Time Bounds")."""

_HEADER = bytes.fromhex("3401ed01ed011371")  # varsig 1, EdDSA, edwards25519, SHA2-512, DAG-CBOR
_START = bytes([0x82, 0x58, SIGNATURE_BYTES])  # a list of two, of which the first is a byte string
_SIGNED_FROM = len(_START) + SIGNATURE_BYTES
_TAGS: dict[Kind, tuple[str, ...]] = {
    "dlg": ("ucan/dlg@1.0.0", "ucan/dlg@1.0.0-rc.1"),
    "inv": ("ucan/inv@1.0.0", "ucan/inv@1.0.0-rc.1"),
}
_MISSING = object()


class Opened(NamedTuple):
    """A token that was taken apart: its payload, what its signature is checked with, and its CID."""

    payload: dict[str, Any]
    signature_check: SignatureCheck
    cid: bytes


def seal(key: Ed25519Key, kind: Kind, payload: Mapping[str, Any]) -> bytes:
    """Return the token with ``payload`` (without ``iss``, which is the did:key of ``key``), signed.

    Raises ValueError where a value has no canonical form.
    """
    signed = encode({"h": _HEADER, _TAGS[kind][0]: {**payload, "iss": did_of(key.public)}})
    return _START + key.sign(signed) + signed


def open_token(data: bytes, kind: Kind, size_max: int) -> Opened:
    """Take a token of at most ``size_max`` bytes apart; its signature is not checked yet.

    Raises NotCanonical, MalformedUcan, InvalidSignature where it is none of Ed25519, or BadDid where the
    issuer is no did:key of Ed25519.
    """
    if len(data) > size_max:
        raise MalformedUcan(f"a token of this kind has at most {size_max} bytes, not {len(data)}")
    envelope = decode(data)
    if not isinstance(envelope, list) or len(envelope) != len(("signature", "payload")):
        raise MalformedUcan("a token is a list of a signature and what it signs")
    payload = _payload(envelope[1], kind)
    if not data.startswith(_START):
        raise InvalidSignature(f"the signature is not the {SIGNATURE_BYTES} bytes of Ed25519")
    check = (key_of(text_of(payload, "iss")), data[_SIGNED_FROM:], envelope[0])
    return Opened(payload, check, cid_of(data))


def require_signature(check: SignatureCheck) -> None:
    """Raise InvalidSignature unless the signature holds."""
    if not ed25519.verify(*check):
        raise InvalidSignature("the token is not signed by its issuer")


def require_keys(payload: Mapping[str, Any], required: frozenset[str], optional: frozenset[str]) -> None:
    """Raise MalformedUcan unless ``payload`` has all that is required and nothing unknown."""
    keys = payload.keys()
    if not required <= keys <= required | optional:
        raise MalformedUcan(f"a payload has {', '.join(sorted(required))} and may have {', '.join(sorted(optional))}")


def text_of(payload: Mapping[str, Any], name: str) -> str:
    """Return a text of the payload; raise MalformedUcan where it is none."""
    value = payload.get(name)
    if not isinstance(value, str):
        raise MalformedUcan(f"{name} is a text")
    return value


def did_in(payload: Mapping[str, Any], name: str) -> str:
    """Return a did:key of the payload; raise MalformedUcan or BadDid."""
    did = text_of(payload, name)
    key_of(did)
    return did


def command_in(payload: Mapping[str, Any]) -> str:
    """Return the command of the payload; raise MalformedUcan."""
    return check_command(payload["cmd"])


def nonce_in(payload: Mapping[str, Any]) -> bytes:
    """Return the nonce of the payload; raise MalformedUcan."""
    nonce = payload["nonce"]
    if not isinstance(nonce, bytes) or len(nonce) > UCAN_NONCE_MAX:
        raise MalformedUcan(f"a nonce has at most {UCAN_NONCE_MAX} bytes")
    return nonce


def seconds_in(payload: Mapping[str, Any], name: str, *, null: bool) -> int | None:
    """Return an instant of the payload, in seconds; None where it is absent, or null where that is allowed."""
    value = payload.get(name, _MISSING)
    if value is _MISSING or (value is None and null):
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SECONDS_END:
        raise MalformedUcan(f"{name} is a whole number of seconds since 1970")
    return value


def map_in(payload: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a map of the payload, an empty one where it is absent; raise MalformedUcan where it is none."""
    value = payload.get(name, {})
    if not isinstance(value, dict):
        raise MalformedUcan(f"{name} is a map")
    return value


def _payload(signed: object, kind: Kind) -> dict[str, Any]:
    if not isinstance(signed, dict) or len(signed) != len(("h", "tag")) or signed.get("h") != _HEADER:
        raise MalformedUcan("what is signed has the varsig header of Ed25519 and DAG-CBOR, and a payload")
    for tag in _TAGS[kind]:
        payload = signed.get(tag)
        if isinstance(payload, dict):
            return payload
    raise MalformedUcan(f"the tag is none of {', '.join(_TAGS[kind])}")
