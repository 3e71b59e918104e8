"""Keys and records for tests: deterministic, and each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.mldsa import MlDsaKey
from foedus.crypto.xwing import XWingKey
from foedus.identity.record import SignedRecord, first_record, recovery_successor, successor
from foedus.identity.recovery import RecoverySecrets


@dataclass(frozen=True)
class Keys:
    """The secret keys of one epoch."""

    ed25519: Ed25519Key
    mldsa65: MlDsaKey
    xwing: XWingKey


@cache
def keys(name: object) -> Keys:
    seed = sha256(repr(name).encode())
    return Keys(Ed25519Key(seed), MlDsaKey(seed), XWingKey(seed))


@cache
def recovery(name: object = "words") -> RecoverySecrets:
    return RecoverySecrets(sha256(b"recovery", repr(name).encode()))


def salt(name: object) -> bytes:
    return sha256(b"salt", repr(name).encode())


# Every record is signed by keys that its salt's name gives, so that a successor needs no more than its name.
@cache
def first(name: str = "a") -> SignedRecord:
    return first_record(keys(name), recovery().hash, salt(name))


@cache
def rotate(previous: SignedRecord, former: str, new: str, cause: str = "rotation") -> SignedRecord:
    return successor(previous, keys(former), keys(new), cause, salt(new))


@cache
def recover(previous: SignedRecord, new: str, words: str = "words", new_words: str | None = None) -> SignedRecord:
    new_hash = None if new_words is None else recovery(new_words).hash
    return recovery_successor(previous, recovery(words), keys(new), salt(new), new_hash)
