"""What a member need not check, say or vote again, and what it must not spare for that."""

from random import Random

from foedus.base.cbor import encode, to_plain
from foedus.base.ids import sha256
from foedus.consensus import merkle
from foedus.consensus.effects import CheckAgain
from foedus.consensus.messages import NewView, Proposal, Vote, vote_bytes
from foedus.consensus.pace import Pace
from foedus.consensus.updates import Batch
from foedus.crypto.labels import signed_bytes
from tests.consensus.world import MS, SECOND, Faults, World, fake_sign, update_of

MADE = 20


def vote(world, member, phase, sequence, digest):
    key = world.keys.secrets[world.membership.members[member].ed25519]
    data = vote_bytes(world.membership, phase, 0, sequence, digest)
    return Vote(phase, 0, sequence, digest, member, fake_sign(key, data))


def decided(filtered=None):
    """A world in which member 1 made one update without hearing member 3."""
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    world.filter = filtered or (lambda host, other, _message: (host.index, other.index) != (3, 1))
    world.ask(world.hosts[0], update_of(1))
    world.run(SECOND // 20)
    assert world.hosts[1].replica.ledger.sequence == 1
    return world


def test_a_vote_beyond_a_quorum_is_not_checked_but_convicts_its_member_with_another_word():
    world = decided()
    replica = world.hosts[1].replica
    digest = Batch.of([update_of(1)]).digest
    late, other = vote(world, 3, "commit", 1, digest), vote(world, 3, "commit", 1, sha256(b"other"))
    assert not replica.concerns(3, late)
    assert replica.concerns(3, other)
    effects = replica.handle(3, other, world.now)
    assert [it.message for it in effects if isinstance(it, CheckAgain)] == [late]
    assert replica.concerns(3, late)
    world.hosts[1].run(effects)
    world.run(2 * SECOND)
    assert world.exposed == {3}


def test_what_another_brings_in_a_members_name_is_not_put_aside():
    world = decided()
    replica = world.hosts[1].replica
    digest = Batch.of([update_of(1)]).digest
    forged = vote(world, 3, "commit", 1, digest)
    assert not replica.concerns(2, forged)
    effects = replica.handle(3, vote(world, 3, "commit", 1, sha256(b"other")), world.now)
    assert not any(isinstance(it, CheckAgain) for it in effects)


def test_what_does_not_concern_a_member_changes_nothing():
    world = World(3, 4, Faults(delay_ms=(1, 20), duplication=300, loss=100))
    spared = []

    def heard(host, other, message):
        replica = other.replica
        held = replica.ledger.sequence, replica.view, replica.active
        if not replica.concerns(host.index, message):
            effects = replica.handle(host.index, message, world.now)
            assert (replica.ledger.sequence, replica.view, replica.active) == held, message
            assert not [it for it in effects if not isinstance(it, CheckAgain)], (message, effects)
            spared.append(message)
        return True

    world.filter = heard
    for number in range(60):
        world.after(number * 20 * MS, lambda number=number: world.ask(world.hosts[number % 4], update_of(number)))
    world.run(3 * SECOND)
    assert {Vote, Proposal} & {type(message) for message in spared}
    assert not world.failures


def test_an_update_is_told_to_all_once_its_leader_had_time():
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    world.filter = lambda _host, other, _message: other.index != 0
    world.ask(world.hosts[1], update_of(1))
    world.run(50 * MS)
    assert [len(host.replica.pending) for host in world.hosts] == [0, 1, 0, 0]
    world.run(200 * MS)
    assert [len(host.replica.pending) for host in world.hosts] == [0, 1, 1, 1]
    world.run(SECOND)
    assert [host.replica.ledger.sequence for host in world.hosts[1:]] == [1, 1, 1]


def test_a_leader_that_cannot_be_reached_has_less_time():
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    world.filter = lambda _host, other, _message: other.index != 0
    for host in world.hosts[1:]:
        host.replica.away = [0]
    world.ask(world.hosts[1], update_of(1))
    world.run(400 * MS)
    assert [host.replica.ledger.sequence for host in world.hosts[1:]] == [1, 1, 1]


def test_a_new_view_costs_no_votes_for_what_was_made_long_ago():
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    for number in range(MADE):
        world.after(number * 20 * MS, lambda number=number: world.ask(world.hosts[1], update_of(number)))
    world.run(SECOND)
    assert {host.replica.ledger.sequence for host in world.hosts} == {MADE}
    said = []

    def noted(host, _other, message):
        if isinstance(message, Vote) and message.view > 0:
            said.append(message.sequence)
        return host.index != 0

    world.filter = noted
    world.ask(world.hosts[1], update_of(MADE))
    world.run(3 * SECOND)
    assert {host.replica.ledger.sequence for host in world.hosts[1:]} == {MADE + 1}
    assert min(said) > MADE - world.settings.pipeline


def test_who_was_behind_when_a_view_opened_is_given_what_others_do_not_vote_for():
    world = World(0, 4, Faults(delay_ms=(1, 2)))
    world.filter = lambda host, other, _message: 3 not in {host.index, other.index}
    for number in range(MADE):
        world.after(number * 20 * MS, lambda number=number: world.ask(world.hosts[1], update_of(number)))
    world.run(SECOND)
    world.filter = lambda host, other, _message: 0 not in {host.index, other.index}
    world.ask(world.hosts[1], update_of(MADE))
    world.run(20 * SECOND, stop=lambda: world.hosts[3].replica.ledger.sequence == MADE + 1)
    assert world.hosts[3].replica.ledger.sequence == MADE + 1
    assert not world.failures


def test_a_decided_place_takes_no_other_batch_in_a_later_view():
    world = decided(lambda _host, _other, _message: True)
    replica = world.hosts[1].replica
    replica.view = 4
    other = Batch.of([update_of(2)])
    key = world.keys.secrets[world.membership.members[0].ed25519]
    data = vote_bytes(world.membership, "pre-prepare", 4, 1, other.digest)
    proposal = Proposal(Vote("pre-prepare", 4, 1, other.digest, 0, fake_sign(key, data)), other)
    effects = replica.handle(0, proposal, world.now)
    assert not [it for it in effects if isinstance(getattr(it, "message", None), Vote | NewView)]


def test_patience_follows_what_is_slow_and_forgets_it():
    pace = Pace()
    pace.next(0, is_new=True)
    pace.next(300 * MS, is_new=False)
    assert pace.patience == 4 * 300 * MS
    pace.next(9 * SECOND, is_new=True)
    assert pace.patience < 4 * 300 * MS
    for number in range(40):
        pace.next(9 * SECOND + number, is_new=False)
    assert pace.patience < 10 * MS


def test_an_update_signs_all_but_its_signature():
    update = update_of(7)
    plain = to_plain(update)
    del plain["signature"]
    assert update.signed() == signed_bytes("update", encode(plain))


def test_a_tree_whose_leaves_change_has_the_root_of_its_leaves():
    random = Random(5)
    for size in (1, 2, 3, 7, 64, 100):
        leaves = [sha256(b"%d" % number) for number in range(size)]
        tree = merkle.Tree(leaves)
        for _ in range(5):
            changed = {random.randrange(size): random.randbytes(32) for _ in range(random.randrange(4))}
            tree.change(changed)
            for index, value in changed.items():
                leaves[index] = value
            assert tree.root == merkle.root(leaves)
