"""JSON Schemas of what a capability takes and returns: read within bounds, and checked without any fetching."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.errors import UsageError
from foedus.query.limits import (
    JSON_BYTES_MAX,
    JSON_DEPTH_MAX,
    SCHEMA_BYTES_MAX,
    SCHEMA_PARTS_MAX,
    SCHEMA_PATTERN_WORK_MAX,
    SCHEMA_WORK_MAX,
)

if TYPE_CHECKING:
    import jsonschema_rs

_REGEX_BYTES = 8 * 1024
"""What one compiled pattern may take. The engine's time is linear to the text and to this: at most 1.4 µs a byte."""
_MULTIPLE_WEIGHT = 64
"""What `multipleOf` costs: exact fractions of numbers far apart take 20 µs, where another part takes 75 ns."""
_SAYING_MAX = 8 * 1_048_576
"""Parts, values and bytes multiplied: what the faults of a value could take, were all of it wrong in every part."""
_SAID_MAX = 3
"""Faults that a refusal names: a person mends them one by one."""
_DRAFTS = frozenset(
    {"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#"},
)
_DYNAMIC = ("$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor", "$vocabulary")


class BadSchema(UsageError):
    """The schema is none, or larger than a node takes."""

    code = "bad_schema"
    remedy = "give a JSON Schema (draft 2020-12) within the bounds of docs/capabilities.md"


class SchemaMismatch(UsageError):
    """What was given is not what the capability's schema says."""

    code = "schema_mismatch"
    remedy = "compare it with the schema that `foedus capability find` shows"


class TooCostly(SchemaMismatch):
    """Checking it could keep the node from everything else for more than a second."""

    code = "too_costly"
    http_status = 413
    remedy = "send less at once, or let the capability have a simpler schema, with fewer patterns"


class BadJson(UsageError):
    """Not JSON within the bounds."""

    code = "bad_json"
    remedy = "give JSON within the bounds of docs/capabilities.md"


def read_json(data: bytes, most: int = JSON_BYTES_MAX) -> Any:
    """Return the value in ``data``; raise BadJson: not JSON, too long, too deep, NaN, or a name twice."""
    if len(data) > most:
        raise BadJson(f"JSON here has at most {most} bytes", code="too_large", http_status=413)
    if _depth(data) > JSON_DEPTH_MAX:
        raise BadJson(f"JSON here is at most {JSON_DEPTH_MAX} deep")
    try:
        value = json.loads(data, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_no_twins)
        if b"\\u" in data:  # half a surrogate pair is no text, and nobody could be shown it
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise BadJson(f"not JSON: {error}") from None
    return value


def write_json(value: Any, most: int = JSON_BYTES_MAX) -> bytes:
    """Return the bytes of a value, as short as they go; raise BadJson."""
    try:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadJson(f"not JSON: {error}") from None
    read_json(data, most)
    return data


def _depth(data: bytes) -> int:
    """Return how deep brackets nest outside of strings."""
    deepest = depth = 0
    in_text = escaped = False
    for byte in data:
        if in_text:
            in_text = escaped or byte not in b'"'
            escaped = not escaped and byte in b"\\"
        elif byte in b'"':
            in_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:40]} is greater than a number can be here")
    return number


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


class _Cost(NamedTuple):
    """What checking a value costs. ``parts``: for each value in it; ``patterns``: for each of its bytes."""

    parts: int
    patterns: int


class Shape:
    """A schema that was checked. ``data``: JSON of the schema; b'' takes everything."""

    def __init__(self, data: bytes) -> None:
        """Read a schema; raise BadSchema."""
        self._validator: jsonschema_rs.Validator | None = None
        if data:
            self._validator, self._cost = _compile(data)

    def check(self, data: bytes) -> Any:
        """Return the value in ``data``; raise BadJson, TooCostly, or SchemaMismatch, which names place and fault."""
        value = read_json(data)
        if self._validator is None:
            return value
        work = self._cost.parts * _count(value)
        if work > SCHEMA_WORK_MAX or self._cost.patterns * len(data) > SCHEMA_PATTERN_WORK_MAX:
            raise TooCostly("checking this against the schema would take too long")
        if not self._validator.is_valid(value):
            # A fault holds a copy of what is wrong, and there can be one for each part and value.
            can_say = work * len(data) <= _SAYING_MAX
            faults = islice(self._faults(self._validator, value), _SAID_MAX) if can_say else ()
            raise SchemaMismatch("; ".join(faults) or "this is not what the schema says; it is too large to say where")
        return value

    @staticmethod
    def _faults(validator: jsonschema_rs.Validator, value: Any) -> Iterator[str]:
        for error in validator.iter_errors(value):
            place = "/".join(str(step) for step in error.instance_path)[:120]
            yield f"at {'/' + place if place else 'the top'}: {error.message[:240]}"


def _count(value: Any) -> int:
    """Return how many values there are in a value, itself and names included."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        count += 1
        if isinstance(one, dict):
            count += len(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return count


def _compile(data: bytes) -> tuple[jsonschema_rs.Validator, _Cost]:
    import jsonschema_rs  # noqa: PLC0415  # 3 MB that a node without capabilities does without

    try:
        schema = read_json(data, SCHEMA_BYTES_MAX)
    except BadJson as error:
        raise BadSchema(str(error)) from None
    if not isinstance(schema, dict | bool):
        raise BadSchema("a schema is an object, true or false")
    cost = _Walk(schema).check() if isinstance(schema, dict) else _Cost(1, 0)
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema,
            validate_formats=False,
            retriever=_fetch_nothing,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES),
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema(f"not a schema: {str(error)[:300]}") from None
    return validator, cost


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri[:80]} is not fetched")


class _Walk:
    """Follows every part of a schema and its references: a few that cite each other could take for ever to check."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._left = SCHEMA_PARTS_MAX
        self._multiples = 0
        self._patterns = 0

    def check(self) -> _Cost:
        """Return what checking by it costs; raise BadSchema."""
        draft = self._schema.get("$schema", "")
        if draft and draft not in _DRAFTS:
            raise BadSchema("a schema is of draft 2020-12")
        self._visit(self._schema, 0)
        parts = SCHEMA_PARTS_MAX - self._left
        return _Cost(parts + _MULTIPLE_WEIGHT * self._multiples, self._patterns)

    def _visit(self, part: Any, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > JSON_DEPTH_MAX:
            raise BadSchema(
                f"a schema, its references followed, has at most {SCHEMA_PARTS_MAX} parts and {JSON_DEPTH_MAX} levels"
            )
        if isinstance(part, list):
            for one in part:
                self._visit(one, depth + 1)
        elif isinstance(part, dict):
            self._visit_map(part, depth)

    def _visit_map(self, part: dict[str, Any], depth: int) -> None:
        for name in _DYNAMIC:
            if isinstance(part.get(name), str):
                raise BadSchema(f"{name} is not taken here")
        self._multiples += isinstance(part.get("multipleOf"), int | float)
        self._patterns += isinstance(part.get("pattern"), str)
        by_name = part.get("patternProperties")
        self._patterns += len(by_name) if isinstance(by_name, dict) else 0
        reference = part.get("$ref")
        if isinstance(reference, str):
            self._visit(self._meant(reference), depth + 1)
        for name, value in part.items():
            if name not in {"$defs", "definitions"}:
                self._visit(value, depth + 1)

    def _meant(self, reference: str) -> Any:
        if "%" in reference:  # the library decodes it, and comes to a part that was not counted here
            raise BadSchema("a reference is written without %")
        if not reference.startswith("#/"):
            raise BadSchema("a reference begins with #/: nothing is fetched, and no schema holds itself")
        found: Any = self._schema
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise BadSchema(f"{reference[:80]} is not in the schema")
            found = found[name]
        return found
