"""Routing finds nearly what flooding finds, for a few of its messages: `python -m bench` has it at 500 nodes."""

import pytest

from bench.routing_model import Federation, total


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_routing_finds_nearly_what_flooding_finds_for_few_messages(seed):
    federation = Federation(250, seed)
    asked = [federation.ask() for _ in range(30)]
    found = total(asked)
    assert found.recall >= 0.95
    assert found.messages <= 0.15
    assert {one.routed.why for one in asked} >= {"routed"}


def test_a_seed_tells_all():
    once, again = Federation(20, 7), Federation(20, 7)
    assert [once.ask() for _ in range(5)] == [again.ask() for _ in range(5)]
