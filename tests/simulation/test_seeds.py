"""Many nodes, everything that goes wrong, and in the end all hold the same. A seed decides all of it.

`make test` runs 100 seeds, `make soak` two thousand more. A failure prints how to replay it.
"""

from tests.seeds import seeds
from tests.simulation.conftest import chosen_seeds
from tests.simulation.simulate import simulate

_TEST_SEEDS = range(100)
_SOAK_SEEDS = range(1_000, 3_000)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        given = chosen_seeds(metafunc.config)
        metafunc.parametrize("seed", given or seeds(metafunc.config, _TEST_SEEDS, _SOAK_SEEDS))


def test_after_the_faults_all_members_agree_and_nothing_acknowledged_is_lost(seed):
    outcome = simulate(seed)
    assert not outcome.failures, outcome.report(seed)
