"""Whether a mistake that is made on purpose is noticed."""

from tests.simulation.simulate import simulate


def assert_noticed(mistake, said, plan, first):
    """Run seeds with a mistake until a failure says ``said``; raise AssertionError where none of eight does.

    ``first``: the one that noticed it when this was written.
    """
    for seed in range(first, first + 8):
        with mistake():
            outcome = simulate(seed, plan)
        if any(said in failure for failure in outcome.failures):
            return
    raise AssertionError(f"eight seeds with {mistake.__name__}, and nobody noticed")
