"""JSON Schemas of capabilities: bounded, and nothing is fetched."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.query.limits import JSON_BYTES_MAX, JSON_DEPTH_MAX, SCHEMA_BYTES_MAX
from foedus.query.schemas import BadJson, BadSchema, SchemaMismatch, Shape, TooCostly, read_json, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def shape(**schema):
    return Shape(json.dumps(schema).encode())


@given(VALUES)
def test_what_is_written_is_read(value):
    assert read_json(write_json(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data):
    try:
        read_json(data)
    except BadJson:
        return
    json.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b'{"a":1,"a":2}',
        b"\xff",
        b"[" * 5_000,
        b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1),
        b'"' + b"x" * JSON_BYTES_MAX + b'"',
    ],
)
def test_what_is_no_json_within_the_bounds_is_refused(data):
    with pytest.raises(BadJson):
        read_json(data)


def test_brackets_in_text_are_not_depth():
    assert read_json(json.dumps("[" * 500 + '"\\').encode()) == "[" * 500 + '"\\'


@pytest.mark.parametrize(
    "schema",
    [
        b"5",
        b'{"type": "nothing"}',
        b'{"$ref": "#"}',
        b'{"$ref": "https://example.com/schema"}',
        b'{"$ref": "file:///etc/passwd"}',
        b'{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}',
        b'{"$defs": {"a": {"$ref": "https://example.com/schema"}}}',
        b'{"$ref": "#/$defs/absent"}',
        b'{"$dynamicRef": "#a"}',
        b'{"$id": "https://example.com/"}',
        b'{"$schema": "http://json-schema.org/draft-04/schema#"}',
        b'{"pattern": "("}',
        b'{"description": "' + b"x" * SCHEMA_BYTES_MAX + b'"}',
    ],
)
def test_a_schema_that_is_none_or_reaches_outside_is_refused(schema):
    with pytest.raises(BadSchema):
        Shape(schema)


def test_references_that_double_at_each_step_are_refused():
    parts = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)} | {"a30": {}}
    with pytest.raises(BadSchema):
        Shape(json.dumps({"$defs": parts, "$ref": "#/$defs/a0"}).encode())


def test_references_that_the_library_reads_in_another_way_are_refused():
    """Counted here as the harmless ``%24defs``, followed there to ``$defs``, where each doubles the next one's work."""
    doubling = {f"a{n}": {"allOf": [{"$ref": f"#/%24defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}
    schema = {"$ref": "#/%24defs/a0", "%24defs": dict.fromkeys(doubling, True), "$defs": doubling}
    with pytest.raises(BadSchema, match="without %"):
        Shape(json.dumps(schema).encode())


def test_a_reference_into_the_schema_itself_holds():
    it = Shape(b'{"$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}}')
    assert it.check(b'["x"]') == ["x"]
    with pytest.raises(SchemaMismatch, match="at /0"):
        it.check(b"[1]")


def test_a_pattern_that_others_backtrack_on_is_quick():
    started = time.thread_time()
    with pytest.raises(SchemaMismatch):
        shape(pattern="^(a+)+$").check(b'"' + b"a" * 5_000 + b'b"')
    assert time.thread_time() - started < 1


def test_a_refusal_names_few_faults_and_not_the_whole_input():
    with pytest.raises(SchemaMismatch) as error:
        shape(items={"type": "string"}).check(json.dumps([{"x": "y" * 900}] * 50).encode())
    assert len(str(error.value)) < 1_200


def test_of_a_large_value_no_more_than_the_first_fault_is_looked_for():
    allowed = shape(items={"enum": list(range(2, 800))})
    with pytest.raises(SchemaMismatch) as few:
        allowed.check(b"[" + b",".join([b"1"] * 5) + b"]")
    assert str(few.value).count("at /") == 3
    with pytest.raises(SchemaMismatch) as one:
        allowed.check(b"[" + b",".join([b"1"] * 32_000) + b"]")
    assert str(one.value).count("at /") == 0


def test_no_schema_takes_everything_that_is_json():
    assert Shape(b"").check(b"[1]") == [1]
    with pytest.raises(BadJson):
        Shape(b"").check(b"[")


LONG = write_json("ab" * 32_000)
MANY = write_json([1.5] * 16_000)
NAMES = write_json({f"a{number}": 1 for number in range(6_000)})
BOMBS = {
    "patterns": ({"$defs": {"p": {"allOf": [{"not": {"pattern": f"[ab]*a[ab]{{40}}c{n}"}} for n in range(40)]}},
                  "allOf": [{"$ref": "#/$defs/p"}] * 9}, LONG),
    "names": ({"propertyNames": {"allOf": [{"pattern": f"a.*{n}b"} for n in range(100)]}}, NAMES),
    "multiples": ({"items": {"allOf": [{"multipleOf": 0.0001 * (n + 1)} for n in range(80)]}}, MANY),
    "choices": ({"items": {"anyOf": [{"const": n} for n in range(200)]}}, MANY),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_take_too_long_is_not_begun(name):
    schema, data = BOMBS[name]
    with pytest.raises(TooCostly) as error:
        Shape(write_json(schema)).check(data)
    assert (error.value.code, error.value.http_status) == ("too_costly", 413)


@pytest.mark.parametrize("schema", [{"anyOf": [{"type": "string"}] * 60}, {"items": {"type": "string"}}, {"not": {}}])
def test_the_faults_of_much_that_is_wrong_are_not_collected(schema):
    with pytest.raises(SchemaMismatch, match="too large to say where"):
        Shape(write_json(schema)).check(MANY)


def test_a_pattern_that_is_large_when_compiled_is_refused():
    for pattern in ("[ab]*a[ab]{600}c", "(a{1,50}){1,50}b"):
        with pytest.raises(BadSchema):
            shape(pattern=pattern)
    for pattern in ("^[A-Za-z0-9_-]{43}$", r"^\d{4}-\d{2}-\d{2}$", r"^\w+@[a-z0-9.-]+\.[a-z]{2,}$"):
        shape(pattern=pattern)


SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array", "nothing", 5]),
            "pattern": st.text(max_size=6),
            "multipleOf": st.floats() | st.integers(-3, 3),
            "enum": st.lists(VALUES, max_size=3),
            "$ref": st.sampled_from(["#", "#/$defs/a", "#/properties/x", "http://x/", ""]),
            "minLength": st.integers(-2, 4),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
            "items": inner,
            "anyOf": st.lists(inner, max_size=3),
            "not": inner,
            "$defs": st.dictionaries(st.just("a"), inner, max_size=1),
        },
    ),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
def test_any_schema_takes_a_value_or_refuses_it_or_is_none(schema, value):
    try:
        shape(**schema).check(write_json(value))
    except (BadSchema, SchemaMismatch):
        return


@pytest.mark.parametrize("data", [rb'"\ud800"', rb'{"\udfff": 1}', rb'["\ud83d", "\ude00"]', b"1e999", b"[-1e400]"])
def test_what_could_be_shown_to_nobody_is_no_json_here(data):
    """Kept as the output of a call it would end every list of calls in which it stands."""
    with pytest.raises(BadJson):
        read_json(data)


@pytest.mark.parametrize("data", [rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\u0041"', b"1.5e300", b"1" * 30])
def test_what_can_be_shown_is_taken(data):
    assert msgspec.json.decode(msgspec.json.encode(read_json(data))) == json.loads(data)
