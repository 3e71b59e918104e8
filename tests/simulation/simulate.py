"""Run one seed: ``python -m tests.simulation.simulate SEED`` prints its trace."""

import random
import sys
import time
from typing import NamedTuple

from tests.simulation.cheap import cheap_world
from tests.simulation.loop import run
from tests.simulation.scenario import Scenario, plan_of
from tests.simulation.world import World, watched_logs

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
    return f"replay: FOEDUS_SEED={seed} .venv/bin/pytest tests/simulation -k seed, or python -m tests.simulation.simulate {seed}"


def simulate(seed, plan=None, prepare=lambda _world: None):
    """Run a seed to its end and return its Outcome. ``prepare`` may set up the world before."""
    draw = random.Random(f"world {seed}")
    plan = plan or plan_of(seed, draw)
    worlds = []

    async def main(world):
        scenario = Scenario(world, plan)
        prepare(scenario)
        with watched_logs(world):
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
        return main(worlds[0])

    with cheap_world(seed):
        run(make, lambda context: worlds[0].uncaught(context))
    (world,) = worlds
    world.check_tasks()
    return Outcome(
        plan,
        world.failures,
        world.lines,
        sum(place.writes for place in world.places),
        world.wire.messages,
        len(world.acknowledged),
        world.loop.time(),
    )


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]), int(sys.argv[-1]) + 1):
        began = time.perf_counter()
        outcome = simulate(seed)
        spent = time.perf_counter() - began
        if len(sys.argv) == 2:
            print("\n".join(outcome.lines))
            print("\n".join(outcome.failures))
        print(
            f"seed {seed}: {len(outcome.failures)} failures, {spent:.2f} s, {outcome.virtual_s:.0f} s virtual,"
            f" {outcome.plan.nodes} nodes, {outcome.writes} writes, {outcome.messages} messages, {outcome.events} said"
        )
