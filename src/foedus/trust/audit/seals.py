"""Seals: the head of the audit log under both signature keys of the node (label ``audit``)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.base.limits import MINUTE
from foedus.crypto.labels import signed_bytes
from foedus.identity.keys import SigningKeys, both_hold, sign_both
from foedus.log.event import Id, Microseconds, Signature
from foedus.trust.audit.rows import Count, Head

SEAL_ROWS = 1_000
SEAL_INTERVAL = MINUTE
"""A seal has 3.4 KB (ML-DSA-65): so it costs some bytes a row, and what is not yet sealed is a minute old at most."""


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What a seal says: the audit log of ``node`` has ``count`` rows, the last with the hash ``head``.

    ``epoch``: whose keys sign. ``prev``: SHA-256 of the statement of the seal before, null in the first.
    """

    node: Id
    epoch: Id
    count: Count
    head: Id
    at: Microseconds
    prev: Id | None


class Seal(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement's bytes with both signatures: also the body of ``audit.head``."""

    statement: bytes
    ed25519: Signature
    mldsa65: Annotated[bytes, Meta(min_length=3309, max_length=3309)]

    @property
    def id(self) -> bytes:
        """SHA-256 of the statement: what the next seal names."""
        return sha256(self.statement)


def is_due(unsealed: int, since: Instant, now: Instant) -> bool:
    """Whether ``unsealed`` rows, the first of which was written at ``since``, are to be sealed."""
    return unsealed >= SEAL_ROWS or (unsealed > 0 and now - since >= SEAL_INTERVAL)


def make_seal(statement: Statement, keys: SigningKeys) -> Seal:
    """Sign a statement with the keys of its epoch (some 1 ms)."""
    data = encode(to_plain(statement))
    return Seal(data, *sign_both(keys, signed_bytes("audit", data)))


def statement_of(node: bytes, epoch: bytes, head: Head, at: Instant, before: Seal | None) -> Statement:
    """Return what is to be signed of ``head``, which has a row."""
    if head.hash is None:
        raise ValueError("an empty log is not sealed")
    return Statement(node, epoch, head.rows, head.hash, at, before.id if before else None)


def read_statement(seal: Seal) -> Statement:
    """Return what a seal says; raise NotCanonical or Malformed. ``is_signed`` tells whether it is true."""
    return decode_as(seal.statement, Statement)


def is_signed(seal: Seal, publics: tuple[bytes, bytes]) -> bool:
    """Whether both signatures hold under the keys (Ed25519, ML-DSA-65) of the statement's epoch."""
    return both_hold(publics, signed_bytes("audit", seal.statement), (seal.ed25519, seal.mldsa65))


learn(Statement, Seal)
