"""What follows from the log, while everything goes wrong: in the end all replicas are equal, and hold what was said.

`make test` runs 50 seeds, `make soak` a thousand more. A failure prints how to replay it.
"""

from tests.seeds import seeds
from tests.simulation.conftest import chosen_seeds
from tests.simulation.simulate import simulate

_TEST_SEEDS = range(50)
_SOAK_SEEDS = range(1_000, 2_000)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        given = chosen_seeds(metafunc.config)
        metafunc.parametrize("seed", given or seeds(metafunc.config, _TEST_SEEDS, _SOAK_SEEDS))


def test_after_the_faults_all_replicas_are_equal(seed):
    outcome = simulate(seed, "state")
    assert not outcome.failures, outcome.report(seed)
