"""Who brings little is taken at once; who brings much is served in slices, by turns, and slower while others talk."""

import asyncio

import pytest

from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.node import turns as module
from foedus.node.reports import Rejection, Report
from foedus.node.turns import LITTLE_PER_S, SLICE_BESIDE_TALK, SLICE_EVENTS, Turns

HEAVY, OTHER, TALKER = b"heavy", b"other", b"talker"


async def test_a_peer_alone_is_served_whole_batches():
    turns = Turns()
    assert turns.is_little(HEAVY, LITTLE_PER_S)
    assert not turns.is_little(HEAVY, 1)
    assert turns.is_alone(HEAVY)
    async with turns.turn(HEAVY) as size:
        assert size == BATCH_EVENTS_MAX


async def test_what_a_flood_brings_in_its_pauses_is_no_talk(monkeypatch):
    turns = Turns()
    turns.is_little(HEAVY, LITTLE_PER_S + 1)
    assert not turns.is_little(HEAVY, 1), "though that is little"
    assert turns.is_alone(OTHER)
    monkeypatch.setattr(module, "HEAVY_S", 0.0)
    turns._senders[HEAVY].heavy_until = 0.0
    assert turns.is_little(HEAVY, 1)


async def test_heavy_peers_take_turns():
    turns, served = Turns(), []

    async def flood(node):
        for _ in range(3):
            async with turns.turn(node) as size:
                served.append((node, size))
                await asyncio.sleep(0)

    await asyncio.gather(flood(HEAVY), flood(OTHER))
    assert [node for node, _ in served] == [HEAVY, OTHER] * 3
    assert {size for _, size in served[1:-1]} == {SLICE_EVENTS}


async def test_beside_talk_a_flood_gets_small_slices_and_its_share(monkeypatch):
    monkeypatch.setattr(module, "SHARE", 0.5)
    turns, loop = Turns(), asyncio.get_running_loop()
    assert turns.is_little(TALKER, 1)
    assert not turns.is_alone(HEAVY)
    began, worked = loop.time(), 0.0
    for _ in range(4):
        async with turns.turn(HEAVY) as size:
            assert size == SLICE_BESIDE_TALK
            started = loop.time()
            while loop.time() - started < 0.005:
                pass
            worked += loop.time() - started
        assert turns.is_little(TALKER, 1), "who talks waits for nothing"
    assert loop.time() - began > 3 * worked, "each but the last is followed by a pause of three times its length"


async def test_a_turn_that_fails_is_given_on():
    turns = Turns()
    with pytest.raises(ValueError, match="mistake"):
        async with turns.turn(HEAVY):
            raise ValueError("mistake")
    async with asyncio.timeout(20), turns.turn(OTHER):
        pass


def test_the_reports_of_slices_add_up_to_that_of_the_batch():
    whole = Report()
    whole.add(Report(accepted=3, refused=[Rejection(1, b"a", "x")]), 0)
    whole.add(Report(duplicates=1, deferred=[Rejection(0, b"b", "y")], own=True), 4)
    assert (whole.count, whole.own) == (6, True)
    assert [(it.index, it.id) for it in [*whole.refused, *whole.deferred]] == [(1, b"a"), (4, b"b")]
