"""Identity records: who a node is, epoch after epoch (docs/protocol.md, section 2).

A node is the sequence of its records. The id of record 0 is the node's id for ever; the id of each
record is an *epoch*. A record is believed because the keys of the one before it signed it, or the
recovery keys did. This module knows one record and its predecessor; which of two successors is
followed is told by ``branches``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, convert, decode, decode_as, encode, learn, to_plain
from foedus.base.errors import PeerViolation, UsageError
from foedus.base.ids import ID_BYTES, sha256
from foedus.crypto.labels import signed_bytes
from foedus.identity.keys import (
    Ed25519Public,
    Ed25519Sig,
    KeySet,
    MlDsaPublic,
    MlDsaSig,
    PublicKeys,
    Signatures,
    both_hold,
    public_keys,
    sign_both,
)
from foedus.identity.recovery import RecoverySecrets, recovery_hash

RECORDS_PER_NODE = 40
"""Records of one node, from first to newest: as many as a handshake message can carry (ADR 2)."""
SIGNED_RECORD_MAX = 16 * 1024
"""Bytes of a signed record: the longest form, by recovery, has under 13 KB."""

Id: TypeAlias = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Cause: TypeAlias = Literal["first", "rotation", "restored", "recovery"]
RecoveryProof: TypeAlias = tuple[Ed25519Public, MlDsaPublic, Ed25519Sig, MlDsaSig]


class BadRecord(PeerViolation):
    """An identity record does not follow from the one before it, or a signature of it does not hold."""

    code = "bad_identity_record"
    remedy = "do not follow it; ask the other node's operator, by another way than this node, what happened to its keys"


class NotYours(UsageError):
    """The keys given to write a successor are not those that may."""

    code = "wrong_identity_keys"
    http_status = 403
    remedy = "use the keys of the newest identity record, or the 24 recovery words of this node"


class IdentityRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One record. ``node`` and ``prev`` are None, and ``cause`` is ``first``, exactly where ``n`` is 0."""

    n: Annotated[int, Meta(ge=0, lt=RECORDS_PER_NODE)]
    node: Id | None
    keys: PublicKeys
    recovery: Id
    prev: Id | None
    cause: Cause
    salt: Id

    def __post_init__(self) -> None:
        """Raise ValueError (Malformed, when decoding) where n, node, prev and cause contradict each other."""
        first = self.n == 0
        if (self.node is None) is not first or (self.prev is None) is not first or (self.cause == "first") is not first:
            raise ValueError("record 0, and no other, has neither node nor prev and the cause 'first'")


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a record is believed: signatures by its own keys, the former ones, the recovery keys (with those)."""

    own: Signatures
    former: Signatures | None
    recovery: RecoveryProof | None

    def plain(self) -> dict[str, list[bytes] | None]:
        """Return the map that is encoded (libipld takes lists, not tuples)."""
        return {
            "own": list(self.own),
            "former": None if self.former is None else list(self.former),
            "recovery": None if self.recovery is None else list(self.recovery),
        }


class SignedRecord(Struct, frozen=True):
    """A record as it travels. ``record`` is the value of ``record_bytes``, ``id`` their SHA-256: the epoch.

    Made by ``parse_signed_record`` and the builders below; parsing does not verify.
    """

    record_bytes: bytes
    proof: Proof
    record: IdentityRecord
    id: bytes

    @property
    def node(self) -> bytes:
        """The node's id: this record's own where n = 0."""
        return self.record.node or self.id

    def plain(self) -> list[Any]:
        """Return ``[record bytes, proof map]``, as it stands inside frames."""
        return [self.record_bytes, self.proof.plain()]

    def encode(self) -> bytes:
        """Return the canonical bytes of ``plain()``."""
        return encode(self.plain())

    def __repr__(self) -> str:
        record = self.record
        return f"SignedRecord({self.id.hex()}, node={self.node.hex()}, n={record.n}, cause={record.cause!r})"


class _SignedShape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    record: bytes
    proof: Proof


def parse_signed_record(data: bytes | list[Any]) -> SignedRecord:
    """Take a signed record apart, from its bytes or from the list that a decoded frame holds.

    Raises Malformed or NotCanonical. Signatures are not checked: see ``verify_record``.
    """
    if isinstance(data, bytes) and len(data) > SIGNED_RECORD_MAX:
        raise Malformed(f"a signed record has at most {SIGNED_RECORD_MAX} bytes, not {len(data)}")
    shape = convert(decode(data) if isinstance(data, bytes) else data, _SignedShape)
    return _assemble(shape.record, shape.proof)


def first_record(keys: KeySet, recovery: bytes, salt: bytes) -> SignedRecord:
    """Return record 0 of a new node. ``recovery``: RecoverySecrets.hash; ``salt``: 32 random bytes."""
    public = public_keys(keys)
    return _sign(IdentityRecord(0, None, public, recovery, None, "first", salt), keys)


def successor(
    previous: SignedRecord,
    former_keys: KeySet,
    new_keys: KeySet,
    cause: Literal["rotation", "restored"],
    salt: bytes,
) -> SignedRecord:
    """Return the record after ``previous``, signed by the former keys; ``salt``: 32 random bytes.

    Raises NotYours where ``former_keys`` are not those of ``previous``, UsageError where the node has
    all the records it may have.
    """
    if public_keys(former_keys) != previous.record.keys:
        raise NotYours("these are not the keys of the record before")
    record = _following(previous, new_keys, previous.record.recovery, cause, salt)
    return _sign(record, new_keys, former=former_keys)


def recovery_successor(
    previous: SignedRecord,
    recovery: RecoverySecrets,
    new_keys: KeySet,
    salt: bytes,
    new_recovery: bytes | None = None,
) -> SignedRecord:
    """Return the record after ``previous`` that voids every other successor of it; ``salt``: 32 random bytes.

    ``previous`` is the last record that is surely the owner's. ``new_recovery`` (a RecoverySecrets.hash)
    replaces the recovery keys; None keeps them. Raises NotYours where ``recovery`` is not what
    ``previous`` names, UsageError where the node has all the records it may have.
    """
    if recovery.hash != previous.record.recovery:
        raise NotYours("these are not the recovery keys of this node")
    record = _following(previous, new_keys, new_recovery or previous.record.recovery, "recovery", salt)
    return _sign(record, new_keys, recovery=recovery)


def verify_history(history: list[SignedRecord] | tuple[SignedRecord, ...]) -> None:
    """Check the records of one node, oldest first from record 0; raise BadRecord at the first that is wrong.

    A history that holds may still be superseded, or lie on a branch: see ``directory``.
    """
    if not 0 < len(history) <= RECORDS_PER_NODE:
        raise BadRecord(f"a node has 1 to {RECORDS_PER_NODE} identity records, not {len(history)}")
    previous = None
    for signed in history:
        verify_record(signed, previous)
        previous = signed


def verify_record(signed: SignedRecord, previous: SignedRecord | None) -> None:
    """Check that ``signed`` follows ``previous`` (None: that it is a record 0) and that its signatures hold.

    ``previous`` must itself have been verified. Raises BadRecord, which says what is wrong. Costs up
    to two ML-DSA verifications, some 0.5 ms.
    """
    if previous is not None:
        check_follows(signed.record, previous.record, previous.id)
    elif signed.record.n != 0:
        raise BadRecord(f"record {signed.record.n} comes without the one before it")
    proof, cause = signed.proof, signed.record.cause
    if (proof.former is not None) is not (cause in {"rotation", "restored"}):
        raise BadRecord(f"signatures of former keys do not fit the cause {cause!r}")
    if (proof.recovery is not None) is not (cause == "recovery"):
        raise BadRecord(f"signatures of recovery keys do not fit the cause {cause!r}")
    _check_signatures(signed, previous)


def check_follows(record: IdentityRecord, former: IdentityRecord, epoch: bytes) -> None:
    """Check what a record says of the one before it, whose id is ``epoch``, beside signatures; raise BadRecord."""
    if record.prev != epoch:
        raise BadRecord("it names another record as the one before it")
    if record.node != (former.node or epoch):
        raise BadRecord("it names another node than the record before it")
    if record.n != former.n + 1:
        raise BadRecord(f"its number is {record.n} and that before it {former.n}")
    if record.cause != "recovery" and record.recovery != former.recovery:
        raise BadRecord("only a record by recovery may change the recovery keys")


def _check_signatures(signed: SignedRecord, previous: SignedRecord | None) -> None:
    keys, proof = signed.record.keys, signed.proof
    message = signed_bytes("identity", signed.record_bytes)
    if not both_hold((keys.ed25519, keys.mldsa65), message, proof.own):
        raise BadRecord("it is not signed by the keys that it names")
    if proof.former is not None and previous is not None:
        former = previous.record.keys
        if not both_hold((former.ed25519, former.mldsa65), message, proof.former):
            raise BadRecord("it is not signed by the keys of the record before it")
    if proof.recovery is not None and previous is not None:
        ed25519_public, mldsa_public, *signatures = proof.recovery
        if recovery_hash(ed25519_public, mldsa_public) != previous.record.recovery:
            raise BadRecord("its recovery keys are not those that the record before it names")
        if not both_hold((ed25519_public, mldsa_public), message, (signatures[0], signatures[1])):
            raise BadRecord("it is not signed by the recovery keys")


def _following(previous: SignedRecord, keys: KeySet, recovery: bytes, cause: Cause, salt: bytes) -> IdentityRecord:
    n = previous.record.n + 1
    if n >= RECORDS_PER_NODE:
        remedy = "make a new node with `foedus init`"
        raise UsageError(f"a node has at most {RECORDS_PER_NODE} identity records", remedy=remedy)
    return IdentityRecord(
        n=n,
        node=previous.node,
        keys=public_keys(keys),
        recovery=recovery,
        prev=previous.id,
        cause=cause,
        salt=salt,
    )


def _sign(
    record: IdentityRecord,
    own: KeySet,
    former: KeySet | None = None,
    recovery: RecoverySecrets | None = None,
) -> SignedRecord:
    """Sign with all that is given. Malformed where a hash or salt has not 32 bytes."""
    data = encode(to_plain(record))
    message = signed_bytes("identity", data)
    proof = Proof(
        own=sign_both(own, message),
        former=None if former is None else sign_both(former, message),
        recovery=None if recovery is None else (*recovery.public, *sign_both(recovery, message)),
    )
    return _assemble(data, proof)


def _assemble(data: bytes, proof: Proof) -> SignedRecord:
    return SignedRecord(record_bytes=data, proof=proof, record=decode_as(data, IdentityRecord), id=sha256(data))


learn(_SignedShape, IdentityRecord, Proof)
