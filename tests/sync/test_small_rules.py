from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import BACKOFF_MAX, HANDSHAKES_IN_FLIGHT_MAX, HANDSHAKES_PER_NET_MAX, SECOND
from foedus.sync.backoff import Backoff
from foedus.sync.diagram import render
from foedus.sync.duplicates import DialledBy, Stays, keep
from foedus.sync.frames.codec import TYPES
from foedus.sync.keepalive import PeerClock
from foedus.sync.pace import TokenBucket
from foedus.sync.strangers import LOOPBACK, UNKNOWN, Refusal, StrangerGate, Ticket, network_of
from foedus.sync.transitions import BY_SESSION, SELDOM, SYNC, VOICE
from tests.sync.nodes import NOW

ROOT = Path(__file__).parents[2]


def test_the_page_of_states_is_what_the_tables_say():
    assert (ROOT / "docs/link-states.md").read_text() == render()


def test_every_frame_is_in_the_table_and_nothing_else():
    assert {name for _, name in VOICE} == TYPES
    assert TYPES > BY_SESSION
    assert TYPES > SELDOM
    assert set(SYNC) < TYPES


# --- backoff ------------------------------------------------------------------------------------


def test_waits_double_up_to_the_longest_and_begin_anew():
    backoff = Backoff(SECOND, 5 * SECOND)
    assert [backoff.next(0.5) for _ in range(5)] == [SECOND // 2, SECOND, 2 * SECOND, 5 * SECOND // 2, 5 * SECOND // 2]
    backoff.reset()
    assert backoff.next(0.5) == SECOND // 2


@given(st.lists(st.floats(0, 1, exclude_max=True), max_size=40))
def test_no_wait_is_longer_than_five_minutes(fractions):
    backoff = Backoff()
    assert all(0 <= backoff.next(fraction) <= BACKOFF_MAX for fraction in fractions)


def test_wrong_backoff_arguments_are_the_callers_mistake():
    for first, maximum in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="first wait"):
            Backoff(first, maximum)
    for fraction in (1.0, -0.1):
        with pytest.raises(ValueError, match="fraction"):
            Backoff().next(fraction)


# --- duplicates ---------------------------------------------------------------------------------


def test_both_sides_keep_the_dial_of_the_smaller_id():
    small, large = b"a" * 32, b"b" * 32
    # One link was dialled by the smaller, one by the larger; each side sees them in either order.
    for own, peer, kept in ((small, large, DialledBy.US), (large, small, DialledBy.PEER)):
        for existing, new in ((DialledBy.US, DialledBy.PEER), (DialledBy.PEER, DialledBy.US)):
            stays = keep(existing, new, own, peer)
            assert (existing if stays is Stays.EXISTING else new) is kept


def test_in_one_direction_the_newer_replaces_the_older():
    for by in DialledBy:
        assert keep(by, by, b"a" * 32, b"b" * 32) is Stays.NEW


def test_two_links_to_oneself_do_not_exist():
    with pytest.raises(ValueError, match="itself"):
        keep(DialledBy.US, DialledBy.PEER, b"a" * 32, b"a" * 32)


# --- strangers ----------------------------------------------------------------------------------


def test_a_network_has_few_handshakes_in_flight():
    gate = StrangerGate()
    tickets = [gate.admit(f"198.51.100.{n}") for n in range(HANDSHAKES_PER_NET_MAX)]
    assert all(isinstance(ticket, Ticket) for ticket in tickets)
    assert gate.admit("198.51.100.77") == Refusal("too_many_from_network")
    assert gate.admit("::ffff:198.51.100.78") == Refusal("too_many_from_network")
    assert isinstance(gate.admit("198.51.101.1"), Ticket)
    gate.release(tickets[0])
    gate.release(tickets[0])
    assert isinstance(gate.admit("198.51.100.77"), Ticket)
    assert gate.admit("198.51.100.78") == Refusal("too_many_from_network")


def test_all_strangers_together_have_a_bound_that_holds_for_loopback_too():
    gate = StrangerGate()
    tickets = [gate.admit("127.0.0.1") for _ in range(HANDSHAKES_IN_FLIGHT_MAX)]
    assert all(isinstance(ticket, Ticket) for ticket in tickets)
    assert gate.admit("::1") == gate.admit("192.0.2.1") == Refusal("too_many_handshakes")
    for ticket in tickets:
        gate.release(ticket)
    assert gate.in_flight == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:0:1200::1", "2001:db8:0:12ff:1::9", True),
        ("2001:db8:0:1200::1", "2001:db8:0:1300::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("::ffff:192.0.2.9", "192.0.2.1", True),
        ("c000:2::", "192.0.2.1", False),
    ],
)
def test_networks(one, other, same):
    assert (network_of(one) == network_of(other)) is same


def test_loopback_and_what_is_no_address():
    assert network_of("127.8.9.1") == network_of("::1") == network_of("::ffff:127.0.0.1") == LOOPBACK
    assert network_of("") == network_of("localhost") == network_of("1.2.3") == network_of("x::y") == UNKNOWN


def test_fifty_signings_a_second():
    gate = StrangerGate()
    assert sum(gate.may_sign(NOW) for _ in range(100)) == 50
    assert not gate.may_sign(NOW + SECOND // 50 - 1)
    assert gate.may_sign(NOW + SECOND // 50)
    assert sum(gate.may_sign(NOW + 100 * SECOND) for _ in range(100)) == 50


@given(st.lists(st.tuples(st.integers(-SECOND, SECOND), st.integers(1, 9)), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate(steps):
    bucket, now, taken, forward = TokenBucket(5, 9), NOW, 0, 0
    for step, count in steps:
        now, forward = now + step, forward + max(0, step)
        taken += count if bucket.take(now, count) else 0
    assert taken * SECOND <= 9 * SECOND + 5 * forward


def test_the_peers_clock_is_taken_at_the_middle_of_the_round_trip():
    clock = PeerClock()
    assert clock.offset_us is None
    number = clock.asked(1_000)
    clock.answered(number + 1, 9_999, 1_100)
    assert clock.offset_us is None
    clock.answered(number, 6_050, 1_100)
    assert clock.offset_us == 5_000


def test_room_is_told_without_taking_any():
    gate = StrangerGate()
    assert all(gate.has_room(0, "192.0.2.1") for _ in range(200))
    tickets = [gate.admit("192.0.2.1") for _ in range(HANDSHAKES_PER_NET_MAX)]
    assert not gate.has_room(0, "192.0.2.9"), "of one network there are enough"
    assert gate.has_room(0, "127.0.0.1")
    gate.release(tickets[0])
    assert gate.has_room(0, "192.0.2.9")
    for _ in range(50):
        assert gate.may_sign(0)
    assert not gate.has_room(0, "127.0.0.1"), "whoever came now would get no answer"
    assert gate.has_room(SECOND, "127.0.0.1")


def test_one_network_gets_a_fifth_of_the_signings():
    gate = StrangerGate()
    assert sum(gate.may_sign(NOW, "192.0.2.7") for _ in range(50)) == 10
    assert not gate.may_sign(NOW, "192.0.2.99")
    assert gate.may_sign(NOW, "198.51.100.1")
    assert sum(gate.may_sign(NOW, "127.0.0.1") for _ in range(100)) == 39


def test_the_shares_of_networks_are_bounded():
    gate = StrangerGate()
    for number in range(3_000):
        gate.may_sign(NOW, f"10.{number // 250}.{number % 250}.1")
    assert len(gate._shares) == 1_024
