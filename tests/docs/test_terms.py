"""docs/terms.md agrees with the code: the tables of the audit log and of reputation."""

from __future__ import annotations

import re
from typing import get_args

from foedus.node import auditing
from foedus.surfaces.http.limits import HEAD_TIMEOUT_S, PROGRESS_BYTES, PROGRESS_S
from foedus.trust.audit import gather
from foedus.trust.audit.rows import Act
from foedus.trust.reputation import _BY_RULE, CLEAN, GRANTS_STOP, LINK_CLOSES, WEIGHTS
from tests.docs.pages import first_column, names, read, section


def test_the_acts_are_those_of_the_code():
    text = section(read("docs/terms.md"), "Audit and reputation")
    assert {names(cell)[0] for cell in first_column(text, "`act`")} == set(get_args(Act))


def test_the_bounds_are_those_of_the_code():
    text = read("docs/terms.md")
    assert f"| {gather.ACTOR_BURST} at once, then {gather.ACTOR_PER_S} a second |" in text
    assert f"| {gather.TOTAL_BURST:,} at once, then {gather.TOTAL_PER_S} a second |" in text
    assert f"| {gather.KEYS_MAX}, and at most {gather.ACTOR_KEYS_MAX} of one actor" in text
    assert f"{auditing.KEPT_ROWS_MAX:,}" in text


def test_the_weights_are_those_of_the_code():
    text = read("docs/terms.md").partition("### Reputation")[2]
    for kind, weight in WEIGHTS.items():
        row = re.search(rf"^\| `{kind.value}` \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
        assert set(names(row[1])) == {rule for rule, shown in _BY_RULE.items() if shown is kind}
        assert (int(float(row[2]) * CLEAN), int(float(row[3]) * CLEAN)) == weight
    assert f"| {GRANTS_STOP / CLEAN:.3f} |" in text
    assert f"| {LINK_CLOSES / CLEAN:.3f} |" in text


def test_who_is_slow_is_cut_off_as_the_page_says():
    text = read("docs/terms.md")
    assert f"sends a request's head slower than {HEAD_TIMEOUT_S:.0f} s" in text
    assert f"slower than {PROGRESS_BYTES // 1024} KiB in {PROGRESS_S:.0f} s, is cut off" in text
