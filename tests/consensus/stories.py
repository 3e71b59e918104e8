"""Random stories of a council from a seed: loss, delay, duplication, partitions, crashes at writes, up to f liars."""

from random import Random

from tests.consensus.liars import LIARS
from tests.consensus.world import MS, SECOND, Faults, World, update_of

SIZES = (4, 4, 4, 5, 6, 7, 10)
HEALING_S = 90
"""Virtual seconds: after trouble a view's patience may have been doubled some times."""


def story(seed, size=None, trouble_s=6, **made_of):
    """Return the world after a story with ``trouble_s`` seconds of trouble; what is wrong is in its ``failures``."""
    random = Random(f"story {seed}")
    size = size or random.choice(SIZES)
    faults = Faults(
        loss=random.choice((0, 0, 20, 100, 300)),
        duplication=random.choice((0, 50, 300)),
        delay_ms=random.choice(((1, 3), (1, 20), (1, 200))),
        crash=random.choice((0, 0, 2, 10)),
    )
    world = World(seed, size, faults, interval=random.choice((2, 8, 64)), **made_of)
    _lie(world, random)
    _partition(world, random, trouble_s)
    _ask(world, random, trouble_s)
    world.run(trouble_s * SECOND)
    world.heal()
    end = world.now + HEALING_S * SECOND
    while world.now < end and not world.failures and not world.is_settled():
        world.run(min(end, world.now + SECOND))
    world.failures = world.check()
    return world


def _lie(world, random):
    liars = random.randrange(world.membership.faults + 1)
    for host in random.sample(world.hosts, liars):
        random.choice(LIARS)(world, host, random)


def _partition(world, random, trouble_s):
    at = 0
    while random.random() < 0.7 and at < trouble_s * SECOND:
        at += random.randrange(100 * MS, 2 * SECOND)
        sides = {host.name: random.randrange(2) for host in world.hosts}
        world.after(at, lambda sides=sides: world.cut.update(sides))
        at += random.randrange(100 * MS, 2 * SECOND)
        world.after(at, world.cut.clear)


def _ask(world, random, trouble_s):
    """Ask at honest members; some updates at two of them, and some that are over soon."""
    count = random.choice((1, 10, 40, 150, 400)) * trouble_s // 6 + 1
    for number in range(count):
        at = random.randrange(trouble_s * SECOND)
        until = random.choice((900, 900, 900, 3, 1000))
        update = update_of(number, until)
        for host in random.sample(world.honest, random.choice((1, 1, 2))):
            world.after(at, lambda host=host, update=update: world.ask(host, update))
