"""The desk: each question once, bounded, over by its deadline, whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.query import limits
from foedus.query.desk import Desk, Opening
from foedus.query.inquiry import Entry, Finish, Forget, Forward, Give, Look, Report, Stop, way_back
from foedus.query.seen import Seen

OWN, B, C = b"a" * 32, b"b" * 32, b"c" * 32
Q = b"q" * 32
ENTRY = Entry(b"result", b"s" * 64)


def opening(query=Q, carrier=None, peers=(B, C), deadline=1_000_000, node=OWN, reports=()):
    return Opening(query, node, carrier, deadline, deadline + limits.SKEW_MAX, peers, reports)


def kinds(effects):
    return [type(effect).__name__ for effect in effects]


def test_a_question_goes_to_the_peers_and_to_what_is_known_here():
    desk = Desk(OWN)
    left = 1_000_000 - way_back(1_000_000)
    assert desk.open(opening(), 0) == [Forward(Q, B, left), Forward(Q, C, left), Look(Q, 1_000_000)]
    assert desk.found(Q, [ENTRY], Report(OWN, "answered", "", 1)) == [Give(Q, None, (ENTRY,))]
    assert desk.came(Q, B, [ENTRY]) == [Give(Q, None, (ENTRY,), B)]
    assert desk.over(Q, B, [Report(B, "answered", "", 1)]) == []
    (finish,) = desk.over(Q, C, [Report(C, "refused", "tier")])
    told = (Report(OWN, "answered", "", 1), Report(B, "answered", "", 1), Report(C, "refused", "tier"))
    assert finish == Finish(Q, None, told)
    assert (len(desk), desk.next_deadline()) == (0, None)


def test_at_the_deadline_the_late_and_the_silent_are_named_and_stopped():
    desk = Desk(OWN)
    desk.open(opening(carrier=b"d" * 32), 0)
    desk.came(Q, B, [ENTRY])
    assert desk.next_deadline() == 1_000_000
    assert desk.on_deadline(999_999) == []
    effects = desk.on_deadline(1_000_000)
    told = (Report(B, "late"), Report(C, "silent"), Report(OWN, "late"))
    assert effects == [Stop(Q, B), Stop(Q, C), Stop(Q, None), Finish(Q, b"d" * 32, told)]
    assert desk.came(Q, B, [ENTRY]) == desk.found(Q, [ENTRY], Report(OWN, "answered")) == []
    assert desk.stray == 1


def test_a_copy_is_seen_also_after_the_end():
    desk = Desk(OWN)
    desk.open(opening(peers=()), 0)
    desk.found(Q, [], Report(OWN, "answered"))
    assert desk.open(opening(carrier=B), 5) == [Finish(Q, B, (Report(OWN, "seen"),))]


def test_what_nobody_asked_for_is_not_passed_on():
    desk = Desk(OWN)
    desk.open(opening(peers=(B,)), 0)
    assert desk.came(Q, C, [ENTRY]) == desk.over(Q, C, [Report(C, "answered")]) == []
    assert desk.came(b"x" * 32, B, [ENTRY]) == []


def test_after_its_report_a_peer_says_nothing_more():
    desk = Desk(OWN)
    desk.open(opening(), 0)
    desk.over(Q, B, [Report(B, "answered")])
    assert desk.came(Q, B, [ENTRY]) == desk.over(Q, B, [Report(b"z" * 32, "answered")]) == []


def test_a_lost_link_ends_what_it_brought_and_what_it_was_asked():
    desk = Desk(OWN)
    desk.open(opening(peers=(B,)), 0)
    desk.open(opening(b"r" * 32, carrier=B, peers=(C,)), 0)
    effects = desk.lost(B)
    assert effects == [Stop(b"r" * 32, None), Stop(b"r" * 32, C), Forget(b"r" * 32)]
    (finish,) = desk.found(Q, [], Report(OWN, "answered"))
    assert finish.reports == (Report(B, "lost"), Report(OWN, "answered"))


def test_only_who_brought_a_question_cancels_it():
    desk = Desk(OWN)
    desk.open(opening(carrier=B, peers=(C,)), 0)
    assert desk.cancel(Q, C) == desk.cancel(Q, None) == []
    assert desk.cancel(Q, B) == [Stop(Q, None), Stop(Q, C), Forget(Q)]
    assert desk.cancel(Q, B) == []


def test_without_time_for_the_way_back_nobody_else_is_asked():
    desk = Desk(OWN)
    effects = desk.open(opening(deadline=limits.WAY_BACK_MIN), 0)
    assert kinds(effects) == ["Look"]
    (*_, finish) = desk.found(Q, [], Report(OWN, "answered"))
    assert [report.outcome for report in finish.reports] == ["late", "late", "answered"]


def test_one_peer_cannot_fill_the_desk():
    desk = Desk(OWN)
    for number in range(limits.IN_FLIGHT_PER_PEER):
        desk.open(opening(bytes([number]) * 32, carrier=B, peers=()), 0)
    refused = desk.open(opening(carrier=B), 0)
    assert refused == [Finish(Q, B, (Report(OWN, "refused", "busy"),))]
    assert kinds(desk.open(opening(carrier=C, peers=()), 0)) == ["Look"]


def test_what_one_peer_brings_is_cut_and_said_to_be():
    desk = Desk(OWN)
    desk.open(opening(peers=(B,)), 0)
    taken = 0
    for _ in range(limits.RELAYED_MAX // 50 + 2):
        taken += sum(len(effect.entries) for effect in desk.came(Q, B, [ENTRY] * 50))
    assert taken == limits.RELAYED_MAX
    big = Entry(bytes(limits.RELAYED_BYTES_MAX), b"s" * 64)
    desk.open(opening(b"r" * 32, peers=(B,)), 0)
    assert desk.came(b"r" * 32, B, [big]) == []
    desk.over(b"r" * 32, B, [Report(B, "answered", "", 1)])
    (finish,) = desk.found(b"r" * 32, [], Report(OWN, "answered"))
    assert Report(B, "partial") in finish.reports


def test_seen_ids_are_bounded_and_kept_until_no_copy_can_count():
    seen = Seen(most=3, per_node=2)
    assert seen.add(b"1", B, 10, 0)
    assert seen.add(b"2", B, 20, 0)
    assert not seen.add(b"3", B, 20, 0), "one node has its bound"
    assert seen.add(b"4", C, 20, 0)
    assert not seen.add(b"5", C, 20, 0), "and all have theirs"
    assert not seen.add(b"1", C, 20, 10)
    assert seen.add(b"1", C, 30, 11), "after its time it is forgotten"
    assert len(seen) == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("came"), st.sampled_from([B, C, OWN]), st.integers(0, 3)),
        st.tuples(st.just("over"), st.sampled_from([B, C, OWN]), st.integers(0, 3)),
        st.tuples(st.just("found"), st.just(OWN), st.integers(0, 3)),
        st.tuples(st.just("lost"), st.sampled_from([B, C]), st.just(0)),
        st.tuples(st.just("time"), st.just(OWN), st.integers(0, 400_000)),
    ),
    max_size=20,
)


@given(STEPS)
def test_whatever_comes_it_is_over_by_the_deadline_and_nothing_follows(steps):
    desk, now = Desk(OWN), 0
    effects = desk.open(opening(), 0)
    for what, who, number in steps:
        if what == "came":
            effects += desk.came(Q, who, [ENTRY] * number)
        elif what == "over":
            effects += desk.over(Q, who, [Report(who, "answered")] * number)
        elif what == "found":
            effects += desk.found(Q, [ENTRY] * number, Report(OWN, "answered"))
        elif what == "lost":
            effects += desk.lost(who)
        else:
            now += number
            effects += desk.on_deadline(now)
    effects += desk.on_deadline(max(now, 1_000_000))
    finishes = [place for place, effect in enumerate(effects) if isinstance(effect, Finish)]
    assert len(finishes) == 1
    assert not [effect for effect in effects[finishes[0] :] if isinstance(effect, Give | Forward | Look)]
    assert len(desk) == 0
    reports = effects[finishes[0]].reports
    assert OWN in {report.node for report in reports}


@pytest.mark.parametrize("left", [0, 1, 10_000, 80_000, 1_000_000, 60_000_000])
def test_the_way_back_is_bounded(left):
    assert limits.WAY_BACK_MIN <= way_back(left) <= limits.WAY_BACK_MAX
