"""Acts made and signed on this device. Pure: clock and randomness are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log.event import Act, act_plain, act_signing_bytes, digest_of
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
    """Return the act as the API takes it (docs/protocol.md, section 3). Its epoch must still be in force."""
    body = encode(dict(draft.body))
    act = Act(
        at=moment.now,
        auth=draft.auth,
        kind=draft.kind,
        refs=draft.refs,
        nonce=moment.nonce,
        author=draft.author,
        device=key.public,
        digest=digest_of(moment.salt, body),
    )
    plain = act_plain(act)
    signature = key.sign(act_signing_bytes(plain, moment.epoch, draft.stream))
    return SignedAct(
        act=to_base64url(encode(plain)),
        asig=to_base64url(signature),
        salt=to_base64url(moment.salt),
        body=to_base64url(body),
    )
