"""The text of foedus.toml: read strictly, and every complaint names the file, the line, the option and what to do.

tomllib tells no lines, so they are found again in the text: a table's header, then the key under it. A file may
also write a section inline; its keys then have the line on which the section begins.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from foedus.base.errors import UsageError
from foedus.trust.policy import (
    ALIASES,
    DEFAULT,
    RATE_PATTERN,
    DiscoveryPolicy,
    KnowledgePolicy,
    Limits,
    PeeringPolicy,
    Policy,
    Retention,
    WebhookPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY_BYTES_MAX = 65_536
"""Bytes of the file: every option with a paragraph of comment fits twenty times."""
ROOT = "federation"
KNOWLEDGE = "knowledge"
WEBHOOKS = "webhooks"
DISCOVERY = "discovery"
SECTIONS: Mapping[str, type[Struct]] = {"policy": PeeringPolicy, "limits": Limits, "retention": Retention}
_HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*([A-Za-z0-9_."'\- ]+?)\s*=""")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class BadPolicy(UsageError):
    """The policy file says something that this node does not understand; nothing of it is taken."""

    code = "bad_policy"
    remedy = "mend the line, then `foedus policy check`"


class Loaded(Struct, frozen=True):
    """A policy, and of each option that the file sets ("policy.max_peers") the line where it does."""

    policy: Policy
    lines: dict[str, int]


NOTHING = Loaded(DEFAULT, {})
"""Where there is no file."""


def parse(text: str, name: str) -> Loaded:
    """Return what the file called ``name`` says; raise BadPolicy at the first line that is wrong."""
    try:
        return _Reader(text, name).read(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else max(1, len(text.splitlines()))
        raise BadPolicy(
            f"{name}, line {line}: this is not TOML: {_AT_LINE.sub('', str(error)).strip()}",
            remedy="write options as `name = value` under `[federation.policy]`, text in double quotes",
        ) from None
    except (ValueError, RecursionError):  # what tomllib does not foresee: thousands of digits or brackets
        raise BadPolicy(f"{name}: a number or a list in it is beyond measure") from None


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._places = _places(text)
        self._lines: dict[str, int] = {}

    def read(self, tables: dict[str, Any]) -> Loaded:
        self._known(tables, [ROOT, KNOWLEDGE, WEBHOOKS, DISCOVERY], ())
        federation = self._table(tables.get(ROOT, {}), (ROOT,))
        self._known(federation, list(SECTIONS), (ROOT,))
        policy = Policy(
            policy=self._section((ROOT, "policy"), federation, PeeringPolicy),
            limits=self._section((ROOT, "limits"), federation, Limits),
            retention=self._section((ROOT, "retention"), federation, Retention),
            knowledge=self._section((KNOWLEDGE,), tables, KnowledgePolicy),
            webhooks=self._section((WEBHOOKS,), tables, WebhookPolicy),
            discovery=self._section((DISCOVERY,), tables, DiscoveryPolicy),
        )
        return Loaded(policy, self._lines)

    def _section(self, path: tuple[str, ...], holder: dict[str, Any], kind: type[Any]) -> Any:
        section = path[-1]
        given = self._table(holder.get(section, {}), path)
        aliases = ALIASES if kind is PeeringPolicy else {}
        types = {each.name: each.type for each in msgspec.structs.fields(kind)}
        self._known(given, [*types, *aliases], path)
        values: dict[str, Any] = {}
        for key, value in given.items():
            name = aliases.get(key, key)
            if name in values:
                raise self._wrong((*path, key), f"{name} is set twice", f"keep {name}, remove its other name")
            values[name] = self._value((*path, key), value, types[name])
            self._lines[f"{section}.{name}"] = self._line((*path, key))
        return kind(**values)

    def _value(self, path: tuple[str, ...], value: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            raise self._wrong(path, f"{'.'.join(path)} = {_shown(value)}: {_why(error)}", _allowed(kind)) from None

    def _table(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        raise self._wrong(path, f"{'.'.join(path)} is a section, not a value", f"write [{'.'.join(path)}] above it")

    def _known(self, given: dict[str, Any], known: list[str], path: tuple[str, ...]) -> None:
        for key in given:
            if key not in known:
                close = get_close_matches(key, known, 1)
                remedy = f"did you mean {close[0]}?" if close else f"here stand {', '.join(known)}"
                raise self._wrong((*path, key), f"there is no option {'.'.join((*path, key))[:120]!r}", remedy)

    def _wrong(self, path: tuple[str, ...], message: str, remedy: str) -> BadPolicy:
        return BadPolicy(f"{self._name}, line {self._line(path)}: {message}", remedy=remedy)

    def _line(self, path: tuple[str, ...]) -> int:
        """Return where ``path`` is written: its own line, else that of what holds it."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, 1)


def _places(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, of each table and key and of what leads to it."""
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = path = _path(header[1])
        elif key := _KEY.match(line):
            path = (*table, *_path(key[1]))
        else:
            continue
        for length in range(1, len(path) + 1):
            places.setdefault(path[:length], number)
    return places


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _shown(value: Any) -> str:
    return repr(value)[:60]


def _why(error: msgspec.ValidationError) -> str:
    said = str(error)
    if RATE_PATTERN in said:
        return "this is not a rate"
    return said[:1].lower() + said[1:].replace("`", "")


def _allowed(kind: Any) -> str:
    """Return in words what an option takes."""
    described = msgspec.inspect.type_info(kind)
    if isinstance(described, msgspec.inspect.Metadata):
        described = described.type
    match described:
        case msgspec.inspect.EnumType(cls=cls):
            return f"give one of {', '.join(repr(each.value) for each in cls)}"
        case msgspec.inspect.LiteralType(values=values):
            return f"give one of {', '.join(repr(value) for value in values)}"
        case msgspec.inspect.BoolType():
            return "give true or false, without quotes"
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"give a whole number from {least} to {most}, without quotes"
        case msgspec.inspect.StrType(pattern=None, max_length=most):
            return f"give text of at most {most} characters in double quotes"
        case _:
            return 'give a rate such as "100/second", with second, minute, hour or day'
