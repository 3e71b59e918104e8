"""What members of a test's council say, signed by whom it is to come from: honest or not."""

from msgspec.structs import replace

from foedus.base.ids import sha256
from foedus.consensus.certificates import checks
from foedus.consensus.messages import (
    NewView,
    Prepared,
    Signed,
    ViewChange,
    Vote,
    change_bytes,
    new_view_bytes,
    vote_bytes,
)
from tests.consensus.world import fake_sign

DIGEST = sha256(b"one")


def signed(world, member, data):
    return fake_sign(world.keys.secrets[world.membership.members[member].ed25519], data)


def vote(world, member, phase, view, sequence, digest=DIGEST):
    data = vote_bytes(world.membership, phase, view, sequence, digest)
    return Vote(phase, view, sequence, digest, member, signed(world, member, data))


def prepared(world, view, sequence, digest=DIGEST, members=(1, 2)):
    leader = world.membership.leader(view)
    votes = tuple(Signed(it, vote(world, it, "prepare", view, sequence, digest).signature) for it in members)
    return Prepared(view, sequence, digest, vote(world, leader, "pre-prepare", view, sequence, digest).signature, votes)


def change(world, member, view, certificates=(), stable=None):
    unsigned = ViewChange(view, stable, tuple(certificates), member, bytes(64))
    return replace(unsigned, signature=signed(world, member, change_bytes(world.membership, unsigned)))


def new_view(world, view, changes, digests=()):
    leader = world.membership.leader(view)
    votes = tuple(vote(world, leader, "pre-prepare", view, place, digest) for place, digest in digests)
    changes = tuple(changes)
    return NewView(view, changes, votes, signed(world, leader, new_view_bytes(world.membership, view, changes, votes)))


def holds(world, message):
    return all(world.keys.holds(check) for check in checks(message, world.membership))
