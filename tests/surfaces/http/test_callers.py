"""Every route says who may call it, and docs/terms.md says the same."""

import re
from collections import Counter

from foedus.surfaces.http.app import OPERATIONS, OTHER_ROUTES
from foedus.surfaces.http.callers import Rule
from tests.docs.pages import read, section
from tests.surfaces.http.running import Served


def declared():
    """Return the rule of each route: (methods, path) of operations, paths of the others."""
    routes = {f"{operation.method} {operation.address}": operation.rule for operation in OPERATIONS}
    return routes | OTHER_ROUTES


def test_every_route_of_the_application_has_a_declared_rule():
    dispatch = Served().app._gate._app
    protocols = {path for path in OTHER_ROUTES if dispatch._protocols.find(path) is not None}
    assert {route.path for route in dispatch._others.routes} | protocols == set(OTHER_ROUTES)
    assert all(isinstance(rule, Rule) for rule in declared().values())


def test_a_route_that_says_nothing_is_the_operators():
    counted = Counter(operation.rule for operation in OPERATIONS)
    assert counted[Rule.OPERATOR] > 20
    assert {o.address for o in OPERATIONS if o.rule is Rule.ANYONE} == {"/api/pair"}
    for operation in OPERATIONS:
        if operation.path.startswith(("/peers", "/trust", "/keys", "/verify", "/metrics", "/status")):
            assert operation.rule is Rule.OPERATOR, operation.address


def test_the_table_of_the_docs_is_that_of_the_code():
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \|", section(read("docs/terms.md"), "Tokens"), re.MULTILINE)
    opened = {route: rule.value for route, rule in declared().items() if rule is not Rule.OPERATOR}
    assert len(rows) == len(dict(rows))
    assert dict(rows) == opened


def test_a_participant_may_do_nothing_that_its_view_of_the_node_lacks():
    """Each method that a route opened to participants calls is one of theirs: none ends in an internal error."""
    from foedus.node.participant_service import ParticipantService  # noqa: PLC0415  # one use

    theirs = {name for name in dir(ParticipantService) if not name.startswith("_")}
    for operation in OPERATIONS:
        if operation.rule in {Rule.PARTICIPANT, Rule.SELF}:
            called = _called(operation.run.__code__)
            assert called <= theirs, (operation.address, called - theirs)


def _called(code):
    """Return the methods of the node that a handler names (those of NodeService)."""
    from foedus.node.service import Service  # noqa: PLC0415  # one use

    names = set(code.co_names)
    for constant in code.co_consts:
        names |= _called(constant) if hasattr(constant, "co_names") else set()
    return {name for name in names if name in dir(Service) and not name.startswith("_")}
