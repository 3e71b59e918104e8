"""Crashes at each write in turn, before it reached the disk or right after: of one member, or of all at once."""

from itertools import count

import pytest

from foedus.base.cbor import encode
from tests.consensus.world import MS, SECOND, Faults, World, update_of

UPDATES = 5
DONE = encode(["done", None])
LATER = 4 * SECOND
"""Whoever crashed is back, and one more update is asked for: who has forgotten something decides it elsewhere."""


def play(index, number, fate):
    """Return the world after a crash at the write of that number, and how many writes there were.

    ``index``: whose writes count, and who crashes; None: everybody's, and all crash. The first leader is out of reach
    for a while, so another view opens, and what it missed is history when it is back.
    """
    world = World(9, 4, Faults(delay_ms=(1, 2)), interval=2)
    writes = count(1)
    made = []

    def drawn(host):
        if index not in {None, host.index}:
            return None
        made.append(next(writes))
        if made[-1] != number:
            return None
        for other in world.hosts:
            if index is None and other is not host and other.replica is not None:
                world.crash(other)
        return fate

    world.fate = drawn
    for update in range(UPDATES):
        world.after(update * 20 * MS, lambda update=update: world.ask(world.hosts[2], update_of(update)))
    world.after(50 * MS, lambda: world.cut.update({"0": 1}))
    world.after(SECOND, world.cut.clear)
    world.after(LATER, lambda: world.ask(world.hosts[2], update_of(UPDATES)))
    world.run(LATER + SECOND)
    while world.now < 20 * SECOND and world.check() and not world.failures:
        world.run(world.now + SECOND)
    return world, len(made)


def done(world):
    return sum(results.count(DONE) for results in world.results.values())


@pytest.mark.parametrize("fate", ["lost", "kept"])
@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_member_that_crashes_at_any_write_contradicts_nothing_and_all_is_made(index, fate):
    """The first leader, the second, and one that never leads; who was asked does not crash."""
    for number in count(1):
        world, writes = play(index, number, fate)
        if number > writes:
            break
        assert world.check() == [], number
        assert world.exposed == set(), number
        assert done(world) == UPDATES + 1, number
    assert number > UPDATES


@pytest.mark.parametrize("fate", ["lost", "kept"])
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_a_council_that_loses_its_power_at_any_write_contradicts_nothing_that_was_made(fate, step):
    """What only the memory of the one that was asked held is lost with it."""
    for number in count(1, step):
        world, writes = play(None, number, fate)
        if number > writes:
            break
        assert world.check() == [], number
        assert world.exposed == set(), number
        assert 1 <= done(world) <= UPDATES + 1, number
    assert number > 4 * UPDATES
