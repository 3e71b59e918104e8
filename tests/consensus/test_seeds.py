"""Whatever goes wrong with up to f liars, members never disagree; once the network heals all that was asked is made.

`make test` tells 200 stories with two seconds of trouble each, `make soak` ten thousand more, with six.
"""

from tests.consensus.stories import story
from tests.seeds import seeds

_TEST_SEEDS = range(200)
_SOAK_SEEDS = range(1_000, 11_000)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(metafunc.config, _TEST_SEEDS, _SOAK_SEEDS))


def told(world):
    lines = [f"{at / 1_000_000:9.4f} s  {text}" for at, text in world.log[-200:]]
    return "\n".join([*lines, *map(str, world.failures)])


def test_members_agree_and_go_on(seed):
    world = story(seed, trouble_s=2 if seed in _TEST_SEEDS else 6)
    assert not world.failures, told(world)


def test_a_story_is_told_again_to_the_letter():
    assert story(7).log == story(7).log
