"""Policies: what the arguments must be like (UCAN Delegation, "Policy").

A policy is parsed once and then matched against many arguments. Statements are pure functions of the
value at hand; a budget bounds what one match may cost, since quantifiers multiply.

Where the specification leaves room, the strict reading holds: ``any`` of an empty collection is
false, and a selector without a value makes its statement false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, ValuesView
from operator import ge, gt, le, lt
from typing import Any

from foedus.identity.ucan.errors import MalformedUcan
from foedus.identity.ucan.ipld import Link
from foedus.identity.ucan.selector import CHARACTERS_A_STEP, Selector, Unresolved, parse_selector

STATEMENTS_MAX = 256
"""Statements in one policy, nested ones too: a person is to understand what is granted."""
POLICY_DEPTH_MAX = 8
"""Statements within statements: ours need 3."""
STEPS_MAX = 5_000
"""Steps of one match, at most 10 ms: statements run, segments followed, values compared, lengths met."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


class Budget:
    """How many steps are left; matches that are one decision share it."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS_MAX) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps away; raise where none are left."""
        self.left -= steps
        if self.left < 0:
            raise _TooCostly


class _TooCostly(Exception):
    """The budget is spent; `matches` makes a no of it."""


_Test = Callable[[Any, Budget], bool]


class Policy:
    """A parsed policy; ``plain`` is the list that was parsed."""

    __slots__ = ("_tests", "plain")

    def __init__(self, plain: list[Any], tests: tuple[_Test, ...]) -> None:
        self.plain = plain
        self._tests = tests

    def matches(self, arguments: Mapping[str, Any], budget: Budget | None = None) -> bool:
        """Tell whether every statement holds for ``arguments`` (as decoded: maps, lists, scalars, bytes, Link).

        False where telling would cost more than is left of ``budget``, or than STEPS_MAX.
        """
        budget = budget or Budget()
        try:
            return all(test(arguments, budget) for test in self._tests)
        except _TooCostly:
            return False

    def __repr__(self) -> str:
        return f"Policy({self.plain!r})"


def parse_policy(plain: object) -> Policy:
    """Parse the value of ``pol``; raise MalformedUcan where it is no policy or exceeds a bound."""
    if not isinstance(plain, list):
        raise MalformedUcan("a policy is a list of statements")
    room = iter(range(STATEMENTS_MAX))
    return Policy(plain, tuple(_statement(statement, POLICY_DEPTH_MAX, room) for statement in plain))


def matches(policy: Policy | Sequence[Any], arguments: Mapping[str, Any]) -> bool:
    """Tell whether ``arguments`` match a policy, parsed or not. Raises MalformedUcan where it is none."""
    parsed = policy if isinstance(policy, Policy) else parse_policy(list(policy))
    return parsed.matches(arguments)


def _statement(plain: object, depth: int, room: Iterator[int]) -> _Test:
    if next(room, None) is None or depth == 0:
        raise MalformedUcan(f"a policy has at most {STATEMENTS_MAX} statements, {POLICY_DEPTH_MAX} deep")
    match plain:
        case ["==" | "!=" as operator, str(selector), value]:
            return _comparison(parse_selector(selector), value, equal_wanted=operator == "==")
        case ["<" | "<=" | ">" | ">=" as operator, str(selector), int() | float() as bound] if not _is_truth(bound):
            return _inequality(parse_selector(selector), _ORDERS[operator], bound)
        case ["like", str(selector), str(pattern)]:
            return _like(parse_selector(selector), pattern)
        case ["not", inner]:
            return _not(_statement(inner, depth - 1, room))
        case ["and" | "or" as operator, list(inner)]:
            tests = tuple(_statement(part, depth - 1, room) for part in inner)
            return _and(tests) if operator == "and" else _or(tests)
        case ["all" | "any" as operator, str(selector), inner]:
            return _quantifier(parse_selector(selector), _statement(inner, depth - 1, room), every=operator == "all")
    raise MalformedUcan(f"{plain!r:.60} is not a statement of the policy language")


def _at(selector: Selector, judge: _Test) -> _Test:
    """Return the test that judges what is at the selector, and is false where nothing is."""

    def test(value: Any, budget: Budget) -> bool:
        budget.spend()
        try:
            found = selector.resolve(value, budget.spend)
        except Unresolved:
            return False
        return judge(found, budget)

    return test


def _comparison(selector: Selector, wanted: Any, *, equal_wanted: bool) -> _Test:
    return _at(selector, lambda found, budget: _equal(found, wanted, budget) == equal_wanted)


def _inequality(selector: Selector, holds: Callable[[Any, Any], bool], bound: float) -> _Test:
    def judge(found: Any, _budget: Budget) -> bool:
        return isinstance(found, int | float) and not _is_truth(found) and holds(found, bound)

    return _at(selector, judge)


def _like(selector: Selector, pattern: str) -> _Test:
    parts = _glob(pattern)

    def judge(found: Any, budget: Budget) -> bool:
        if not isinstance(found, str):
            return False
        budget.spend(len(found) // CHARACTERS_A_STEP)
        return _glob_matches(parts, found)

    return _at(selector, judge)


def _not(inner: _Test) -> _Test:
    def test(value: Any, budget: Budget) -> bool:
        budget.spend()
        return not inner(value, budget)

    return test


def _and(tests: tuple[_Test, ...]) -> _Test:
    def test(value: Any, budget: Budget) -> bool:
        budget.spend()
        return all(inner(value, budget) for inner in tests)

    return test


def _or(tests: tuple[_Test, ...]) -> _Test:
    def test(value: Any, budget: Budget) -> bool:
        budget.spend()
        return not tests or any(inner(value, budget) for inner in tests)  # none at all holds (UCAN Delegation, "Or")

    return test


def _quantifier(selector: Selector, inner: _Test, *, every: bool) -> _Test:
    combine = all if every else any

    def judge(found: Any, budget: Budget) -> bool:
        if isinstance(found, dict):
            found = found.values()
        return isinstance(found, list | ValuesView) and combine(inner(item, budget) for item in found)

    return _at(selector, judge)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)  # which Python counts among the integers


def _equal(left: Any, right: Any, budget: Budget) -> bool:
    budget.spend()
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_equal(left[key], right[key], budget) for key in left)
        )
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(_equal(one, other, budget) for one, other in zip(left, right, strict=True))
        )
    if isinstance(left, str | bytes):
        budget.spend(len(left) // CHARACTERS_A_STEP)
    return _kind(left) is _kind(right) and bool(left == right)


def _kind(value: Any) -> type:
    """Return the type by which scalars are told apart: integers and floats are both numbers."""
    return (
        float if isinstance(value, int) and not _is_truth(value) else Link if isinstance(value, Link) else type(value)
    )


def _glob(pattern: str) -> tuple[str, ...]:
    r"""Split a pattern at its wildcards; ``\*`` is a star, any other backslash itself."""
    parts, literal, position = [], "", 0
    while position < len(pattern):
        if pattern.startswith("\\*", position):
            literal, position = literal + "*", position + 1
        elif pattern[position] == "*":
            parts.append(literal)
            literal = ""
        else:
            literal += pattern[position]
        position += 1
    return (*parts, literal)


def _glob_matches(parts: tuple[str, ...], text: str) -> bool:
    """Match greedily from the left, which is right since each wildcard takes anything."""
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
