"""Run one seed: ``python -m tests.simulation.simulate SEED`` prints its trace."""

import random
import sys
import time
from typing import NamedTuple

from tests.simulation.cheap import cheap_world
from tests.simulation.loop import run
from tests.simulation.scenario import Scenario, plan_of
from tests.simulation.world import World

_SHOWN = 40


class Outcome(NamedTuple):
    """What came of a seed."""

    plan: object
    failures: list
    lines: list
    writes: int
    messages: int
    events: int
    virtual_s: float

    def report(self, seed):
        """Return what a person needs who looks into a failure."""
        shown = [line for line in self.lines if "FAILED" not in line][-_SHOWN:]
        return "\n".join(
            [f"seed {seed} failed: {self.plan}", *self.failures[:20], "the last of its trace:", *shown, replay(seed)]
        )


def replay(seed):
    """Return the commands that run a seed again: the second prints its whole trace."""
    return (
        f"replay: FOEDUS_SEED={seed} .venv/bin/pytest tests/simulation -k seed\n"
        f"    or: .venv/bin/python -m tests.simulation.simulate {seed}"
    )


def simulate(seed, plan=None, prepare=lambda _world: None):
    """Run a seed to its end and return its Outcome. ``prepare`` may set up the world before."""
    draw = random.Random(f"world {seed}")
    plan = plan or plan_of(seed, draw)
    worlds = []

    async def live(world):
        scenario = Scenario(world, plan)
        prepare(scenario)
        with world.watch.on_logs():
            try:
                await scenario.run()
            except Exception as error:
                world.failed(f"the scenario broke: {error!r}")
                raise
            finally:
                for place in world.places + world.twins:
                    if place.life is not None:
                        place.life.dead = True

    def make(loop):
        worlds.append(World(draw, loop))
        return live(worlds[0])

    with cheap_world(seed):
        run(make)
    (world,) = worlds
    world.watch.check_tasks()
    return Outcome(
        plan,
        world.failures,
        world.lines,
        sum(place.writes for place in world.places),
        world.wire.messages,
        len(world.acknowledged),
        world.loop.time(),
    )


def main():
    """Run one seed and show its trace, or those from the first to the last."""
    first, last = int(sys.argv[1]), int(sys.argv[-1])
    for seed in range(first, last + 1):
        began = time.perf_counter()
        outcome = simulate(seed)
        lines = [*outcome.lines, *outcome.failures] if first == last else outcome.failures[:5]
        spent = f"{time.perf_counter() - began:.2f} s, {outcome.virtual_s:.0f} s virtual, {outcome.plan.nodes} nodes"
        counts = f"{outcome.writes} writes, {outcome.messages} messages, {outcome.events} said"
        lines.append(f"seed {seed}: {len(outcome.failures)} failures, {spent}, {counts}\n")
        sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
