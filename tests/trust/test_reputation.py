"""Reputation follows from evidence alone, in whole millionths, and heals by half in 30 days."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import DAY
from foedus.trust.audit.rows import Draft
from foedus.trust.reputation import (
    CLEAN,
    FORGOTTEN,
    GRANTS_STOP,
    HALVING,
    LINK_CLOSES,
    WEIGHTS,
    Evidence,
    Kind,
    Ledger,
    decayed,
    evidence_of,
    points,
    score,
)

NODE, OTHER = b"n" * 32, b"o" * 32
GUILTY = NODE.hex()
AT = 20_000 * DAY


def row(act="event", rule="invalid_signature", outcome="refused", actor=GUILTY):
    return Draft(AT, AT, actor, act, "", rule, outcome, 3, 0, 0, None, aggregated=False)


def test_only_what_is_proved_of_a_node_is_evidence():
    assert evidence_of(9, row()) == Evidence(9, NODE, Kind.SIGNATURE, AT, 3)
    assert evidence_of(9, row("fork", "equivocation", "contested")) == Evidence(9, NODE, Kind.FORK, AT, 3)
    assert evidence_of(9, row(rule="equivocation")) is None, "who brings a fork of others is not its author"
    assert evidence_of(9, row(rule="not_permitted")) is None
    assert evidence_of(9, row("federation")) is None, "a wrong HTTP signature proves nobody's guilt"
    assert evidence_of(9, row(actor="node")) is None
    assert evidence_of(9, row(actor="127.0.0.1")) is None


def test_points_halve_each_thirty_days():
    fork = [Evidence(1, NODE, Kind.FORK, AT, 1)]
    assert score([], AT) == CLEAN
    found = [CLEAN - score(fork, AT + age) for age in (0, HALVING // 2, HALVING, 2 * HALVING, FORGOTTEN)]
    assert found == [400_000, 300_000, 200_000, 100_000, 0]


@given(st.integers(0, 10**6), st.integers(0, FORGOTTEN + DAY), st.integers(0, DAY))
def test_points_never_grow_with_age(amount, age, more):
    assert 0 <= decayed(amount, age + more) <= decayed(amount, age) <= amount


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 400), st.integers(1, 1_000))), st.integers(0, 400))
def test_a_score_is_within_its_bounds_and_each_point_has_its_row(found, later):
    evidence = [Evidence(n, NODE, kind, AT + day * DAY, times) for n, (kind, day, times) in enumerate(found, 1)]
    now = AT + (400 + later) * DAY
    taken = points(evidence, now)
    assert [point.evidence.row for point in taken] == [each.row for each in evidence]
    assert score(evidence, now) == max(0, CLEAN - sum(point.points for point in taken))
    for kind, weight in WEIGHTS.items():
        for day in {each.at // DAY for each in evidence}:
            assert sum(p.points for p in taken if (p.evidence.kind, p.evidence.at // DAY) == (kind, day)) <= weight[1]


def test_one_bad_night_of_a_network_is_no_malice_and_forks_are():
    lost = [Evidence(n, NODE, Kind.HEARTBEAT, AT, 1) for n in range(1_000)]
    assert score(lost, AT) == 995_000
    forks = [Evidence(n, NODE, Kind.FORK, AT, 1) for n in range(2)]
    assert score(forks[:1], AT) > GRANTS_STOP > LINK_CLOSES
    assert score([*forks, Evidence(3, NODE, Kind.SIGNATURE, AT, 1)], AT) < LINK_CLOSES


def test_the_ledger_keeps_what_counts():
    ledger = Ledger()
    for n in range(100):
        ledger.add(ledger.select([Evidence(n, NODE, Kind.SIGNATURE, AT + n, 1), Evidence(n, OTHER, Kind.FLOOD, AT, 9)]))
    assert (len(ledger.of(NODE)), len(ledger.of(OTHER))) == (3, 1)
    assert ledger.score(NODE, AT + 100) == 700_000 + decayed_by(ledger, NODE)
    assert ledger.score(b"x" * 32, AT) == CLEAN
    ledger.add([Evidence(200, NODE, Kind.FORK, AT + 2 * FORGOTTEN, 1)])
    assert [each.row for each in ledger.of(NODE)] == [200]


def decayed_by(ledger, node):
    return 300_000 - sum(point.points for point in points(ledger.of(node), AT + 100))
