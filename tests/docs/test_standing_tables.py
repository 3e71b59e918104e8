"""docs/terms.md and docs/protocol.md agree with the code: standing, and roles in rooms."""

import re

from foedus.base.limits import DAY
from foedus.log.roles import LEAST, NAMES, may
from foedus.trust.standing import LAST, NEEDS, Rule, Standing
from foedus.trust.standing import may as may_by
from tests.docs.pages import first_column, names, read, section

TERMS = section(read("docs/terms.md"), "Standing")
ROLES = section(read("docs/protocol.md"), "4. Admission")


def test_each_standing_has_the_rights_of_the_code():
    rows = re.findall(r"^\| (\d) \| (\w+) \| (.*?) \|$", TERMS, re.MULTILINE)
    assert [(int(number), name, names(rights)) for number, name, rights in rows] == [
        (standing.value, standing.name.lower(), [right for right in LAST if may_by(standing, right)])
        for standing in Standing
    ]


def test_the_commands_stand_beside_the_right_that_they_need():
    assert [names(cell)[0] for cell in first_column(TERMS, "right")] == list(LAST)
    for right in LAST:
        row = re.search(rf"^\| `{right}` \| (.*?) \|$", TERMS, re.MULTILINE)[1]
        assert names(row) == sorted(names(row), key=list(NEEDS).index)
        assert set(names(row)) == {command for command, needed in NEEDS.items() if needed == right}


def test_the_rule_is_that_of_the_code():
    assert f"{Rule().lasts // DAY} days and {Rule().acts} accepted acts" in TERMS


def test_the_roles_are_those_of_the_code():
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) \| (\w+)", ROLES, re.MULTILINE)
    assert [(name, int(role)) for name, role, _ in rows] == [(name, role) for role, name in NAMES.items()]
    for _, role, right in rows:
        assert right == [it for it in LEAST if may(int(role), it)][-1]
