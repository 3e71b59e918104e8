"""Whatever goes wrong with up to f liars, members never disagree; once the network heals all that was asked is made."""

import pytest

from tests.consensus.stories import story


def told(world):
    lines = [f"{at / 1_000_000:9.4f} s  {text}" for at, text in world.log[-200:]]
    return "\n".join([*lines, *map(str, world.failures)])


@pytest.mark.parametrize("seed", range(200))
def test_members_agree_and_go_on(seed):
    world = story(seed, trouble_s=2)
    assert not world.failures, told(world)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 11_000))
def test_members_agree_and_go_on_for_long(seed):
    world = story(seed)
    assert not world.failures, told(world)


def test_a_story_is_told_again_to_the_letter():
    assert story(7).log == story(7).log
