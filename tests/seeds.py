"""Which seeds a test gets: those of `make test`, and where soak is not left out those of `make soak` too."""

import pytest


def seeds(config: pytest.Config, test: range, soak: range) -> list:
    """Return the seeds to run; the thousands of `make soak` are not even made for `make test`: that takes seconds."""
    if config.getoption("markexpr") == "not soak":
        return [*test]
    return [*test, *(pytest.param(seed, marks=pytest.mark.soak) for seed in soak)]
