"""Fetching blobs: each chunk from somebody who has it, whoever lies, is slow, has nothing or goes away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.limits import CHUNKS_IN_FLIGHT
from foedus.sync.fetching import AGAIN_AFTER, ANSWER_WITHIN, IN_FLIGHT_MAX, Ask, Fetching, UnexpectedChunk

ANN, BOB = b"a" * 32, b"b" * 32
ONE, TWO = b"1" * 32, b"2" * 32


def anyone(_node, _event):
    return True


def fetching(*nodes, wanted=3):
    core = Fetching()
    core.want(ONE, range(wanted))
    for node in nodes:
        core.opened(node)
    return core


def deliver(core, node, event, number):
    core.came(node, event, number)
    return core.stored(event, number)


def test_each_chunk_is_asked_of_one_peer_and_the_last_completes_it():
    core = fetching(ANN, BOB)
    assert core.asks(0, anyone) == [Ask(ANN, ONE, (0, 1, 2))]
    assert core.asks(0, anyone) == []
    assert [deliver(core, ANN, ONE, number) for number in range(3)] == [False, False, True]
    assert not core.is_wanted(ONE)


def test_a_window_is_never_more_than_full():
    core = fetching(ANN, wanted=100)
    core.want(TWO, range(100))
    (ask,) = core.asks(0, anyone)
    assert len(ask.numbers) == CHUNKS_IN_FLIGHT
    deliver(core, ANN, ONE, 0)
    assert core.asks(0, anyone) == [Ask(ANN, ONE, (CHUNKS_IN_FLIGHT,))]


def test_all_windows_together_are_bounded():
    nodes = [bytes([number]) * 32 for number in range(100)]
    core = fetching(*nodes, wanted=512)
    core.want(TWO, range(512))
    assert sum(len(ask.numbers) for ask in core.asks(0, anyone)) == IN_FLIGHT_MAX


def test_who_may_not_see_the_event_is_not_asked():
    core = fetching(ANN, BOB)
    assert core.asks(0, lambda node, _event: node == BOB) == [Ask(BOB, ONE, (0, 1, 2))]


def test_who_has_nothing_is_passed_over_until_it_says_so_or_a_while_is_over():
    core = fetching(ANN)
    core.asks(0, anyone)
    core.lacks(ANN, ONE, range(3))
    assert core.asks(0, anyone) == []
    core.has(ANN, ONE)
    assert core.asks(0, anyone) == [Ask(ANN, ONE, (0, 1, 2))]
    core.lacks(ANN, ONE, range(3))
    assert core.asks(0, anyone) == []
    assert core.next_deadline() == AGAIN_AFTER
    core.on_deadline(AGAIN_AFTER)
    assert core.asks(AGAIN_AFTER, anyone) == [Ask(ANN, ONE, (0, 1, 2))]


def test_who_is_slow_is_passed_over_and_may_still_answer():
    core = fetching(ANN, BOB)
    core.asks(0, anyone)
    assert core.next_deadline() == ANSWER_WITHIN
    core.on_deadline(ANSWER_WITHIN)
    assert core.asks(ANSWER_WITHIN, anyone) == [Ask(BOB, ONE, (0, 1, 2))]
    assert not deliver(core, ANN, ONE, 1)
    assert not deliver(core, BOB, ONE, 0)
    assert deliver(core, BOB, ONE, 2)


def test_who_lied_is_not_asked_for_that_blob_again_also_on_another_link():
    core = fetching(ANN)
    core.want(TWO, [0])
    core.asks(0, anyone)
    core.came(ANN, ONE, 0)
    core.lie(ANN, ONE, 0)
    core.closed(ANN)
    core.opened(ANN)
    core.opened(BOB)
    assert core.asks(0, anyone) == [Ask(ANN, TWO, (0,)), Ask(BOB, ONE, (0, 1, 2))]


def test_what_a_lost_link_did_not_bring_is_asked_elsewhere():
    core = fetching(ANN, BOB)
    core.asks(0, anyone)
    deliver(core, ANN, ONE, 0)
    core.closed(ANN)
    assert core.asks(0, anyone) == [Ask(BOB, ONE, (1, 2))]


def test_a_chunk_that_nobody_asked_for_is_a_violation():
    core = fetching(ANN, BOB)
    core.asks(0, anyone)
    for node, number in ((BOB, 0), (ANN, 3)):
        with pytest.raises(UnexpectedChunk):
            core.came(node, ONE, number)
    core.came(ANN, ONE, 0)
    with pytest.raises(UnexpectedChunk):
        core.came(ANN, ONE, 0)


def test_what_is_forgotten_may_still_come():
    core = fetching(ANN)
    core.asks(0, anyone)
    core.forget(ONE)
    assert not deliver(core, ANN, ONE, 0)
    assert not core.is_wanted(ONE)


def test_what_could_not_be_stored_is_asked_for_again():
    core = fetching(ANN, wanted=1)
    core.asks(0, anyone)
    core.came(ANN, ONE, 0)
    core.failed(ONE, 0)
    assert core.asks(0, anyone) == [Ask(ANN, ONE, (0,))]


PEERS = [bytes([number]) * 32 for number in range(4)]


@given(st.data())
@settings(deadline=None)
def test_whatever_the_others_do_it_comes_whole_from_the_honest_one(data):
    """Of four peers one is honest at last; the others lie, are silent, say that they have nothing, or go and come."""
    core = fetching(*PEERS, wanted=data.draw(st.integers(1, 40)))
    now, asked = 0, []
    for _ in range(400):
        asked += [(ask.node, number) for ask in core.asks(now, anyone) for number in ask.numbers]
        if not asked or not core.is_wanted(ONE):
            now = core.next_deadline() or now
            core.on_deadline(now)
            if not core.is_wanted(ONE):
                break
            continue
        node, number = asked.pop(data.draw(st.integers(0, len(asked) - 1)))
        does = "sends" if node == PEERS[0] else data.draw(st.sampled_from(["sends", "lies", "silent", "none", "goes"]))
        if does == "goes":
            core.closed(node)
            core.opened(node)
            asked = [each for each in asked if each[0] != node]
        elif does == "none":
            core.lacks(node, ONE, [number])
        elif does != "silent":
            core.came(node, ONE, number)
            core.lie(node, ONE, number) if does == "lies" else core.stored(ONE, number)
    assert not core.is_wanted(ONE)
