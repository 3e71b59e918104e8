"""Members that see things in another order: watermarks that move late, a view opened in two ways, or falsely."""

import pytest

from foedus.consensus.messages import Decided, Stable
from foedus.consensus.updates import Batch
from tests.consensus.attacks import FIRST, OTHER, Stage, _left
from tests.consensus.saying import change, holds, new_view
from tests.consensus.world import MS, SECOND, Faults, World, update_of


@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize("updates", [5, 20])
def test_a_member_whose_watermark_moves_late_goes_on_in_the_same_view(late, updates):
    """To it, what the others propose and vote on lies beyond the high mark; as the leader it stops there itself."""
    world = World(8, 4, Faults(delay_ms=(1, 2)), interval=2)
    world.filter = lambda _host, other, message: other.index != late or not _moves_on(message)
    for number in range(updates):
        world.after(number * 20 * MS, lambda number=number: world.ask(world.hosts[1], update_of(number)))
    world.run(updates * 20 * MS + 20 * MS)
    held = world.hosts[late].replica
    assert (held.stable, held.ledger.sequence) == (None, world.membership.window)
    assert world.hosts[1].replica.stable is not None
    world.filter = None
    world.run(world.now + 10 * SECOND)
    assert world.check() == []
    assert {host.replica.view for host in world.hosts} == {0}
    assert sum(len(world.results[place]) for place in world.results) == updates


def _moves_on(message):
    return isinstance(message, Stable | Decided) or getattr(message, "phase", "") == "checkpoint"


def test_a_leader_that_opens_its_view_in_two_ways_splits_nobody():
    """Member 0 leads view 4. What 1 alone prepared is in the new view that 1 sees, and not in that of 2 and 3."""
    stage = Stage()
    one, other = Batch.of((FIRST,)), Batch.of((OTHER,))
    stage.only(lambda sender, to, _message: (sender, to) == (2, 1))
    stage.tell((1, 2), stage.proposal(0, 1, one))
    stage.go_on(20)
    stage.only(lambda *_: False)
    for host in stage.hosts[1:]:
        host.run(_left(host.replica, 4))
    honest = [host.replica._change for host in stage.hosts[1:]]
    assert [[it.digest for it in said.prepared] for said in honest] == [[one.digest], [], []]
    shown = new_view(stage.world, 4, honest, [(1, one.digest)])
    hidden = new_view(stage.world, 4, [change(stage.world, 0, 4), *honest[1:]], [])
    assert holds(stage.world, shown)
    assert holds(stage.world, hidden)
    stage.only(lambda sender, to, _message: {sender, to} == {2, 3})
    stage.tell((1,), shown, stage.vote("commit", 4, 1, one.digest))
    stage.tell((2, 3), hidden, stage.proposal(4, 1, other), stage.vote("commit", 4, 1, other.digest))
    stage.go_on(50)
    assert [host.replica.ledger.sequence for host in stage.hosts[1:]] == [0, 1, 1]
    assert stage.hosts[1].replica._window.get(1).accepted.digest == one.digest
    assert stage.end().check() == []
    assert stage.world.decided[1] == other.digest


def test_a_decision_outlives_a_leader_whose_new_view_drops_it():
    """Member 1 alone decided; member 0 leads view 4 and puts something else in that place."""
    stage = Stage()
    one, other = Batch.of((FIRST,)), Batch.of((OTHER,))
    stage.only(lambda _sender, to, message: to == 1 or getattr(message, "phase", "") == "prepare")
    stage.tell((1, 2, 3), stage.proposal(0, 1, one))
    stage.go_on(20)
    assert [host.replica.ledger.sequence for host in stage.hosts[1:]] == [1, 0, 0]
    stage.only(lambda *_: False)
    for host in stage.hosts[1:]:
        host.run(_left(host.replica, 4))
    changes = [host.replica._change for host in stage.hosts[1:]]
    for digests in ([], [(1, other.digest)]):
        stage.tell((1, 2, 3), new_view(stage.world, 4, changes, digests), stage.proposal(4, 1, other))
    stage.tell((1, 2, 3), *(stage.vote(phase, 4, 1, other.digest) for phase in ("prepare", "commit")))
    assert stage.world.refused["a new view does not propose what its view-changes leave open"] == 6
    assert not any(host.replica.active for host in stage.hosts[1:])
    assert stage.end().check() == []
    assert stage.world.decided[1] == one.digest
