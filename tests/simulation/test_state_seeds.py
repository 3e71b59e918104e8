"""What follows from the log, while everything goes wrong: in the end all replicas are equal, and hold what was said.

`make test` runs 50 seeds, `make soak` a thousand more. A failure prints how to replay it.
"""

import random

from tests.seeds import seeds
from tests.simulation.conftest import chosen_seeds
from tests.simulation.plans import SOAK_FROM, state_plan_of
from tests.simulation.simulate import simulate

_TEST_SEEDS = range(50)
_SOAK_SEEDS = range(SOAK_FROM, SOAK_FROM + 1_000)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        given = chosen_seeds(metafunc.config)
        metafunc.parametrize("seed", given or seeds(metafunc.config, _TEST_SEEDS, _SOAK_SEEDS))


def test_after_the_faults_all_replicas_are_equal(seed):
    outcome = simulate(seed, "state")
    assert not outcome.failures, outcome.report(seed)


def test_enough_of_them_are_large():
    nodes = {seed: state_plan_of(seed, random.Random(seed)).nodes for seed in (*_TEST_SEEDS, *_SOAK_SEEDS)}
    assert [seed for seed in _TEST_SEEDS if nodes[seed] == 50] == [24, 49]
    assert sum(nodes[seed] == 50 for seed in _SOAK_SEEDS) == 200
    assert sum(12 < nodes[seed] < 50 for seed in _SOAK_SEEDS) == 200
