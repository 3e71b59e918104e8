"""Run one seed: ``python -m tests.simulation.simulate SEED`` prints its trace.

``python -m tests.simulation.simulate state SEED``: of the plans for what follows from the log.
"""

import random
import sys
import time
from typing import NamedTuple

from tests.simulation.cheap import cheap_world
from tests.simulation.loop import run
from tests.simulation.plans import PLANS, Plan
from tests.simulation.scenario import Scenario
from tests.simulation.world import World

_SHOWN = 40
_FILES = {"all": "test_seeds.py", "state": "test_state_seeds.py"}


class Outcome(NamedTuple):
    """What came of a seed. ``of``: the name of what made its plan, '' where it was given."""

    of: str
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
        said = [f"seed {seed} failed: {self.plan}", *self.failures[:20], "the last of its trace:", *shown]
        return "\n".join([*said, replay(seed, self.of)])


def replay(seed, of="all"):
    """Return the commands that run a seed again: the second prints its whole trace."""
    return (
        f"replay: FOEDUS_SEED={seed} .venv/bin/pytest tests/simulation/{_FILES.get(of, '')} -k seed\n"
        f"    or: .venv/bin/python -m tests.simulation.simulate {of} {seed}"
    )


def simulate(seed, plan="all", prepare=lambda _world: None):
    """Run a seed to its end and return its Outcome.

    ``plan``: a Plan, or the name of what makes one. ``prepare`` may set up the world before.
    """
    draw = random.Random(f"world {seed}")
    of, plan = ("", plan) if isinstance(plan, Plan) else (plan, PLANS[plan](seed, draw))
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
                scenario.is_over = True
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
        of,
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
    of = sys.argv[1] if sys.argv[1] in PLANS else "all"
    first, last = int(sys.argv[1 if of != sys.argv[1] else 2]), int(sys.argv[-1])
    for seed in range(first, last + 1):
        began = time.perf_counter()
        outcome = simulate(seed, of)
        lines = [*outcome.lines, *outcome.failures] if first == last else outcome.failures[:5]
        spent = f"{time.perf_counter() - began:.2f} s, {outcome.virtual_s:.0f} s virtual, {outcome.plan.nodes} nodes"
        counts = f"{outcome.writes} writes, {outcome.messages} messages, {outcome.events} said"
        lines.append(f"seed {seed}: {len(outcome.failures)} failures, {spent}, {counts}\n")
        sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
