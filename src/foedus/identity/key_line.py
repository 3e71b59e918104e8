"""The keys of a node in one epoch, shown to who knows only the node's id, and believes no Ed25519 signature.

A node's id is the hash of its record 0, so that needs no signature at all. Each record after it is believed by the
ML-DSA-65 key of the one before, or by that of the recovery keys whose hash it names. It stays true after Ed25519 fell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, learn
from foedus.base.ids import sha256
from foedus.crypto import mldsa
from foedus.crypto.labels import signed_bytes
from foedus.identity.keys import Ed25519Public, MlDsaPublic, MlDsaSig, PublicKeys
from foedus.identity.record import RECORDS_PER_NODE, BadRecord, IdentityRecord, check_follows
from foedus.identity.recovery import recovery_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foedus.identity.record import SignedRecord

_RECORD_MAX = 4_096
"""Bytes of a record without its proof: three keys of 3,200 bytes in all, four hashes, the names of its fields."""


class Step(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record after the first, signed by the former ML-DSA-65 key; with ``recovery``, its two keys, by those."""

    record: Annotated[bytes, Meta(max_length=_RECORD_MAX)]
    signature: MlDsaSig
    recovery: tuple[Ed25519Public, MlDsaPublic] | None


class KeyLine(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The records of a node up to one epoch, oldest first; ``first`` is record 0."""

    first: Annotated[bytes, Meta(max_length=_RECORD_MAX)]
    steps: Annotated[tuple[Step, ...], Meta(max_length=RECORDS_PER_NODE - 1)]


class NodeEpoch(NamedTuple):
    """A node, and the keys of one of its epochs."""

    node: bytes
    keys: PublicKeys


def key_line(history: Iterable[SignedRecord]) -> KeyLine:
    """Return the line of a node's records, oldest first from record 0, each after the one before it."""
    first, *later = history
    return KeyLine(first.record_bytes, tuple(_step(signed) for signed in later))


def _step(signed: SignedRecord) -> Step:
    proof = signed.proof
    if proof.recovery is not None:
        ed25519, mldsa65, _, signature = proof.recovery
        return Step(signed.record_bytes, signature, (ed25519, mldsa65))
    if proof.former is None:
        raise ValueError("a record after the first, without a proof")
    return Step(signed.record_bytes, proof.former[1], None)


def read_line(line: KeyLine) -> NodeEpoch:
    """Return whose line it is, and the keys of its last record. Raises BadRecord where it does not hold."""
    record, epoch = _read(line.first), sha256(line.first)
    if record.n != 0:
        raise BadRecord(f"record {record.n} comes without the one before it")
    node = epoch
    for step in line.steps:
        following = _read(step.record)
        check_follows(following, record, epoch)
        if not mldsa.verify(_signer(step, following, record), signed_bytes("identity", step.record), step.signature):
            raise BadRecord("a record is not signed by the ML-DSA-65 key that may")
        record, epoch = following, sha256(step.record)
    return NodeEpoch(node, record.keys)


def _signer(step: Step, record: IdentityRecord, former: IdentityRecord) -> bytes:
    """Return the ML-DSA-65 key that has to have signed a record."""
    if (record.cause == "recovery") is not (step.recovery is not None):
        raise BadRecord(f"recovery keys do not fit the cause {record.cause!r}")
    if step.recovery is None:
        return former.keys.mldsa65
    if recovery_hash(*step.recovery) != former.recovery:
        raise BadRecord("its recovery keys are not those that the record before it names")
    return step.recovery[1]


def _read(data: bytes) -> IdentityRecord:
    try:
        return decode_as(data, IdentityRecord)
    except (Malformed, NotCanonical) as error:
        raise BadRecord(f"an identity record cannot be read: {error}") from None


learn(KeyLine)
