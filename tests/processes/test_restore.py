"""A home that was put back from an old copy, as a real process."""

import shutil

import pytest

from foedus.surfaces.demo.processes import eventually
from foedus.values.node import IdentityView
from tests.processes.nodes import (
    PATIENCE_S,
    add_agent,
    assert_verifies,
    connect,
    ids_on_disk,
    node_processes,
    say,
    shared_room,
    status,
    trusted_agent,
)


@pytest.fixture
def pair(tmp_path):
    """Two connected nodes with agents and a room hosted by the second; the first one's copy is older than its log."""
    with node_processes(tmp_path, "a", "b") as (a, b):
        trusted_agent(a, "scout")
        trusted_agent(b, "pilot")
        connect(a, b)
        room = shared_room(b, a)
        say(a, room, "scout", "before the copy")
        eventually("b has it", lambda: ids_on_disk(a) == ids_on_disk(b), PATIENCE_S)
        a.stop()
        shutil.copytree(a.home.path, tmp_path / "copy")
        a.start()
        yield a, b, room, tmp_path / "copy"


def put_back(node, copy):
    shutil.rmtree(node.home.path)
    shutil.copytree(copy, node.home.path)


def healed(node):
    view = status(node)
    return view.authoring and view.identity.epoch_number == 1 and not view.troubles


def assert_agree(a, b, wanted):
    eventually("both hold the same", lambda: ids_on_disk(a) == ids_on_disk(b) >= set(wanted), PATIENCE_S)
    assert status(a).troubles == status(b).troubles == []
    a.stop()
    b.stop()
    assert_verifies(a)
    assert_verifies(b)


def test_it_fetches_what_it_lost_and_opens_an_epoch(pair):
    a, b, room, copy = pair
    lost = say(a, room, "scout", "after the copy", "and more")
    eventually("b has it", lambda: ids_on_disk(b) >= set(lost), PATIENCE_S)
    a.stop()
    put_back(a, copy)
    a.start()
    eventually("a heals", lambda: healed(a), PATIENCE_S)
    after = say(a, room, "scout", "in the new epoch")
    assert status(a).contested_chains == status(b).contested_chains == 0, "nobody is convicted"
    assert_agree(a, b, lost + after)


def test_one_that_wrote_before_it_could_know_loses_nothing_that_others_saw(pair):
    a, b, room, copy = pair
    seen = say(a, room, "scout", "seen by b", "this too", "and this")
    eventually("b has it", lambda: ids_on_disk(b) >= set(seen), PATIENCE_S)
    a.stop()
    b.stop()
    put_back(a, copy)
    a.start()
    say(a, room, "scout", "written in ignorance: a fork")
    b.start()
    eventually("a heals", lambda: healed(a), PATIENCE_S)
    after = say(a, room, "scout", "in the new epoch")
    eventually("b follows", lambda: ids_on_disk(b) >= set(after), PATIENCE_S)
    eventually("a has it again", lambda: ids_on_disk(a) >= set(seen), PATIENCE_S)
    assert_agree(a, b, seen + after)


def test_the_host_of_a_room_can_be_put_back_too(pair, tmp_path):
    a, b, room, _ = pair
    b.stop()
    shutil.copytree(b.home.path, tmp_path / "copy-of-b")
    b.start()
    talk = say(b, room, "pilot", "after the copy of b") + say(a, room, "scout", "heard")
    eventually("both have it", lambda: ids_on_disk(a) == ids_on_disk(b) >= set(talk), PATIENCE_S)
    b.stop()
    put_back(b, tmp_path / "copy-of-b")
    b.start()
    eventually("b heals", lambda: healed(b), PATIENCE_S)
    third = add_agent(b, "late").did
    assert_agree(a, b, talk + say(b, room, third, "the host goes on"))


def test_a_copy_that_nothing_follows_needs_no_epoch(pair):
    a, b, room, copy = pair
    a.stop()
    put_back(a, copy)
    a.start()
    said = say(a, room, "scout", "nothing was lost")
    eventually("b has it", lambda: ids_on_disk(b) >= set(said), PATIENCE_S)
    assert a.client.get("/identity", IdentityView).epoch_number == 0
    assert_agree(a, b, said)
