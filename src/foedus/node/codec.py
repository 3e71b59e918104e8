"""What comes over the local API as text, turned into bytes, and bytes that it shows."""

from __future__ import annotations

from typing import Any

from foedus.base.base64url import from_base64url
from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.errors import UsageError
from foedus.base.limits import SALT_BYTES
from foedus.crypto.ed25519 import SIGNATURE_BYTES
from foedus.log.event import Act, digest_of
from foedus.node.author import Draft
from foedus.values.node import SignedAct


def draft_of(stream: str, signed: SignedAct) -> Draft:
    """Return the draft of an act that a device signed; raise UsageError where its parts do not fit."""
    act_bytes = from_base64url(signed.act, "act")
    asig, salt, body = (from_base64url(getattr(signed, name), name) for name in ("asig", "salt", "body"))
    try:
        act = decode_as(act_bytes, Act)
    except (NotCanonical, Malformed) as error:
        raise UsageError(
            f"the act: {error}", code="malformed_event", remedy="see docs/protocol.md, section 3"
        ) from None
    if act.device is None or not isinstance(act.author, str) or len(asig) != SIGNATURE_BYTES or len(salt) != SALT_BYTES:
        raise UsageError("the act, its signature or its salt has the wrong shape", code="malformed_event")
    if digest_of(salt, body) != act.digest:
        raise UsageError("the body is not the one that the act names", code="digest_mismatch")
    return Draft(stream, act, asig, salt, body)


def in_json(value: Any) -> Any:
    """Return plain values as JSON shows them: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [in_json(item) for item in value]
    if isinstance(value, dict):
        return {name: in_json(item) for name, item in value.items()}
    return value
