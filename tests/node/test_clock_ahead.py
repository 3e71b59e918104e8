"""A clock that was a day ahead: the node says so, and an epoch leaves behind only what was written in the future."""

import pytest

from foedus.base.clock import ClockAhead
from foedus.base.errors import Unavailable
from foedus.base.limits import DAY
from foedus.node import doctor, offline
from foedus.node.composition import Node
from foedus.node.home import Home, create_home
from foedus.node.room_forms import Said
from foedus.node.service import Service
from foedus.node.store import wall_clock
from tests.node.homes import run, spoken


async def say(home, stream, text, clock=wall_clock):
    node = Node(home, clock)
    try:
        await node.start(network=False)
        await Service(node).say(stream.removeprefix("room:"), Said(text=text, as_="scout"))
    finally:
        await node.close()


def texts(home, stream, verdict="accepted"):
    events = offline.log_list(home, stream)
    return [event.message.text for event in events if event.message and event.verdict == verdict]


def clock_check(home):
    return next(check for check in doctor.run_checks(home) if check.name == "clock")


@pytest.fixture
def ahead(tmp_path):
    home = Home(tmp_path / "home")
    create_home(home, "north")
    stream = run(spoken(home, "in time"))
    run(say(home, stream, "from tomorrow", lambda: wall_clock() + DAY))
    return home, stream


def test_it_writes_nothing_and_says_what_to_do(ahead):
    home, stream = ahead
    with pytest.raises(ClockAhead) as caught:
        run(say(home, stream, "today"))
    assert "foedus key rotate" in caught.value.remedy
    assert not clock_check(home).ok
    assert "foedus key rotate" in clock_check(home).remedy


def test_an_epoch_leaves_the_future_behind_and_keeps_the_rest(ahead):
    home, stream = ahead
    offline.rotate(home)
    run(say(home, stream, "today"))
    assert texts(home, stream) == ["in time", "today"]
    assert clock_check(home).ok
    assert offline.verify(home).ok


def test_a_node_whose_log_is_all_from_the_future_starts_again(tmp_path):
    home = Home(tmp_path / "home")
    create_home(home, "north")

    async def tomorrow():
        node = Node(home, lambda: wall_clock() + DAY)
        await node.start(network=False)
        await Service(node).participant_add_custodial("scout")
        await node.close()

    run(tomorrow())
    offline.rotate(home)
    stream = run(spoken(home, "today"))
    assert texts(home, stream) == ["today"]
    assert offline.verify(home).ok


def test_a_clock_that_is_behind_again_stops_it_only_from_writing(ahead):
    home, stream = ahead
    with pytest.raises(Unavailable):
        run(say(home, stream, "yesterday", lambda: wall_clock() - DAY))
    run(say(home, stream, "tomorrow again", lambda: wall_clock() + DAY))
    assert texts(home, stream) == ["in time", "from tomorrow", "tomorrow again"]
