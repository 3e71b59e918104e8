import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from tests.surfaces.cli.samples import EVENT, LOGGED, REPORT


def test_list(foedus, node):
    page = {"events": [to_builtins(LOGGED)], "cursor": "c1"}
    node.on("GET", "/events", page)
    ran = foedus("log", "list", "--stream", "node", "--since", "c0", "--limit", "1")
    assert EVENT in ran.out
    assert "accepted" in ran.out
    assert "foedus log list --since c1" in ran.err
    assert node.asked[-1].query == {"stream": "node", "after": "c0", "limit": "1"}
    assert foedus("log", "list", "--json").json == page


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (replace(LOGGED, verdict="rejected", reason="unknown_device"), "rejected (unknown_device)"),
        (replace(LOGGED, verdict="pending", reason="auth"), "pending (auth)"),
        (replace(LOGGED, withheld="tier"), "withheld (tier)"),
    ],
)
def test_what_does_not_count_says_why(foedus, node, event, shown):
    node.on("GET", "/events", {"events": [to_builtins(event)], "cursor": "c1"})
    assert shown in foedus("log", "list").out


def test_list_of_a_node_that_does_not_run(foedus, home, stand_in):
    asked = []
    stand_in("foedus.node.offline", log_list=lambda *arguments: asked.append(arguments) or [LOGGED])
    ran = foedus("log", "list", "--stream", "node", "--json")
    assert ran.json == {"events": [to_builtins(LOGGED)], "cursor": "c1"}
    assert asked == [(home, "node", "", 100)]
    stand_in("foedus.node.offline", log_list=lambda *_: [])
    assert foedus("log", "list", "--since", "c7", "--json").json == {"events": [], "cursor": "c7"}
    assert foedus("log", "list").out == "no events\n"


def test_verify(foedus, node):
    node.on("POST", "/verify", REPORT)
    assert foedus("log", "verify", "--json").json == to_builtins(REPORT)
    ran = foedus("log", "verify")
    assert ran.code == 0
    assert ran.out.startswith("✓ all holds  12 events in 3 chains: 20 signatures")


def test_verify_of_a_node_that_does_not_run_exits_1_on_problems(foedus, home, stand_in):
    bad = replace(REPORT, ok=False, problems=["event 0f has a wrong id"])
    stand_in("foedus.node.offline", verify=lambda asked: bad if asked == home else None)
    ran = foedus("log", "verify")
    assert ran.code == 1
    assert ran.out.startswith("✗ event 0f has a wrong id\n✗ not all holds")
    assert foedus("log", "verify", "--json").json == to_builtins(bad)
