"""Sealed commit proofs with real keys: what a council decided is shown when Ed25519 signatures say nothing any more."""

from itertools import islice
from random import Random

import pytest
from msgspec.structs import replace

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.consensus import ProofFailed, verify_commit_proof
from foedus.consensus.founding import Founding, successor
from foedus.consensus.ledger import Parts, linked, members_id
from foedus.consensus.membership import Member
from foedus.consensus.messages import Committed, Signed, Stable, vote_bytes
from foedus.consensus.proof import Renewal, make_commit_proof
from foedus.consensus.seals import Seal, Sealed, seal_bytes
from foedus.consensus.updates import Batch, Update
from foedus.identity.key_line import key_line
from tests.identity.nodes import first, keys, rotate

NAMES = ("a", "b", "c", "d", "e", "f")
HISTORY = {name: (first(name),) for name in NAMES}
HISTORY["d"] = (first("d"), rotate(first("d"), "d", "d2"))
"""This one changed its keys before the council began."""
KEYS = {name: keys("d2" if name == "d" else name) for name in NAMES}
NAME_OF = {HISTORY[name][0].node: name for name in NAMES}
AUTHOR = keys("author").ed25519
GARBAGE = bytes(64)


def members(*names):
    found = [Member(HISTORY[name][0].node, KEYS[name].ed25519.public) for name in names]
    return tuple(sorted(found, key=lambda it: it.node))


FOUNDING = Founding(1, "harbour", bytes(32), members("a", "b", "c", "d"), 4, 8, seal=True)
FOUNDED = FOUNDING.membership()
LATER = successor(FOUNDED, members("b", "c", "d", "e", "f"))


def update(number, signature=None):
    unsigned = Update(FOUNDING.id, "did:key:z1", AUTHOR.public, 9, bytes([number]) * 16, (), b"x", GARBAGE)
    return replace(unsigned, signature=signature or AUTHOR.sign(unsigned.signed()))


BATCH = Batch.of(tuple(update(n) for n in range(3)))
DIGESTS = [sha256(b"batch", bytes([n])) for n in range(1, 41)]
PLACE = 18


def chain_upto(place, digest=BATCH.digest):
    """The chain of a council that made BATCH at PLACE and other batches elsewhere."""
    chain = bytes(32)
    for at, each in enumerate(islice(DIGESTS, place), 1):
        chain = linked(chain, at, digest if at == PLACE else each)
    return chain


def parts_at(place, *, border=None, chosen=None, digest=BATCH.digest):
    named = None if chosen is None else members_id(chosen)
    return Parts(place, sha256(b"state"), border, named, sha256(b"made"), chain_upto(place, digest))


def seal(membership, parts, index, secret=None):
    key = secret or KEYS[NAME_OF[membership.members[index].node]]
    return Seal(index, key.mldsa65.sign(seal_bytes(membership, parts.sequence, parts.root())))


def seals(membership, parts, count=None):
    return tuple(seal(membership, parts, index) for index in range(count or membership.quorum))


def votes(membership, phase, view, sequence, digest):
    data = vote_bytes(membership, phase, view, sequence, digest)
    chosen = islice(enumerate(membership.members), membership.quorum)
    return tuple(Signed(at, KEYS[NAME_OF[it.node]].ed25519.sign(data)) for at, it in chosen)


END = parts_at(16, border=16, chosen=LATER.members)
RENEWAL = Renewal(Stable(16, END.root(), votes(FOUNDED, "checkpoint", 0, 16, END.root())), END, LATER.members)
LINES = tuple(key_line(HISTORY[name]) for name in NAMES)
FOUNDERS = tuple(KEYS[NAME_OF[it.node]].ed25519.sign(FOUNDING.signed()) for it in FOUNDING.members)
CHECKPOINT = parts_at(20)
FIRST_EPOCH = parts_at(20)
"""Of a council whose members never changed."""


def shown(parts, *, ends=(), lines=LINES, count=None, membership=FOUNDED):
    held = seals(membership, parts, count)
    return Sealed(parts, held, chain_upto(PLACE - 1), tuple(DIGESTS[PLACE : parts.sequence]), ends, lines)


def commit(membership, batch=BATCH):
    return Committed(2, PLACE, batch.digest, votes(membership, "commit", 2, PLACE, batch.digest))


def made(membership, renewals, sealed, batch=BATCH):
    return make_commit_proof(FOUNDING, FOUNDERS, renewals, (commit(membership, batch), batch), 1, sealed)


FOUR = tuple(key_line(HISTORY[NAME_OF[it.node]]) for it in FOUNDED.members)
PROOF = made(FOUNDED, (), shown(FIRST_EPOCH, lines=FOUR[:3]))
CHANGED = made(LATER, (RENEWAL,), shown(CHECKPOINT, ends=(seals(FOUNDED, END),), membership=LATER))


@pytest.mark.parametrize("seals_only", [False, True])
@pytest.mark.parametrize(("file", "membership"), [(PROOF, FOUNDED), (CHANGED, LATER)])
def test_a_quorum_of_seals_is_shown_beside_the_votes(file, membership, seals_only):
    proved = verify_commit_proof(file.encode(), FOUNDING.id, seals_only=seals_only)
    assert (proved.council, proved.sequence, proved.epoch) == (FOUNDING.id, PLACE, membership.epoch)
    assert proved.update == BATCH.updates[1]
    assert proved.sealed_by == tuple(it.node for it in membership.members[: membership.quorum])
    assert proved.members == tuple(it.node for it in membership.members)
    assert len(proved.signers) == (0 if seals_only else membership.quorum)


def test_the_update_may_stand_at_the_sealed_checkpoint_itself():
    parts = parts_at(PLACE)
    assert verify_commit_proof(made(FOUNDED, (), shown(parts)).encode(), seals_only=True).sequence == PLACE


def broken(file):
    """The file with every Ed25519 signature in it overwritten."""
    commits = tuple(Signed(it.member, GARBAGE) for it in file.certificate.commits)
    renewals = tuple(
        replace(it, stable=replace(it.stable, votes=tuple(Signed(vote.member, GARBAGE) for vote in it.stable.votes)))
        for it in file.renewals
    )
    certificate, founders = replace(file.certificate, commits=commits), (GARBAGE,) * len(file.signatures)
    return replace(file, signatures=founders, certificate=certificate, renewals=renewals)


@pytest.mark.parametrize(("file", "membership"), [(PROOF, FOUNDED), (CHANGED, LATER)])
def test_with_every_ed25519_signature_broken_it_still_holds_by_seals(file, membership):
    data = broken(file).encode()
    with pytest.raises(ProofFailed, match="founding document: a signature"):
        verify_commit_proof(data, FOUNDING.id)
    proved = verify_commit_proof(data, FOUNDING.id, seals_only=True)
    assert (proved.update, proved.epoch) == (BATCH.updates[1], membership.epoch)
    assert (proved.signers, proved.view) == ((), None)
    assert len(proved.sealed_by) == membership.quorum


def test_not_even_the_authors_signature_is_believed():
    batch = Batch.of((update(0), update(1, GARBAGE)))
    parts = parts_at(20, digest=batch.digest)
    sealed = Sealed(parts, seals(FOUNDED, parts), chain_upto(PLACE - 1), tuple(DIGESTS[PLACE:20]), (), LINES)
    file = made(FOUNDED, (), sealed, batch)
    assert verify_commit_proof(broken(file).encode(), FOUNDING.id, seals_only=True).update == batch.updates[1]
    with pytest.raises(ProofFailed, match="the update: a signature"):
        verify_commit_proof(file.encode(), FOUNDING.id)


def test_who_can_forge_ed25519_alone_puts_no_members_of_its_own_in():
    """It knows every Ed25519 key, and has nodes of its own with all their keys."""
    own = {name: first(name) for name in ("v", "w", "x", "y")}
    chosen = tuple(
        sorted((Member(it.node, keys(name).ed25519.public) for name, it in own.items()), key=lambda it: it.node)
    )
    names = {it.node: name for name, it in own.items()}
    end = parts_at(16, border=16, chosen=chosen)
    renewal = Renewal(Stable(16, end.root(), votes(FOUNDED, "checkpoint", 0, 16, end.root())), end, chosen)
    taken = successor(FOUNDED, chosen)
    lines = (*FOUR, *(key_line((own[names[it.node]],)) for it in chosen))
    data = vote_bytes(taken, "commit", 2, PLACE, BATCH.digest)
    commits = tuple(Signed(at, keys(names[it.node]).ed25519.sign(data)) for at, it in enumerate(chosen))
    parts = parts_at(20)
    last = tuple(seal(taken, parts, at, keys(names[it.node])) for at, it in enumerate(chosen))
    by_strangers = tuple(seal(FOUNDED, end, at, keys(names[it.node])) for at, it in enumerate(chosen))
    by_others = seals(FOUNDED, parts_at(16, border=16, chosen=LATER.members))
    for ends in (by_strangers, by_others, by_others[:2], ()):
        sealed = Sealed(parts, last, chain_upto(PLACE - 1), tuple(DIGESTS[PLACE:20]), (ends,), lines)
        certificate = Committed(2, PLACE, BATCH.digest, commits)
        file = make_commit_proof(FOUNDING, FOUNDERS, (renewal,), (certificate, BATCH), 1, sealed)
        assert verify_commit_proof(replace(file, sealed=None).encode(), FOUNDING.id).members[0] in names
        for seals_only in (False, True):
            with pytest.raises(ProofFailed, match="the seals"):
                verify_commit_proof(file.encode(), FOUNDING.id, seals_only=seals_only)


def test_what_is_sealed_and_chained_is_as_documented():
    bound = [FOUNDING.id, LATER.id, 1, 20, CHECKPOINT.root()]
    assert seal_bytes(LATER, 20, CHECKPOINT.root()) == b"foedus/council-seal/1\x00" + encode(bound)
    assert linked(bytes(32), 258, BATCH.digest) == sha256(bytes(32), b"\0\0\0\0\0\0\x01\x02", BATCH.digest)
    assert CHECKPOINT.root() == sha256(encode(list(CHECKPOINT)))


def test_a_state_that_names_another_place_than_its_chain_reached_shows_nothing():
    parts = FIRST_EPOCH._replace(sequence=21)
    sealed = replace(PROOF.sealed, parts=parts, seals=seals(FOUNDED, parts))
    with pytest.raises(ProofFailed, match="not in the chain"):
        verify_commit_proof(replace(PROOF, sealed=sealed).encode(), seals_only=True)


def resealed(**changed):
    return replace(PROOF, sealed=replace(PROOF.sealed, **changed))


SEALS = PROOF.sealed.seals
FOREIGN = Batch.of((update(7), update(8)))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (resealed(seals=SEALS[:2]), "a quorum is missing"),
        (resealed(seals=(*SEALS[:2], SEALS[1])), "counted twice"),
        (resealed(seals=(*SEALS[:2], Seal(3, SEALS[2].signature))), "does not hold"),
        (resealed(seals=(*SEALS[:2], Seal(30, SEALS[2].signature))), "does not hold"),
        (resealed(seals=seals(FOUNDED, parts_at(24))), "does not hold"),
        (resealed(seals=seals(LATER, FIRST_EPOCH)), "does not hold"),
        (resealed(keys=FOUR[:2]), "does not hold"),
        (resealed(keys=(*FOUR, FOUR[0])), "shown twice"),
        (resealed(keys=tuple(replace(it, steps=()) for it in FOUR)), "does not hold"),
        (resealed(keys=tuple(replace(it, first=b"\xff") for it in FOUR)), "cannot be read"),
        (resealed(before=bytes(32)), "not in the chain"),
        (resealed(digests=PROOF.sealed.digests[:-1]), "not in the chain"),
        (resealed(digests=PROOF.sealed.digests[::-1]), "not in the chain"),
        (resealed(ends=(SEALS,)), "not every end"),
        (replace(CHANGED, sealed=replace(CHANGED.sealed, ends=())), "not every end"),
        (replace(CHANGED, renewals=(replace(RENEWAL, members=FOUNDED.members),)), "does not name these members"),
        (replace(PROOF, certificate=replace(PROOF.certificate, sequence=PLACE + 1)), "not in the chain"),
        (made(FOUNDED, (), PROOF.sealed, FOREIGN), "not in the chain"),
        (replace(PROOF, update=BATCH.updates[0]), "not in the batch"),
        (replace(PROOF, founding=replace(FOUNDING, seal=False)), "another council"),
        (replace(PROOF, sealed=None), "not sealed"),
    ],
)
def test_what_is_not_sealed_is_named(file, why):
    with pytest.raises(ProofFailed, match=why):
        verify_commit_proof(file.encode(), FOUNDING.id, seals_only=True)


def test_a_key_of_another_epoch_of_the_same_node_does_not_seal():
    index = next(at for at, it in enumerate(FOUNDED.members) if NAME_OF[it.node] == "d")
    others = tuple(seal(FOUNDED, FIRST_EPOCH, at) for at in range(4) if at != index)[:2]
    former = seal(FOUNDED, FIRST_EPOCH, index, keys("d"))
    later = rotate(HISTORY["d"][1], "d2", "d3")
    newest = seal(FOUNDED, FIRST_EPOCH, index, keys("d3"))
    ours = [key_line(HISTORY[NAME_OF[it.node]]) for it in FOUNDED.members if NAME_OF[it.node] != "d"]
    for other, line in (
        (former, key_line(HISTORY["d"][:1])),
        (former, key_line(HISTORY["d"])),
        (newest, key_line((*HISTORY["d"], later))),
    ):
        with pytest.raises(ProofFailed, match="does not hold"):
            verify_commit_proof(resealed(seals=(*others, other), keys=(*ours, line)).encode(), seals_only=True)
    true = seal(FOUNDED, FIRST_EPOCH, index)
    fine = resealed(seals=(*others, true), keys=(*ours, key_line(HISTORY["d"])))
    assert len(verify_commit_proof(fine.encode(), seals_only=True).sealed_by) == 3


def test_a_place_of_an_earlier_epoch_is_not_shown_as_one_of_this():
    """The chain runs through all epochs: a place before the border would be in it."""
    parts = parts_at(20)
    early = Batch.of((update(4),))
    place = 15
    chain = bytes(32)
    for at, each in enumerate(DIGESTS[: place - 1], 1):
        chain = linked(chain, at, each)
    before, digests = chain, [*DIGESTS[place:20]]
    for at, each in enumerate([early.digest, *digests], place):
        chain = linked(chain, at, each)
    parts = parts._replace(chain=chain)
    sealed = Sealed(parts, seals(LATER, parts), before, tuple(digests), (seals(FOUNDED, END),), LINES)
    certificate = Committed(2, place, early.digest, ())
    file = make_commit_proof(FOUNDING, FOUNDERS, (RENEWAL,), (certificate, early), 0, sealed)
    with pytest.raises(ProofFailed, match="not in the chain"):
        verify_commit_proof(file.encode(), seals_only=True)


def told(proved):
    return proved._replace(update=proved.update.id)


@pytest.mark.parametrize("step", [101, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("seals_only", [False, True])
def test_no_changed_byte_shows_anything_else(seals_only, step):
    """Votes are bytes that nobody looks at where only seals are believed; all else is bound by them."""
    data, draw = PROOF.encode(), Random(1)
    wanted = told(verify_commit_proof(data, FOUNDING.id, seals_only=seals_only))
    passed = 0
    for place in range(0, len(data), step):
        changed = bytearray(data)
        changed[place] ^= draw.randrange(1, 256)
        try:
            proved = verify_commit_proof(bytes(changed), FOUNDING.id, seals_only=seals_only)
        except ProofFailed:
            continue
        assert seals_only
        assert told(proved) == wanted
        passed += 1
    assert passed <= (len(FOUNDERS) + FOUNDED.quorum) * 64 + 80 if seals_only else not passed


def test_garbage_in_place_of_seals_is_refused_with_a_reason():
    for sealed in (1, [], {}, {"parts": []}):
        plain = {"v": 1, "sealed": sealed}
        with pytest.raises(ProofFailed, match="no commit proof"):
            verify_commit_proof(encode(plain), seals_only=True)


def test_a_sealed_proof_is_some_24_kb():
    assert len(PROOF.encode()) < 30_000
