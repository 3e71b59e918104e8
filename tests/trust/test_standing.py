"""Standing: the table of rights, rising by the written rule, falling on evidence. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import DAY
from foedus.trust.border import COMMANDS
from foedus.trust.standing import (
    LAST,
    NEEDS,
    Breach,
    Progress,
    Record,
    Rule,
    Standing,
    counts_from,
    may,
    missing,
    next_step,
    right_for,
    standing_of,
    start,
    stepped,
)

RULE = Rule()
STANDINGS = st.sampled_from(list(Standing))


def test_the_table_of_rights():
    held = {standing.value: [right for right in LAST if may(standing, right)] for standing in Standing}
    assert held == {
        1: ["take_part", "contribute", "open", "govern"],
        2: ["take_part", "contribute", "open"],
        3: ["take_part", "contribute"],
        4: ["take_part"],
    }


def test_every_command_that_needs_more_is_a_border_command():
    assert set(NEEDS) < set(COMMANDS)
    assert right_for("/foedus/room/speak") == "take_part"


def test_who_is_new_starts_low_abroad():
    assert (start(is_local=True), start(is_local=False)) == (Standing.SUPER, Standing.NORMAL)


@pytest.mark.parametrize(
    ("days", "acts", "lacks"),
    [(0, 0, ("days", "acts")), (30, 99, ("acts",)), (29, 100, ("days",)), (30, 100, ()), (400, 10_000, ())],
)
def test_the_rule_asks_for_days_and_acts(days, acts, lacks):
    assert missing(Progress(7, acts), RULE, 7 + days * DAY) == lacks


def test_the_rule_leads_one_step_up_and_never_to_architect():
    assert [next_step(standing) for standing in Standing] == [None, None, Standing.SUPER, Standing.ELEVATED]


def test_evidence_undoes_the_step_before_it_and_days_begin_anew():
    risen = stepped(Record(None, 1, 10), Standing.SUPER, 100, 50)
    breach = Breach(200, 60, "equivocation")
    assert standing_of(risen, None, is_local=False) is Standing.SUPER
    assert standing_of(risen, breach, is_local=False) is Standing.NORMAL
    assert counts_from(risen, breach) == Record(Standing.SUPER, 200, 60)
    again = stepped(risen, Standing.ELEVATED, 300, 70)
    assert standing_of(again, breach, is_local=False) is Standing.ELEVATED
    assert counts_from(again, breach) == again


def test_evidence_against_this_node_is_no_matter_of_its_own_people():
    assert standing_of(None, Breach(1, 1, "x"), is_local=True) is Standing.SUPER


@given(st.none() | STANDINGS, st.integers(0, 9), st.none() | st.integers(0, 9))
def test_no_foreigner_is_ever_architect_here(held, local, breach_at):
    breach = Breach(1, breach_at, "x") if breach_at is not None else None
    assert standing_of(Record(held, 1, local), breach, is_local=False) > Standing.ARCHITECT


@given(STANDINGS, st.integers(0, 1 << 60), st.integers(0, 1 << 50))
def test_a_step_drops_what_was_proposed(to, now, local):
    assert stepped(Record(None, 0, 0, Standing.SUPER), to, now, local) == Record(to, now, local)
