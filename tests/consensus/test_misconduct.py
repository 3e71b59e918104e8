"""What convicts a member, and what does not."""

import pytest
from msgspec.structs import replace

from foedus.consensus.effects import Exposed
from foedus.consensus.founding import successor
from foedus.consensus.messages import NewView, Vote, new_view_bytes, vote_bytes
from foedus.consensus.misconduct import contradiction_of, make_misconduct, verify_misconduct
from foedus.consensus.proof import ProofFailed
from tests.consensus.test_proof import FOUNDERS, FOUNDING, key_of, members, renewal

MEMBERSHIP = FOUNDING.membership()


def vote(digest, phase="commit", view=3, sequence=7, index=1, membership=MEMBERSHIP):
    data = vote_bytes(membership, phase, view, sequence, digest)
    return Vote(phase, view, sequence, digest, index, key_of(membership.members[index]).sign(data))


def opening(places):
    votes = tuple(vote(b"d" * 32, "pre-prepare", 5, place) for place in places)
    signed = new_view_bytes(MEMBERSHIP, 5, (), votes)
    return NewView(5, (), votes, key_of(MEMBERSHIP.members[MEMBERSHIP.leader(5)]).sign(signed))


def file(first, second, membership=MEMBERSHIP, renewals=()):
    return make_misconduct(FOUNDING, FOUNDERS, renewals, contradiction_of(Exposed(first, second), membership))


def test_two_words_of_one_place_convict_their_member():
    convicted = verify_misconduct(file(vote(b"a" * 32), vote(b"b" * 32)).encode(), FOUNDING.id)
    assert convicted == (FOUNDING.id, "harbour", MEMBERSHIP.members[1].node, 0, 3, 7, "commit")


def test_a_view_opened_in_two_ways_convicts_its_leader():
    convicted = verify_misconduct(file(opening([1]), opening([1, 2])).encode())
    assert convicted.node == MEMBERSHIP.members[MEMBERSHIP.leader(5)].node
    assert (convicted.view, convicted.sequence, convicted.said) == (5, None, "new-view")


def test_a_member_of_a_later_epoch_is_convicted_by_the_keys_of_that_epoch():
    end = renewal(MEMBERSHIP, members(1, 2, 3, 4, 5))
    later = successor(MEMBERSHIP, end.members)
    shown = file(vote(b"a" * 32, membership=later), vote(b"b" * 32, membership=later), later, [end])
    assert verify_misconduct(shown.encode()).epoch == 1
    with pytest.raises(ProofFailed, match="an epoch or a member"):
        verify_misconduct(replace(shown, renewals=()).encode())


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (vote(b"a" * 32), vote(b"a" * 32), "are one"),
        (vote(b"a" * 32), vote(b"b" * 32, sequence=8), "two places"),
        (vote(b"a" * 32), vote(b"b" * 32, view=4), "two places"),
        (vote(b"a" * 32, "prepare"), vote(b"b" * 32), "two places"),
        (vote(b"a" * 32), replace(vote(b"b" * 32), signature=bytes(64)), "not signed by that member"),
        (vote(b"a" * 32, index=2), vote(b"b" * 32), "not signed by that member"),
    ],
)
def test_what_contradicts_nothing_convicts_nobody(first, second, why):
    with pytest.raises(ProofFailed, match=why):
        verify_misconduct(file(first, second).encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80", b"\x00" * 5_000_000])
def test_garbage_convicts_nobody(data):
    with pytest.raises(ProofFailed):
        verify_misconduct(data)
