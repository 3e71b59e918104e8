"""Acts and questions made and signed on this device (docs/protocol.md, sections 3 and 13). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.labels import signed_bytes
from foedus.values.node import SignedAct


class Draft(NamedTuple):
    """What is to be signed. ``author``: did:key; ``auth`` and ``refs``: event ids of 32 bytes."""

    author: str
    stream: str
    kind: str
    body: Mapping[str, Any]
    auth: tuple[bytes, ...] = ()
    refs: tuple[bytes, ...] = ()


class Moment(NamedTuple):
    """What an act binds to: the node's epoch (32 bytes), the time, and fresh random bytes (16 and 32)."""

    epoch: bytes
    now: Instant
    nonce: bytes
    salt: bytes


def signed_act(key: Ed25519Key, draft: Draft, moment: Moment) -> SignedAct:
    """Return the act as the API takes it. Its epoch must still be in force."""
    body = encode(dict(draft.body))
    act = {
        "at": moment.now,
        "auth": list(draft.auth),
        "kind": draft.kind,
        "refs": list(draft.refs),
        "nonce": moment.nonce,
        "author": draft.author,
        "device": key.public,
        "digest": sha256(moment.salt, body),
    }
    signed = signed_bytes("act", encode({"act": act, "epoch": moment.epoch, "stream": draft.stream}))
    return SignedAct(
        act=to_base64url(encode(act)),
        asig=to_base64url(key.sign(signed)),
        salt=to_base64url(moment.salt),
        body=to_base64url(body),
    )


def signed_question(key: Ed25519Key, question: Mapping[str, Any]) -> dict[str, str]:
    """Return a question as the API takes it; ``question``: the map of section 13."""
    data = encode(dict(question))
    return {"question": to_base64url(data), "asig": to_base64url(key.sign(signed_bytes("query", data)))}


def signed_call(key: Ed25519Key, call: Mapping[str, Any]) -> dict[str, str]:
    """Return a call as the API takes it; ``call``: the map of section Calls."""
    data = encode(dict(call))
    return {"call": to_base64url(data), "asig": to_base64url(key.sign(signed_bytes("call", data)))}
