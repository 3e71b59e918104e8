"""Known ways in which implementations of PBFT went wrong, each by its name."""

from collections import Counter

import pytest
from msgspec.structs import replace

from foedus.base.ids import sha256
from foedus.consensus.certificates import BadVote, checks
from foedus.consensus.changing import Start, check_new_view
from foedus.consensus.effects import Diverged, Exposed, Send
from foedus.consensus.machine import KeyValue
from foedus.consensus.messages import (
    NewView,
    Proposal,
    Signed,
    Stable,
    Vote,
    vote_bytes,
)
from foedus.consensus.updates import NOTHING, Batch
from foedus.consensus.window import Slot
from tests.consensus.attacks import FIRST, OTHER, Stage
from tests.consensus.saying import DIGEST, change, holds, new_view, prepared, signed, vote
from tests.consensus.world import MS, SECOND, Faults, World, membership_of, update_of

MEMBERSHIP = membership_of(4)
ANOTHER = sha256(b"other")
START = Start(0, MEMBERSHIP.window)


@pytest.fixture
def world():
    return World(0, 4, Faults(delay_ms=(1, 2)))


# --- certificates -------------------------------------------------------------------------------------


def test_a_new_view_that_drops_a_prepared_certificate_is_refused(world):
    changes = [change(world, 1, 1), change(world, 2, 1, [prepared(world, 0, 1)]), change(world, 3, 1)]
    honest = new_view(world, 1, changes, [(1, DIGEST)])
    assert holds(world, honest)
    assert check_new_view(honest, START).digests == [(1, DIGEST)]
    for digests in ([], [(1, NOTHING.digest)], [(1, ANOTHER)], [(1, DIGEST), (2, NOTHING.digest)]):
        with pytest.raises(BadVote, match="does not propose"):
            check_new_view(new_view(world, 1, changes, digests), START)


def test_of_two_certificates_for_a_place_the_later_view_holds_and_gaps_are_empty(world):
    old, new = prepared(world, 0, 3, DIGEST), prepared(world, 4, 3, ANOTHER)
    changes = [change(world, 1, 5, [old]), change(world, 2, 5, [new]), change(world, 3, 5)]
    empty = NOTHING.digest
    wanted = [(1, empty), (2, empty), (3, ANOTHER)]
    assert check_new_view(new_view(world, 5, changes, wanted), START).digests == wanted


def test_an_invalid_certificate_masks_no_valid_one(world):
    forged = replace(prepared(world, 0, 1), digest=ANOTHER)
    liar = change(world, 1, 1, [forged])
    assert not holds(world, liar)
    host = world.hosts[2]
    host.hear(1, liar)
    host.hear(1, change(world, 1, 1, [prepared(world, 0, 1)]))
    host.hear(3, change(world, 3, 1))
    assert host.replica.view == 1  # f + 1 left: the valid ones
    assert {it.member for it in host.replica._changes.of_view(1)} == {1, 2, 3}


@pytest.mark.parametrize("members", [(1, 1), (1, 0), (1,), ()])
def test_a_prepared_certificate_counts_each_member_once_and_the_leader_as_such(world, members):
    with pytest.raises(BadVote):
        checks(change(world, 1, 1, [prepared(world, 0, 1, members=members)]), world.membership)


@pytest.mark.parametrize("members", [(0, 1, 1), (0, 1), (0, 1, 7)])
def test_a_checkpoint_counts_each_member_once(world, members):
    votes = tuple(Signed(it, bytes(64)) for it in members)
    with pytest.raises(BadVote):
        checks(Stable(64, DIGEST, votes), world.membership)


def test_a_view_change_cannot_claim_what_lies_beyond_the_watermarks_or_in_its_own_view(world):
    far = START.window + 1
    with pytest.raises(BadVote, match="watermarks"):
        world.hosts[2].replica.handle(1, change(world, 1, 1, [prepared(world, 0, far)]), 0)
    with pytest.raises(BadVote, match="earlier view"):
        checks(change(world, 1, 4, [prepared(world, 4, 1)]), world.membership)
    with pytest.raises(BadVote, match="in order"):
        checks(change(world, 1, 1, [prepared(world, 0, 2), prepared(world, 0, 1)]), world.membership)


# --- votes --------------------------------------------------------------------------------------------


def test_a_vote_is_counted_by_its_member_not_by_the_bytes_of_its_signature(world):
    slot = Slot(1)
    slot.count(vote(world, 1, "commit", 0, 1))
    slot.count(replace(vote(world, 1, "commit", 0, 1), signature=bytes(64)))
    assert set(slot.votes("commit", DIGEST)) == {1}


def test_a_vote_for_something_else_blocks_no_certificate(world):
    slot = Slot(1)
    assert slot.count(vote(world, 1, "commit", 0, 1, ANOTHER)) is None
    assert slot.count(vote(world, 1, "commit", 0, 1)).digest == ANOTHER
    assert slot.count(vote(world, 1, "commit", 0, 1, sha256(b"third"))) is not None
    assert set(slot.votes("commit", DIGEST)) == {1}
    assert set(slot.votes("commit", sha256(b"third"))) == set()


@pytest.mark.parametrize("field", ["council", "epoch", "interval"])
def test_a_vote_of_another_council_or_epoch_does_not_hold(world, field):
    other = replace(world.membership, **{field: {"council": bytes(32), "epoch": 1, "interval": 2}[field]})
    data = vote_bytes(other, "commit", 0, 1, DIGEST)
    stray = Vote("commit", 0, 1, DIGEST, 1, signed(world, 1, data))
    assert not holds(world, stray)


def test_who_says_it_is_shown_by_the_signature_alone(world):
    claimed = replace(vote(world, 1, "commit", 0, 1), member=2)
    assert not holds(world, claimed)
    relayed = vote(world, 1, "prepare", 0, 1)
    world.hosts[3].hear(2, relayed)  # 2 brings what 1 said: it is 1 who is counted
    assert set(world.hosts[3].replica._window.get(1).votes("prepare", DIGEST)) == {1}


def test_a_leader_that_proposes_two_batches_is_exposed_and_decides_neither_twice(world):
    one, other = Batch.of((FIRST,)), Batch.of((OTHER,))
    for host, batch in zip(world.hosts[1:], (one, one, other), strict=True):
        host.hear(0, Proposal(vote(world, 0, "pre-prepare", 0, 1, batch.digest), batch))
    effects = world.hosts[1].replica.handle(0, Proposal(vote(world, 0, "pre-prepare", 0, 1, other.digest), other), 0)
    exposed = next(it for it in effects if isinstance(it, Exposed))
    assert {exposed.first.digest, exposed.second.digest} == {one.digest, other.digest}
    assert all(holds(world, Proposal(it, batch)) for it, batch in ((exposed.first, one), (exposed.second, other)))
    assert world.hosts[1].replica._window.get(1).accepted.digest == one.digest


def test_a_leader_that_opens_its_view_in_two_ways_is_exposed(world):
    first = [change(world, it, 1) for it in (0, 1, 2)]
    second = [change(world, it, 1, [prepared(world, 0, 1, members=(1, 2))] if it == 2 else []) for it in (0, 2, 3)]
    replica = world.hosts[3].replica
    replica.handle(1, new_view(world, 1, first, []), 0)
    assert replica.active
    effects = replica.handle(1, new_view(world, 1, second, [(1, DIGEST)]), 0)
    assert any(isinstance(it, Exposed) for it in effects)


# --- views and watermarks -----------------------------------------------------------------------------


def test_an_old_view_change_moves_nobody_back(world):
    replica = world.hosts[3].replica
    for member in (0, 1):
        replica.handle(member, change(world, member, 5), 0)
    assert (replica.view, replica.active) == (5, False)
    for member in (0, 1, 2):
        replica.handle(member, change(world, member, 2), 0)
    replica.handle(2, new_view(world, 2, [change(world, it, 2) for it in (0, 1, 2)], []), 0)
    assert (replica.view, replica.active) == (5, False)


def test_one_member_alone_moves_nobody(world):
    replica = world.hosts[3].replica
    for view in range(1, 200):
        replica.handle(0, change(world, 0, view), 0)
    assert (replica.view, replica.active) == (0, True)


def test_a_proposal_beyond_the_watermarks_is_not_taken_and_the_high_mark_stops_nobody():
    stage = Stage()
    window = stage.world.membership.window
    far, high = Batch.of((FIRST,)), Batch.of((OTHER,))
    stage.tell((1, 2, 3), stage.proposal(0, window + 1, far), stage.proposal(0, window, high))
    for host in stage.hosts[1:]:
        assert host.replica._window.get(window + 1) is None
        assert host.replica._window.get(window).accepted is not None
    stage.only(lambda sender, _to, _message: sender != 0)  # the leader leaves a hole and is gone
    stage.ask((1, 2, 3), update_of(9))
    stage.world.run(20 * SECOND)
    made = {host.replica.ledger.sequence for host in stage.hosts[1:]}
    assert made == {window + 1}, "the places before it are empty, the one that was prepared holds"
    assert stage.world.decided[window] == high.digest


def test_members_parted_between_two_views_come_together_again():
    world = World(3, 4, Faults(delay_ms=(1, 2)))
    world.cut = {"0": 1}
    world.filter = lambda _host, other, message: other.index == 1 or not isinstance(message, NewView)
    for host in world.hosts[1:]:
        world.ask(host, FIRST)
    world.run(900 * MS)
    assert any(not host.replica.active for host in world.hosts)
    world.filter = None
    world.heal()
    world.run(60 * SECOND)
    assert world.check() == []
    assert {host.replica.ledger.sequence for host in world.hosts} == {1}


def test_views_that_nobody_can_open_make_no_storm():
    world = World(4, 4, Faults(delay_ms=(1, 2)))
    world.cut = {"0": 0, "1": 0, "2": 1, "3": 1}
    for host in world.hosts:
        world.ask(host, FIRST)
    world.run(60 * SECOND)
    assert max(host.replica.view for host in world.hosts) == 1, "without a quorum no view's time runs"
    sent = Counter(world.sent)
    assert sent["ViewChange"] < 100 * 60
    world.heal()
    world.run(world.now + 10 * SECOND)
    assert world.check() == []


# --- checkpoints --------------------------------------------------------------------------------------


class Drifting(KeyValue):
    """A machine that is not deterministic: some instance comes to another state."""

    broken = False

    def root(self):
        return sha256(b"drifted", super().root()) if self.broken else super().root()


def test_a_member_whose_state_differs_votes_no_more_until_it_has_that_of_a_quorum():
    world = World(5, 4, Faults(delay_ms=(1, 2)), machine=Drifting, interval=2)
    world.hosts[3].replica.ledger.machine.broken = True
    seen = []
    leave = world.hosts[3].leave

    def watched(group):
        seen.extend(it for effects in group for it in effects if isinstance(it, Diverged))
        leave([[it for it in effects if not isinstance(it, Diverged)] for effects in group])

    world.hosts[3].leave = watched
    for number in range(6):
        world.after(number * 50 * MS, lambda number=number: world.ask(world.hosts[0], update_of(number)))
    world.run(10 * SECOND)
    assert seen
    assert seen[0].ours != seen[0].theirs
    assert world.check() == []
    assert not world.hosts[3].replica.diverged


def test_a_partition_on_the_border_of_a_checkpoint_loses_nothing():
    world = World(6, 4, Faults(delay_ms=(1, 2)), interval=2)
    world.filter = lambda _host, _other, message: getattr(message, "phase", "") != "checkpoint"
    for number in range(3):
        world.after(number * 40 * MS, lambda number=number: world.ask(world.hosts[0], update_of(number)))
    world.after(150 * MS, lambda: world.cut.update({"3": 1}))
    world.run(200 * MS)
    world.filter = None
    for number in range(3, 20):
        world.after(number * 40 * MS, lambda number=number: world.ask(world.hosts[0], update_of(number)))
    world.run(3 * SECOND)
    assert world.hosts[3].replica.ledger.sequence < world.hosts[0].replica.stable.sequence
    world.heal()
    world.run(world.now + 20 * SECOND)
    assert world.check() == []
    assert world.sent["HaveState"] >= 1, "what it missed is no longer there as decisions"


def test_what_is_illegal_changes_nothing(world):
    replica = world.hosts[3].replica
    before = (replica.view, replica.active, replica.ledger.root(), replica.next_deadline())
    bare = vote(world, 0, "pre-prepare", 0, 1)
    bad_opening = new_view(world, 1, [change(world, it, 1) for it in (0, 1, 2)], [(1, DIGEST)])
    for message in (bare, bad_opening):
        with pytest.raises(BadVote):
            replica.handle(0, message, 0)
    assert (replica.view, replica.active, replica.ledger.root(), replica.next_deadline()) == before
    assert [it for it in replica.on_deadline(1) if isinstance(it, Send)]
