"""A node dies before, and after, each single write of a small simulation: log and key files alike."""

from itertools import count

import pytest

from tests.simulation.plans import Plan
from tests.simulation.simulate import simulate

_SEED = 1
_PLAN = Plan(nodes=4, rooms=2, messages=12, busy_s=20.0, removals=1, rotations=1, introductions=1)
_PARTS = 8
"""Tests among which the writes are shared out."""


def crash_at(number, side):
    """Return what lets the node crash that makes write ``number`` of all, before or after it."""
    writes = count(1)

    def fault(_life, what):
        if next(writes) != number:
            return ""
        return side if what == "log" else "crash before"  # a key file is replaced at once: after is before the next

    def prepare(scenario):
        scenario.world.faults = scenario._fault = fault

    return prepare


@pytest.mark.parametrize("part", range(_PARTS))
def test_a_crash_at_any_write_loses_nothing(part):
    undisturbed = simulate(_SEED, _PLAN)
    assert not undisturbed.failures
    crashes = 0
    for number in range(part + 1, undisturbed.writes + 1, _PARTS):
        for side in ("crash before", "crash after"):
            outcome = simulate(_SEED, _PLAN, crash_at(number, side))
            crashes += any("crashes at write" in line for line in outcome.lines)
            assert not outcome.failures, f"{side} write {number}: {outcome.report(_SEED)}"
    assert crashes > undisturbed.writes // _PARTS
