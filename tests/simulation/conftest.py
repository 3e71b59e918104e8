"""Which seeds are run: ``pytest tests/simulation -k seed --seed 17``, or FOEDUS_SEED=17."""

import os


def pytest_addoption(parser):
    parser.addoption("--seed", action="append", default=[], help="run the simulation of this seed only (repeatable)")


def chosen_seeds(config):
    given = config.getoption("--seed", default=None) or os.environ.get("FOEDUS_SEED", "").split()
    return [int(seed) for seed in given]
