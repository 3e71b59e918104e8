"""Two nodes that speak over memory: keys, handshakes, and a link between two fake logs."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import NamedTuple

from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.mldsa import MlDsaKey
from foedus.crypto.xwing import XWingKey
from foedus.identity.record import SignedRecord, first_record, successor
from foedus.sync.handshake import Initiator, Local, Responder

NOW = 1_700_000_000_000_000
NEVER_KNOWN = lambda _epoch: False  # noqa: E731  # a constant answer


class Keys(NamedTuple):
    ed25519: Ed25519Key
    mldsa65: MlDsaKey
    xwing: XWingKey


def seed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@cache
def keys(name: str) -> Keys:
    return Keys(Ed25519Key(seed(name + "e")), MlDsaKey(seed(name + "m")), XWingKey(seed(name + "x")))


@cache
def history(name: str, rotations: int = 0) -> tuple[SignedRecord, ...]:
    records = [first_record(keys(name), seed("recovery"), seed(name))]
    for n in range(rotations):
        former, new = keys(name + "'" * n), keys(name + "'" * (n + 1))
        records.append(successor(records[-1], former, new, "rotation", seed(f"{name}{n}")))
    return tuple(records)


CAPABILITIES = {"events": {"major": 1, "credit": 100}}


def local(name: str, rotations: int = 0, capabilities=None) -> Local:
    return Local(keys(name + "'" * rotations), history(name, rotations), capabilities or CAPABILITIES)


def initiator(name="a", expected=None, known=NEVER_KNOWN, now=NOW, run="1", **more) -> Initiator:
    return Initiator(
        local=local(name, **more),
        expected=expected,
        ephemeral_seed=seed("ei" + run),
        random=seed("ri" + run),
        known=known,
        now=now,
    )


def responder(name="b", known=NEVER_KNOWN, now=NOW, run="1", **more) -> Responder:
    return Responder(
        local=local(name, **more), ephemeral_seed=seed("er" + run), random=seed("rr" + run), known=known, now=now
    )
