"""Twins (Bano et al., OPODIS 2021): a member runs twice with one key, and every round has its own partition.

Leaders follow from the views; partitions are enumerated. A twin says to each side what an honest member would say
there, so it equivocates in every way that the protocol knows. With at most f doubled, safety must hold.
"""

from itertools import islice, product
from random import Random

import pytest

from foedus.consensus.membership import Membership
from tests.consensus.world import MS, SECOND, Faults, Host, World, update_of

ROUNDS = 3
ROUND_MS = 60


def partitions(names):
    """Yield all ways to part names in two, among them not at all: name → side."""
    first, *others = names
    for sides in product((0, 1), repeat=len(others)):
        yield {first: 0, **dict(zip(others, sides, strict=True))}


def scenarios(doubled):
    """Return every sequence of partitions, one a round, in an order that a seed shuffles."""
    names = ["0", "1", "2", "3", *(f"{index}'" for index in doubled)]
    every = list(product(partitions(names), repeat=ROUNDS)) if len(doubled) == 1 else None
    draw = Random(f"twins {doubled}")
    if every is not None:
        draw.shuffle(every)
        yield from every
    parts = list(partitions(names))
    while True:
        yield tuple(draw.choice(parts) for _ in range(ROUNDS))


def play(doubled, rounds):
    """Return the world after a scenario: in each round both sides are asked for something, then all leave the view."""
    world = World(0, 4, Faults(delay_ms=(1, 2)), interval=2)
    for index in doubled:
        twin = Host(world, index, f"{index}'")
        world.hosts.append(twin)
        world.hosts[index].is_liar = twin.is_liar = True
    for number, sides in enumerate(rounds):
        world.cut = dict(sides)
        for host in world.hosts:
            world.ask(host, update_of(2 * number + sides[host.name]))
        world.run(world.now + ROUND_MS * MS)
        for host in world.hosts:
            leave(host)
    world.cut = {}
    world.run(world.now + 3 * SECOND)
    return world


def leave(host):
    replica = host.replica
    replica._leave(replica.view + 1)
    effects, replica._effects = replica._effects, []
    host.run(effects)


@pytest.mark.parametrize("doubled", [(0,), (1,), (2,), (3,)])
def test_one_twin_of_four_never_splits_them(doubled):
    for rounds in islice(scenarios(doubled), 15):
        world = play(doubled, rounds)
        assert not world.failures, (doubled, rounds, world.failures)


@pytest.mark.soak
@pytest.mark.parametrize("doubled", [(0,), (1,), (2,), (3,)])
def test_one_twin_of_four_never_splits_them_however_they_are_parted(doubled):
    for rounds in islice(scenarios(doubled), 4_096):
        world = play(doubled, rounds)
        assert not world.failures, (doubled, rounds, world.failures)


def test_more_twins_than_a_council_bears_split_it():
    assert any(play((0, 1), rounds).failures for rounds in islice(scenarios((0, 1)), 200))


def test_one_twin_splits_a_council_whose_quorum_is_too_small(monkeypatch):
    monkeypatch.setattr(Membership, "quorum", property(lambda it: (it.size + it.faults + 2) // 2 - 1))
    assert any(play((0,), rounds).failures for rounds in islice(scenarios((0,)), 200))
