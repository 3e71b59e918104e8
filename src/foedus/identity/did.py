"""did:key for Ed25519 (W3C CCG, The did:key Method v0.7): a key that is its own name."""

from __future__ import annotations

import re
from functools import lru_cache

import base58

from foedus.base.errors import PeerViolation
from foedus.crypto.ed25519 import PUBLIC_BYTES

DIDS_CACHED = 4_096
"""Participants' and nodes' keys that are in use at one time: base58 takes some 10 µs, each event needs it."""

_MULTICODEC = b"\xed\x01"  # ed25519-pub, 0xed, as an unsigned varint
_PREFIX = "did:key:z"
_FORM = re.compile(r"did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}")


class BadDid(PeerViolation):
    """The text is not the did:key of an Ed25519 key."""

    code = "bad_did"
    remedy = "a DID here is did:key:z6Mk and 44 characters of base58"


@lru_cache(maxsize=DIDS_CACHED)
def did_of(public: bytes) -> str:
    """Return the did:key of an Ed25519 public key; raise ValueError unless it has 32 bytes."""
    if len(public) != PUBLIC_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(public)}")
    return _PREFIX + base58.b58encode(_MULTICODEC + public).decode()


@lru_cache(maxsize=DIDS_CACHED)
def key_of(did: str) -> bytes:
    """Return the Ed25519 public key (32 bytes) that a did:key names; raise BadDid.

    Whether the bytes are a point of the curve is told when a signature is checked.
    """
    if _FORM.fullmatch(did) is None:
        raise BadDid(f"{did[:80]!r} is not the did:key of an Ed25519 key")
    data = base58.b58decode(did[len(_PREFIX) :])
    if len(data) != len(_MULTICODEC) + PUBLIC_BYTES or not data.startswith(_MULTICODEC):
        raise BadDid(f"{did!r} does not hold an Ed25519 key")
    return data[len(_MULTICODEC) :]
