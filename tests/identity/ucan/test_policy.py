from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.identity.ucan import covers, matches, parse_policy
from foedus.identity.ucan.command import check_command
from foedus.identity.ucan.errors import MalformedUcan
from foedus.identity.ucan.ipld import Link, cid_of
from foedus.identity.ucan.policy import POLICY_DEPTH_MAX, STATEMENTS_MAX

MAIL = {
    "from": "alice@example.com",
    "to": ["bob@example.com", "carol@not.example.com", "dan@example.com"],
    "cc": ["fraud@example.com"],
    "raw": bytes.fromhex("d6a9c18cf8c4"),
    "nested": {"a": {"b": 1}, "$_*": 2, "nothing": None},
    "count": 3,
    "yes": True,
}
LINK = Link(cid_of(b"x"))


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        (".", MAIL),
        (".?", MAIL),
        (".from", "alice@example.com"),
        (".cc", ["fraud@example.com"]),
        (".to[1]", "carol@not.example.com"),
        (".to[-1]", "dan@example.com"),
        (".to.[0]", "bob@example.com"),
        (".to[99]?", None),
        (".to[99]???", None),
        (".to[1:]", ["carol@not.example.com", "dan@example.com"]),
        (".to[:-2]", ["bob@example.com"]),
        (".to[0:9][1]", "carol@not.example.com"),
        (".to[]", MAIL["to"]),
        (".nested.a[]", [1]),
        (".nested.a.b", 1),
        ('.nested["$_*"]', 2),
        ('.["nested"].["a"]', {"b": 1}),
        (".raw[3]", 140),
        (".raw[:2]", bytes.fromhex("d6a9")),
        (".missing", None),  # a missing key is null
        (".from.a?", None),
        (".missing.a?", None),
    ],
)
def test_selectors_find(selector, value):
    assert matches([["==", selector, value]], MAIL)
    assert not matches([["!=", selector, value]], MAIL)


@pytest.mark.parametrize(
    "selector",
    [".to[99]", ".missing.a", ".from.a", ".from[0]", ".count[]", ".count[1:]", ".to.a", ".nested[0]", ".missing.a.b?"],
)
def test_where_nothing_is_each_statement_is_false(selector):
    for statement in (["==", selector, None], ["!=", selector, 1], ["like", selector, "*"], [">", selector, 0]):
        assert not matches([statement], MAIL)
        assert matches([["not", statement]], MAIL)
    assert not matches([["all", selector, ["==", ".", 1]]], MAIL)


@pytest.mark.parametrize(
    "selector",
    [
        *("", "a", "..", ".a..b", ".a.", ".1", ".a b", ".a[", ".a[]b", ".[x]", ".['a']", ".a[:]", ".a[1:2:3]"),
        *(".a[--1]", '.["a]', '.["\\x"]', '.["\ud800"]', ".a[9999999999]", "[0]", ".?a", "." + "a" * 256),
    ],
)
def test_what_is_no_selector_is_refused(selector):
    with pytest.raises(MalformedUcan):
        parse_policy([["==", selector, 1]])


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        (["==", ".count", 3.0], True),
        (["==", ".yes", 1], False),
        (["==", ".count", True], False),
        (["!=", ".yes", 1], True),
        ([">", ".yes", 0], False),  # a truth is no number
        ([">", ".from", 0], False),
        (["<", ".count", 3.5], True),
        (["<=", ".count", 3], True),
        ([">=", ".count", 4], False),
        (["==", ".nested", {"$_*": 2, "a": {"b": 1.0}, "nothing": None}], True),
        (["==", ".nested", {"$_*": 2, "a": {"b": 1}}], False),
        (["==", ".to", ["bob@example.com"]], False),
        (["==", ".raw", "d6a9c18cf8c4"], False),
        (["like", ".count", "*"], False),
        (["and", []], True),
        (["or", []], True),
        (["or", [["==", ".count", 1], ["==", ".count", 3]]], True),
        (["and", [["==", ".count", 1], ["==", ".count", 3]]], False),
        (["not", ["==", ".count", 3]], False),
        (["all", ".to", ["like", ".", "*example.com"]], True),
        (["all", ".to", ["like", ".", "*@example.com"]], False),
        (["any", ".nested.a", ["==", ".", 1]], True),
        (["all", ".to[5:]", ["==", ".", 1]], True),  # of none, all
        (["any", ".to[5:]", ["!=", ".", 1]], False),  # of none, none
        (["any", ".from", ["==", ".", "a"]], False),
        (["all", ".raw", [">", ".", 0]], False),
    ],
)
def test_statements(statement, holds):
    assert matches([statement], MAIL) is holds


def test_links_are_compared_as_links():
    assert matches([["==", ".a", LINK]], {"a": Link(LINK.cid)})
    assert not matches([["==", ".a", LINK]], {"a": LINK.cid})


@pytest.mark.parametrize(
    "policy",
    [
        None,
        {},
        "and",
        [[]],
        ["=="],
        [["==", ".a"]],
        [["==", ".a", 1, 2]],
        [["==", 1, 1]],
        [["=", ".a", 1]],
        [["<", ".a", "1"]],
        [["<", ".a", True]],
        [["like", ".a", 1]],
        [["not", [["==", ".a", 1]]]],
        [["not"]],
        [["and", ["==", ".a", 1]]],
        [["or", ".a", []]],
        [["all", ".a"]],
        [["all", ".a", [["==", ".", 1]]]],
        [["matches", ".a", ".*"]],
    ],
)
def test_what_is_no_policy_is_refused(policy):
    with pytest.raises(MalformedUcan):
        parse_policy(policy)


def test_policies_are_bounded():
    one = ["==", ".a", 1]
    parse_policy([one] * STATEMENTS_MAX)
    with pytest.raises(MalformedUcan):
        parse_policy([one] * (STATEMENTS_MAX + 1))
    with pytest.raises(MalformedUcan):
        parse_policy([["and", [one] * STATEMENTS_MAX]])
    deep = one
    for _ in range(POLICY_DEPTH_MAX - 1):
        deep = ["not", deep]
    parse_policy([deep])
    with pytest.raises(MalformedUcan):
        parse_policy([["not", deep]])


@pytest.mark.parametrize(
    ("policy", "arguments"),
    [
        ([["all", ".", ["and", [["all", ".", ["!=", ".", 2]]] * 60]]], {str(i): [1] * 100 for i in range(100)}),
        ([["!=", ".a" + "[0:]" * 60, 1]] * 200, {"a": [1] * 60_000}),
        ([["not", ["like", ".a", "*a*" * 100 + "b"]]] * 100, {"a": "a" * 60_000}),
    ],
)
def test_what_costs_too_much_is_no(policy, arguments):
    start = time.process_time()
    assert not matches(policy, arguments)
    assert time.process_time() - start < 2  # some ms; without the budget these take up to a minute


GLOB = st.text(alphabet="ab*\\", max_size=8)


def expression(pattern):
    """The twin of the matcher: the same pattern as a regular expression."""
    parts = re.split(r"(\\\*|\*)", pattern)
    return "".join({"\\*": r"\*", "*": ".*"}.get(part, re.escape(part)) for part in parts)


@given(GLOB, st.text(alphabet="ab*\\\n", max_size=12))
def test_globs_match_as_their_regular_expressions_do(pattern, text):
    wanted = re.fullmatch(expression(pattern), text, re.DOTALL) is not None
    assert matches([["like", ".t", pattern]], {"t": text}) is wanted


@pytest.mark.parametrize("command", ["/", "/msg", "/msg/send", "/a/b/c/d", "/crud-2/x.y"])
def test_commands(command):
    assert check_command(command) == command


@pytest.mark.parametrize(
    "command", ["", "msg", "/msg/", "//", "/a//b", "/Msg", "/a b", "/a\n", "/É", None, 1, b"/a", "/" + "a" * 256]
)
def test_what_is_no_command_is_refused(command):
    with pytest.raises(MalformedUcan):
        check_command(command)


def test_commands_are_compared_by_segment():
    assert covers("/msg", "/msg")
    assert covers("/msg", "/msg/send")
    assert covers("/", "/msg")
    assert covers("/", "/")
    assert not covers("/msg", "/msgevil")
    assert not covers("/msg/send", "/msg")
    assert not covers("/msg", "/")


SEGMENTS = st.lists(st.sampled_from(["a", "ab", "b"]), max_size=4)


@given(SEGMENTS, SEGMENTS)
def test_covering_is_being_a_prefix_of_segments(granted, wanted):
    assert covers("/" + "/".join(granted), "/" + "/".join(wanted)) is (wanted[: len(granted)] == granted)
