"""Settings of all tests."""

import gc

import pytest
from hypothesis import HealthCheck, settings

GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""Those of a node: whether a test comes before or after the first one that starts a node makes no difference to it."""
_SAME = {"deadline": None, "print_blob": True}
# Machines differ in speed by more than any deadline would allow; pytest's own guard ends what hangs. A change is judged
# by the same examples each time: what chance finds is found in `make soak`, and kept as a test.
settings.register_profile("foedus", derandomize=True, suppress_health_check=[HealthCheck.too_slow], **_SAME)
settings.register_profile("soak", suppress_health_check=[HealthCheck.too_slow], **_SAME)
settings.load_profile("foedus")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr", "") == "soak":
        settings.load_profile("soak")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Make the tests, which all live to the end, without looking among them for garbage, then or later.

    From then on no node freezes anything: in this process that would be the garbage of the tests before it, for good.
    """
    gc.disable()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.freeze = lambda: None
        gc.enable()
