"""A commit proof: a file that shows what a council decided, to who knows no more than the council's id.

It holds the founding document, each change of members with the checkpoint that ended its epoch, a quorum of commits
for one batch, and the Merkle path of one update in it. Where the council seals its checkpoints (``seals``), the file
shows the same by them alone, for a time in which Ed25519 has fallen. No node and no network are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, convert, decode, encode, learn, to_plain
from foedus.base.errors import PeerViolation
from foedus.consensus import merkle
from foedus.consensus.certificates import BadVote, Check, committed, stable
from foedus.consensus.founding import Founding, successor
from foedus.consensus.ledger import Parts, members_id
from foedus.consensus.membership import MEMBERS_MAX, MEMBERS_MIN, Member
from foedus.consensus.messages import Committed, Stable
from foedus.consensus.seals import Sealed, covers, keys_of, sealers
from foedus.consensus.updates import BATCH_UPDATES_MAX, Update
from foedus.crypto.ed25519 import verify
from foedus.identity.record import BadRecord
from foedus.log.event import Id, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foedus.consensus.membership import Membership
    from foedus.consensus.updates import Batch

PROOF_BYTES_MAX = 4 * 1_048_576
"""With seals that is some 200 changes of members with four of them, and 50 with 31."""
EPOCHS_MAX = 1_024
"""Changes of members that one proof can show; each takes some 3 KB with seven members."""


class ProofFailed(PeerViolation):
    """A commit proof proves nothing. The message says which part fails."""

    code = "proof_failed"
    remedy = "ask another member of the council for the proof; this file shows nothing"


class Renewal(Struct, frozen=True, forbid_unknown_fields=True):
    """The end of an epoch: its last checkpoint, the parts of that state's root, and the members whom it names."""

    stable: Stable
    parts: Parts
    members: Annotated[tuple[Member, ...], Meta(min_length=MEMBERS_MIN, max_length=MEMBERS_MAX)]


class CommitProof(Struct, frozen=True, forbid_unknown_fields=True):
    """One update, and all that shows that the council decided it. ``signatures``: of the founders, in their order."""

    v: Annotated[int, Meta(ge=1, le=1)]
    founding: Founding
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MEMBERS_MAX)]
    renewals: Annotated[tuple[Renewal, ...], Meta(max_length=EPOCHS_MAX)]
    certificate: Committed
    update: Update
    index: Annotated[int, Meta(ge=0, lt=BATCH_UPDATES_MAX)]
    count: Annotated[int, Meta(ge=1, le=BATCH_UPDATES_MAX)]
    path: Annotated[tuple[Id, ...], Meta(max_length=merkle.PATH_MAX)]
    sealed: Sealed | None = None

    def encode(self) -> bytes:
        """Return the file."""
        return encode(to_plain(self))


class Proved(NamedTuple):
    """What a proof shows: the update, where it was decided, and which nodes signed that.

    ``signers``: by Ed25519, in ``view`` (nobody, and None, where only seals are believed); ``sealed_by``: by ML-DSA-65.
    ``checkpoint``: the first place that can be sealed and covers it, None where the council seals nothing.
    """

    council: bytes
    name: str
    epoch: int
    view: int | None
    sequence: int
    update: Update
    signers: tuple[bytes, ...]
    members: tuple[bytes, ...]
    sealed_by: tuple[bytes, ...]
    checkpoint: int | None


def make_commit_proof(
    founding: Founding,
    signatures: Sequence[bytes],
    renewals: Iterable[Renewal],
    decided: tuple[Committed, Batch],
    index: int,
    sealed: Sealed | None = None,
) -> CommitProof:
    """Return the proof of one update of a decided batch; raises IndexError where the batch has no such update."""
    certificate, batch = decided
    leaves = [update.id for update in batch.updates]
    path = tuple(merkle.path(leaves, index))
    update, count = batch.updates[index], len(leaves)
    return CommitProof(1, founding, tuple(signatures), tuple(renewals), certificate, update, index, count, path, sealed)


def verify_commit_proof(data: bytes, council: bytes | None = None, *, seals_only: bool = False) -> Proved:
    """Return what a proof shows; raise ProofFailed, naming the part, where it shows nothing.

    ``council``: the id that the verifier expects. Without it the proof says which council it is of, and whether that
    is the one that was meant is left to who reads it. ``seals_only``: believe no Ed25519 signature at all, only hashes
    and the seals; whether the author signed the update is then its sealers' word.
    """
    proof = _read(data)
    if council is not None and proof.founding.id != council:
        raise ProofFailed("it is of another council")
    certificate, update = proof.certificate, proof.update
    membership = _voted(proof) if not seals_only else None
    root = merkle.root_of_path(update.id, proof.index, proof.count, proof.path)
    if root != certificate.digest:
        raise ProofFailed("the update is not in the batch that was decided")
    signers = _signers(proof, membership) if membership is not None else ()
    if update.council != proof.founding.id:
        raise ProofFailed("the update is for another council")
    sealed_by: tuple[bytes, ...] = ()
    if proof.sealed is not None:
        membership, sealed_by = _sealed(proof, proof.sealed)
    if membership is None:
        raise ProofFailed("it is not sealed")
    return Proved(
        proof.founding.id,
        proof.founding.name,
        membership.epoch,
        None if seals_only else certificate.view,
        certificate.sequence,
        update,
        signers,
        tuple(member.node for member in membership.members),
        sealed_by,
        certificate.sequence + -certificate.sequence % membership.interval if proof.founding.seal else None,
    )


def _voted(proof: CommitProof) -> Membership:
    """Return the membership of the batch's epoch, as founders and members signed it by Ed25519."""
    membership = founded(proof.founding, proof.signatures)
    for renewal in proof.renewals:
        membership = renewed(membership, renewal)
    return membership


def _signers(proof: CommitProof, membership: Membership) -> tuple[bytes, ...]:
    """Return who signed the commit, once all of that and the update's own signature hold."""
    certificate, update = proof.certificate, proof.update
    try:
        _require(committed(certificate, membership), "a commit")
    except BadVote as error:
        raise ProofFailed(f"the commits: {error}") from None
    _require([Check(update.device, update.signed(), update.signature)], "the update")
    return tuple(membership.members[vote.member].node for vote in certificate.commits)


def _sealed(proof: CommitProof, sealed: Sealed) -> tuple[Membership, tuple[bytes, ...]]:
    """Return the membership of the batch's epoch and who sealed it, by hashes and seals alone."""
    membership, start = _begun(proof.founding), 0
    if len(sealed.ends) != len(proof.renewals):
        raise ProofFailed("the seals: not every end of an epoch is sealed")
    try:
        keys = keys_of(sealed.keys)
        for renewal, seals in zip(proof.renewals, sealed.ends, strict=True):
            following = _named(membership, renewal)
            sealers(seals, renewal.parts, membership, keys)
            membership, start = following, renewal.parts.sequence
        sealed_by = sealers(sealed.seals, sealed.parts, membership, keys)
    except (BadVote, BadRecord) as error:
        raise ProofFailed(f"the seals: {error}") from None
    certificate = proof.certificate
    if certificate.sequence <= start or not covers(sealed, certificate.sequence, certificate.digest):
        raise ProofFailed("the seals: the batch is not in the chain that they cover")
    return membership, sealed_by


def _read(data: bytes) -> CommitProof:
    if len(data) > PROOF_BYTES_MAX:
        raise ProofFailed("the file is larger than any proof")
    try:
        return convert(decode(data), CommitProof)
    except (NotCanonical, Malformed) as error:
        raise ProofFailed(f"the file is no commit proof: {error}") from None


def _begun(founding: Founding) -> Membership:
    """Return the membership that a founding document names, whoever signed it; raise ProofFailed."""
    try:
        return founding.membership()
    except Malformed as error:
        raise ProofFailed(f"the founding document: {error}") from None


def founded(founding: Founding, signatures: Sequence[bytes]) -> Membership:
    """Return the membership that every founding node signed; raise ProofFailed."""
    membership = _begun(founding)
    if len(signatures) != membership.size:
        raise ProofFailed("not every founding node signed the founding document")
    signed = founding.signed()
    checks = [
        Check(member.ed25519, signed, signature) for member, signature in zip(founding.members, signatures, strict=True)
    ]
    _require(checks, "the founding document")
    return membership


def renewed(membership: Membership, renewal: Renewal) -> Membership:
    """Return the membership that a checkpoint of the former one names; raise ProofFailed where it names none."""
    following = _named(membership, renewal)
    what = f"the end of epoch {membership.epoch}"
    try:
        _require(stable(renewal.stable, membership), what)
    except BadVote as error:
        raise ProofFailed(f"{what}: {error}") from None
    return following


def _named(membership: Membership, renewal: Renewal) -> Membership:
    """Return the membership that the state at the end of an epoch names, whoever signed that; raise ProofFailed."""
    what = f"the end of epoch {membership.epoch}"
    parts = renewal.parts
    is_named = parts.members == members_id(renewal.members)
    is_end = parts.border == parts.sequence == renewal.stable.sequence and parts.root() == renewal.stable.root
    if not (is_named and is_end):
        raise ProofFailed(f"{what}: its state does not name these members")
    try:
        return successor(membership, renewal.members)
    except Malformed as error:
        raise ProofFailed(f"{what}: {error}") from None


def _require(checks: Iterable[Check], what: str) -> None:
    if not all(verify(*check) for check in checks):
        raise ProofFailed(f"{what}: a signature does not hold")


learn(CommitProof)
