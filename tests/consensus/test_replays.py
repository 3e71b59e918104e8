"""Words that members said, shown again as something that they did not say; and words that a crash might forget."""

import pytest
from msgspec.structs import replace

from foedus.consensus.certificates import BadVote, checks
from foedus.consensus.messages import (
    Committed,
    Decided,
    Proposal,
    Signed,
    Status,
    ViewChange,
    Vote,
    change_bytes,
    new_view_bytes,
)
from foedus.consensus.updates import Batch
from tests.consensus.attacks import FIRST, OTHER, Stage
from tests.consensus.saying import change, holds, new_view, prepared, signed, vote
from tests.consensus.world import Faults, World

ONE, ANOTHER = Batch.of((FIRST,)), Batch.of((OTHER,))


@pytest.fixture
def world():
    """Four members of whom nobody hears another, so that a test decides what arrives."""
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    world.filter = lambda *_: False
    return world


# --- prepare bytes replayed as commit -------------------------------------------------------------------


def test_prepares_shown_as_commits_commit_nothing(world):
    host = world.hosts[3]
    host.hear(0, Proposal(vote(world, 0, "pre-prepare", 0, 1, ONE.digest), ONE))
    words = [vote(world, 0, "pre-prepare", 0, 1, ONE.digest)]
    words += [vote(world, member, "prepare", 0, 1, ONE.digest) for member in (1, 2)]
    for word in words:
        host.hear(word.member, replace(word, phase="commit"))
    shown = Committed(0, 1, ONE.digest, tuple(Signed(it.member, it.signature) for it in words))
    host.hear(0, Decided(shown, ONE))
    assert world.refused["signature"] == 4
    assert not host.replica._window.get(1).votes("commit", ONE.digest)
    assert host.replica.ledger.sequence == 0
    for member in (0, 1, 2):  # and the true ones count as before
        host.hear(member, vote(world, member, "commit", 0, 1, ONE.digest))
    assert host.replica.ledger.sequence == 1


@pytest.mark.parametrize("phase", ["commit", "pre-prepare", "checkpoint"])
def test_words_of_another_phase_prove_nothing_prepared(world, phase):
    assert holds(world, change(world, 1, 1, [prepared(world, 0, 1)]))
    other = tuple(Signed(it, vote(world, it, phase, 0, 1).signature) for it in (1, 2))
    assert not holds(world, change(world, 1, 1, [replace(prepared(world, 0, 1), prepares=other)]))


# --- votes across epochs and councils; one signer counted twice -------------------------------------------


@pytest.mark.parametrize("changed", [{"council": bytes(32)}, {"epoch": 1}, {"interval": 2}])
def test_a_view_change_or_new_view_of_another_council_or_epoch_does_not_hold(world, changed):
    other = replace(world.membership, **changed)
    moved = change(world, 1, 1)
    assert not holds(world, replace(moved, signature=signed(world, 1, change_bytes(other, moved))))
    opening = new_view(world, 1, [change(world, it, 1) for it in (1, 2, 3)], [])
    assert holds(world, opening)
    data = new_view_bytes(other, 1, opening.changes, ())
    assert not holds(world, replace(opening, signature=signed(world, 1, data)))


def test_a_new_view_or_decision_counts_each_member_once(world):
    twice = [change(world, 1, 1), change(world, 1, 1, [prepared(world, 0, 1)]), change(world, 2, 1)]
    with pytest.raises(BadVote, match="counted twice"):
        checks(new_view(world, 1, twice, [(1, ONE.digest)]), world.membership)
    commits = tuple(Signed(it, vote(world, it, "commit", 0, 1, ONE.digest).signature) for it in (1, 1, 2))
    with pytest.raises(BadVote, match="counted twice"):
        checks(Decided(Committed(0, 1, ONE.digest, commits), ONE), world.membership)


def test_a_member_that_says_all_things_twice_blocks_no_decision():
    stage = Stage()
    stage.only(lambda sender, to, _message: 0 not in {sender, to} and (sender, to) != (3, 1))
    lie, true = (stage.vote("commit", 0, 1, it.digest) for it in (ANOTHER, ONE))
    stage.tell((1, 2, 3), lie, lie, stage.proposal(0, 1, ONE), true, true, lie)
    stage.go_on(20)
    assert stage.hosts[1].replica.ledger.sequence == 1, "3 is not heard here: the liar's true word is the third"
    assert stage.world.exposed == {0}


# --- amnesia after a crash --------------------------------------------------------------------------------


class Listening:
    """What member 2 says, to whomever; nothing arrives."""

    def __init__(self):
        self.stage, self.said = Stage(), []
        self.host = self.stage.hosts[2]
        self.stage.only(self._listen)

    def _listen(self, sender, _to, message):
        if sender == self.host.index:
            self.said.append(message)
        return False

    def votes(self, phase):
        return {(it.view, it.sequence, it.digest) for it in self.said if isinstance(it, Vote) and it.phase == phase}

    def hear(self, *messages):
        for message in messages:
            self.host.hear(0, message)
        self.stage.go_on(20)

    def crash(self):
        self.host.crash()
        self.host.start()
        self.said.clear()


def test_a_member_that_crashed_after_its_vote_says_it_again_and_no_other():
    member = Listening()
    stage = member.stage
    member.hear(stage.proposal(0, 1, ONE))
    assert member.votes("prepare") == {(0, 1, ONE.digest)}
    member.crash()
    others = [vote(stage.world, it, "prepare", 0, 1, ANOTHER.digest) for it in (1, 3)]
    member.hear(stage.proposal(0, 1, ANOTHER), *others, Status(0, True, 0, 0))
    assert member.votes("prepare") == {(0, 1, ONE.digest)}
    assert member.votes("commit") == set()
    assert stage.world.exposed == {0}, "what it remembers convicts the leader"


def test_a_member_that_crashed_after_it_prepared_names_that_in_every_later_view():
    member = Listening()
    member.hear(member.stage.proposal(0, 1, ONE), vote(member.stage.world, 1, "prepare", 0, 1, ONE.digest))
    assert member.votes("commit") == {(0, 1, ONE.digest)}
    for view in (1, 2):
        member.crash()
        member.host.replica._leave(view)
        member.hear(member.stage.proposal(0, 1, ANOTHER))
        changes = [it for it in member.said if isinstance(it, ViewChange)]
        assert {(it.view, *((had.view, had.digest) for had in it.prepared)) for it in changes} == {
            (view, (0, ONE.digest))
        }


def test_a_member_that_crashed_after_it_left_a_view_votes_there_no_more():
    member = Listening()
    member.host.replica._leave(2)
    member.hear()
    assert any(isinstance(it, ViewChange) for it in member.said)
    member.crash()
    member.hear(member.stage.proposal(0, 1, ONE), Status(0, True, 0, 0))
    assert (member.host.replica.view, member.host.replica.active) == (2, False)
    assert member.votes("prepare") == set()
    assert {it.view for it in member.said if isinstance(it, ViewChange)} == {2}


def test_what_a_crash_forgets_was_never_said():
    member = Listening()
    member.host.hear(0, member.stage.proposal(0, 1, ONE))  # the disk has not answered yet
    assert member.said == []
    member.crash()
    member.hear(member.stage.proposal(0, 1, ANOTHER))
    assert member.votes("prepare") == {(0, 1, ANOTHER.digest)}
