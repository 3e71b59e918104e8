"""JSON Schemas of capabilities: bounded, and nothing is fetched."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.query.limits import JSON_BYTES_MAX, JSON_DEPTH_MAX, SCHEMA_BYTES_MAX
from foedus.query.schemas import BadJson, BadSchema, SchemaMismatch, Shape, read_json, write_json

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


def test_no_schema_takes_everything_that_is_json():
    assert Shape(b"").check(b"[1]") == [1]
    with pytest.raises(BadJson):
        Shape(b"").check(b"[")


@pytest.mark.parametrize("data", [rb'"\ud800"', rb'{"\udfff": 1}', rb'["\ud83d", "\ude00"]', b"1e999", b"[-1e400]"])
def test_what_could_be_shown_to_nobody_is_no_json_here(data):
    """Kept as the output of a call it would end every list of calls in which it stands."""
    with pytest.raises(BadJson):
        read_json(data)


@pytest.mark.parametrize("data", [rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\u0041"', b"1.5e300", b"1" * 30])
def test_what_can_be_shown_is_taken(data):
    assert msgspec.json.decode(msgspec.json.encode(read_json(data))) == json.loads(data)
