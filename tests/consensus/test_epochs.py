"""The end of an epoch, on the virtual clock: all members come to the same border, state and members, or to none."""

from random import Random

import pytest

from foedus.base.cbor import encode, to_plain
from foedus.base.ids import sha256
from foedus.consensus.board import Board, next_ledger
from foedus.consensus.founding import successor
from foedus.consensus.line import Line
from foedus.consensus.machine import KeyValue
from foedus.consensus.proof import ProofFailed
from foedus.consensus.updates import Update
from tests.consensus.test_proof import FOUNDING, members, renewal
from tests.consensus.world import COUNCIL, MS, SECOND, Faults, World, fake_sign, membership_of, update_of

FIVE = membership_of(5, interval=8)


def wish(world, number, without):
    """What member ``number`` asks: to go on without another."""
    key = next(s for p, s in world.keys.secrets.items() if p == FIVE.members[number].ed25519)
    left = [to_plain(member) for member in FIVE.members if member != FIVE.members[without]]
    command = encode({"op": "renew", "members": left, "consents": []})
    name = f"member {number} wishes"
    fields = (COUNCIL, name, FIVE.members[number].ed25519, 900, sha256(name.encode())[:16], (), command)
    return Update(*fields, fake_sign(key, Update(*fields, bytes(64)).signed()))


@pytest.mark.parametrize("seed", range(6))
def test_an_epoch_ends_alike_at_all_members(seed):
    faults = Faults(loss=60, duplication=60, delay_ms=(1, 30), crash=20)
    world = World(seed, 5, faults, machine=lambda: Board(KeyValue(), FIVE), interval=8)
    draw = Random(seed)
    for number in range(20):
        world.after(number * 20 * MS, lambda n=number: world.ask(draw.choice(world.hosts), update_of(n)))
    for index in range(4):
        for again in range(20):  # who lives asks
            world.after(
                (200 + 300 * again) * MS, lambda index=index: world.ask(world.hosts[index], wish(world, index, 4))
            )
    world.run(4 * SECOND)
    world.heal()
    world.run(40 * SECOND, stop=lambda: len(world.renewed) == 5)
    assert world.failures == []
    assert len(world.renewed) == 5
    ends = {(it.members, it.certificate.sequence, it.certificate.root) for it in world.renewed.values()}
    assert len(ends) == 1
    ((chosen, border, root),) = ends
    assert border % 8 == 0
    assert [member.node for member in chosen] == [member.node for member in FIVE.members[:4]]
    ledgers = [host.replica.ledger for host in world.hosts]
    assert {ledger.sequence for ledger in ledgers} == {border}
    assert {ledger.root() for ledger in ledgers} == {root}
    following = [next_ledger(ledger, successor(FIVE, chosen)) for ledger in ledgers]
    assert len({ledger.root() for ledger in following}) == 1
    assert following[0].sequence == border
    assert following[0].border is None


def test_what_was_made_in_one_epoch_is_not_made_again_in_the_next():
    world = World(0, 5, machine=lambda: Board(KeyValue(), FIVE), interval=8)
    asked = update_of(1, until=700)
    world.ask(world.hosts[0], asked)
    for index in range(4):
        world.ask(world.hosts[index], wish(world, index, 4))
    world.run(10 * SECOND, stop=lambda: len(world.renewed) == 5)
    ended = world.hosts[0].replica.ledger
    chosen = world.renewed["0"].members
    assert next_ledger(ended, successor(FIVE, chosen)).is_over(asked)


def test_a_line_takes_no_end_that_is_none():
    line = Line(FOUNDING)
    end = renewal(line.current, members(1, 2, 3, 4, 5))
    longer = line.extended([end])
    assert (line.current.epoch, longer.current.epoch, longer.start) == (0, 1, 192)
    assert longer.before(192) == []
    assert longer.before(193) == [end]
    for lie in ([end, end], [renewal(longer.current, members(1, 2, 3, 4))]):  # the second ends where it begins
        with pytest.raises(ProofFailed):
            (line if len(lie) == 2 else longer).extended(lie)
    node = members(4)[0].node
    assert longer.has_been(node, 0)
    assert not line.has_been(node, 0)
    assert longer.has_been_without(members(0)[0].node, 0)
