"""Selectors: where in the arguments a statement of a policy looks (UCAN Delegation, "Selectors").

``.``, ``.name``, ``["any key"]``, ``[]`` (the values of a map), ``[2]``, ``[-1]``, ``[1:3]``, each with
``?`` where failing gives null. From left to right; a segment that fails ends it, whatever follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from foedus.identity.ucan.errors import MalformedUcan

SELECTOR_MAX = 256
"""Characters of a selector: paths of ours have at most 30."""
SELECTORS_CACHED = 1_024
"""Selectors that are in use at one time: few programs write policies, so the same ones come again and again."""

CHARACTERS_A_STEP = 64
"""Characters, bytes or items that are looked through or copied in the time of one step."""

_TEXT = msgspec.json.Decoder(str)
_SEGMENT = re.compile(
    r"""(?:
        \.(?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | \.?\[(?:
            (?P<key>"(?:[^"\\]|\\.)*")
          | (?P<slice>(?P<start>-?[0-9]{1,9})?:(?P<stop>-?[0-9]{1,9})?)
          | (?P<index>-?[0-9]{1,9})
          | (?P<values>)
        )\]
    )(?P<optional>\?*)""",
    re.VERBOSE,
)

_Step = Callable[[Any], Any]


class Unresolved(Exception):
    """There is no value at the path; the statement that asked is false."""


class Selector:
    """A parsed selector; ``text`` is what was parsed."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str, steps: tuple[tuple[_Step, bool], ...]) -> None:
        self.text = text
        self._steps = steps

    def resolve(self, value: Any, spend: Callable[[int], None]) -> Any:
        """Return what is at this path in ``value``; raise Unresolved where there is nothing.

        ``spend`` is told what each segment costs, in steps, and may raise to end it.
        """
        for step, optional in self._steps:
            try:
                value = step(value)
            except Unresolved:
                if optional:
                    return None
                raise
            spend(1 + len(value) // CHARACTERS_A_STEP if isinstance(value, list | bytes) else 1)
        return value


@lru_cache(maxsize=SELECTORS_CACHED)
def parse_selector(text: str) -> Selector:
    """Parse a selector; raise MalformedUcan where it is none."""
    if len(text) > SELECTOR_MAX or not text.startswith("."):
        raise MalformedUcan(f"{text[:40]!r} is not a selector: it begins with a dot")
    steps: list[tuple[_Step, bool]] = []
    position = _after_identity(text)
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise MalformedUcan(f"{text[:40]!r} is not a selector")
        steps.append((_step(match), bool(match["optional"])))
        position = match.end()
    return Selector(text, tuple(steps))


def _after_identity(text: str) -> int:
    """Return where the segments begin: ``.`` alone and ``.?`` are the whole argument."""
    return len(text) if text.rstrip("?") == "." else 0


def _step(match: re.Match[str]) -> _Step:
    if match["name"] is not None:
        return _key(match["name"])
    if match["key"] is not None:
        return _key(_unquote(match["key"]))
    if match["index"] is not None:
        return _index(int(match["index"]))
    if match["slice"] is not None:
        return _slice(match["start"], match["stop"])
    return _values


def _unquote(text: str) -> str:
    try:
        return _TEXT.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise MalformedUcan(f"{text[:40]!r} is not a quoted key") from None


def _key(name: str) -> _Step:
    def step(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unresolved
        return value.get(name)  # a missing key is null (UCAN Delegation, "Validation")

    return step


def _index(index: int) -> _Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list | bytes) or not -len(value) <= index < len(value):
            raise Unresolved
        return value[index]

    return step


def _slice(start: str | None, stop: str | None) -> _Step:
    if not start and not stop:
        raise MalformedUcan("a slice has a start or an end")
    bounds = slice(int(start) if start else None, int(stop) if stop else None)

    def step(value: Any) -> Any:
        if not isinstance(value, list | bytes):
            raise Unresolved
        return value[bounds]

    return step


def _values(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise Unresolved
