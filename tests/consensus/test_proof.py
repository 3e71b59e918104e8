"""Commit proofs with real keys: a stranger believes what was decided, and nothing else."""

from random import Random

import pytest
from msgspec.structs import replace

from foedus.base.cbor import decode, encode
from foedus.base.ids import sha256
from foedus.consensus import ProofFailed, verify_commit_proof
from foedus.consensus.founding import Founding, successor
from foedus.consensus.ledger import Parts, members_id
from foedus.consensus.membership import Member
from foedus.consensus.messages import Committed, Signed, Stable, vote_bytes
from foedus.consensus.proof import Renewal, make_commit_proof
from foedus.consensus.updates import Batch, Update
from foedus.crypto.ed25519 import Ed25519Key

KEYS = {n: Ed25519Key(bytes([n + 1]) * 32) for n in range(6)}
AUTHOR = Ed25519Key(b"a" * 32)


def members(*numbers):
    found = [Member(sha256(b"node", bytes([n])), KEYS[n].public) for n in numbers]
    return tuple(sorted(found, key=lambda it: it.node))


def key_of(member):
    return next(key for key in KEYS.values() if key.public == member.ed25519)


FOUNDING = Founding(1, "harbour", bytes(32), members(0, 1, 2, 3))
FOUNDERS = [key_of(member).sign(FOUNDING.signed()) for member in FOUNDING.members]


def update(number):
    unsigned = Update(FOUNDING.id, "did:key:z1", AUTHOR.public, 9, bytes([number]) * 16, (), b"x", bytes(64))
    return replace(unsigned, signature=AUTHOR.sign(unsigned.signed()))


BATCH = Batch.of(tuple(update(n) for n in range(5)))


def quorum(membership, phase, view, sequence, digest, count=None):
    data = vote_bytes(membership, phase, view, sequence, digest)
    chosen = list(enumerate(membership.members))[: count or membership.quorum]
    return tuple(Signed(index, key_of(member).sign(data)) for index, member in chosen)


def commits(membership, **changed):
    votes = quorum(membership, "commit", 2, 7, BATCH.digest, **changed)
    return Committed(2, 7, BATCH.digest, votes)


def proof(index=3):
    return make_commit_proof(FOUNDING, FOUNDERS, (), (commits(FOUNDING.membership()), BATCH), index)


def renewal(membership, chosen):
    parts = Parts(192, sha256(b"state"), 192, members_id(chosen), sha256(b"made"), sha256(b"chain"))
    votes = quorum(membership, "checkpoint", 0, 192, parts.root())
    return Renewal(Stable(192, parts.root(), votes), parts, chosen)


def test_a_stranger_believes_what_was_decided():
    for index in range(len(BATCH.updates)):
        proved = verify_commit_proof(proof(index).encode(), FOUNDING.id)
        assert proved.update == BATCH.updates[index]
        assert (proved.council, proved.name, proved.epoch, proved.sequence) == (FOUNDING.id, "harbour", 0, 7)
        assert set(proved.signers) <= set(proved.members)
        assert len(proved.signers) == 3


def test_a_proof_of_a_later_epoch_shows_how_it_came():
    founded = FOUNDING.membership()
    chosen = members(1, 2, 3, 4, 5)
    later = successor(founded, chosen)
    file = make_commit_proof(FOUNDING, FOUNDERS, [renewal(founded, chosen)], (commits(later), BATCH), 0)
    proved = verify_commit_proof(file.encode(), FOUNDING.id)
    assert proved.epoch == 1
    assert proved.members == tuple(member.node for member in chosen)
    stolen = renewal(founded, chosen)
    for broken in (
        replace(stolen, members=members(0, 1, 2, 5)),
        replace(stolen, parts=stolen.parts._replace(border=256)),
        replace(stolen, stable=replace(stolen.stable, votes=stolen.stable.votes[:2])),
        replace(stolen, stable=replace(stolen.stable, votes=(*stolen.stable.votes[:2], stolen.stable.votes[0]))),
    ):
        with pytest.raises(ProofFailed, match="end of epoch 0"):
            verify_commit_proof(replace(file, renewals=(broken,)).encode())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda it: replace(it, certificate=commits(FOUNDING.membership(), count=2)), "a quorum is missing"),
        (lambda it: replace(it, certificate=replace(it.certificate, view=1)), "signature does not hold"),
        (lambda it: replace(it, certificate=replace(it.certificate, sequence=8)), "signature does not hold"),
        (lambda it: replace(it, index=2), "not in the batch"),
        (lambda it: replace(it, update=update(9)), "not in the batch"),
        (lambda it: replace(it, path=it.path[1:]), "not in the batch"),
        (lambda it: replace(it, signatures=it.signatures[1:]), "not every founding node"),
        (lambda it: replace(it, signatures=it.signatures[::-1]), "founding document"),
        (lambda it: replace(it, founding=replace(it.founding, name="other")), "founding document"),
    ],
)
def test_a_proof_that_shows_nothing_fails_by_name(changed, why):
    with pytest.raises(ProofFailed, match=why):
        verify_commit_proof(changed(proof()).encode())


def test_one_member_is_counted_once():
    certificate = commits(FOUNDING.membership())
    doubled = replace(certificate, commits=(*certificate.commits[:2], certificate.commits[1]))
    with pytest.raises(ProofFailed, match="counted twice"):
        verify_commit_proof(replace(proof(), certificate=doubled).encode())


def test_another_council_is_not_the_one_that_was_meant():
    with pytest.raises(ProofFailed, match="another council"):
        verify_commit_proof(proof().encode(), bytes(32))


def test_no_changed_byte_passes():
    data, draw = proof().encode(), Random(1)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= draw.randrange(1, 256)
        with pytest.raises(ProofFailed):
            verify_commit_proof(bytes(changed), FOUNDING.id)


@pytest.mark.parametrize("data", [b"", b"\xff", encode([1]), encode({"v": 1}), b"\x00" * 5_000_000])
def test_garbage_is_refused_with_a_reason(data):
    with pytest.raises(ProofFailed):
        verify_commit_proof(data)


def test_a_proof_is_small():
    assert len(proof().encode()) < 2_500
    assert decode(proof().encode())["v"] == 1
