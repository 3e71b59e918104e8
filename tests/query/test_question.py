"""The form of a question: what is refused, and that its bytes are one."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from foedus.base.cbor import NotCanonical, encode, to_plain
from foedus.base.vectors import unit
from foedus.query import limits
from foedus.query.question import (
    BadQuestion,
    Question,
    SemanticAbout,
    Stale,
    about,
    check_time,
    encode_question,
    id_of,
    parse_question,
    signing_bytes,
)
from foedus.query.routing.vectors import BadVector

NODE = b"n" * 32
DID = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
BY_NODE = Question(
    v=1,
    node=NODE,
    epoch=b"e" * 32,
    asker=NODE,
    device=None,
    kind="text",
    about={"text": "lamp"},
    scope="global",
    hops=3,
    results=10,
    at=1_000_000,
    deadline=2_000_000,
    auth=(),
    nonce=bytes(16),
)
BY_DEVICE = replace(BY_NODE, asker=DID, device=b"d" * 32, auth=(b"a" * 32,))


@pytest.mark.parametrize("question", [BY_NODE, BY_DEVICE, replace(BY_NODE, kind="later.kind", about={"x": [1, b"y"]})])
def test_a_question_is_its_bytes(question):
    data = encode_question(question)
    assert parse_question(data) == question
    assert len(id_of(data)) == 32
    assert signing_bytes(data) == b"foedus/query/1\0" + data


@pytest.mark.parametrize(
    "changes",
    [
        {"asker": b"x" * 32},
        {"asker": DID},
        {"asker": 7},
        {"device": b"d" * 32},
        {"asker": "did:key:nobody", "device": b"d" * 32},
        {"scope": "local"},
        {"scope": "direct", "hops": 2},
        {"hops": limits.HOPS_MAX + 1},
        {"hops": 0},
        {"results": 0},
        {"results": limits.RESULTS_MAX + 1},
        {"deadline": 1_000_000},
        {"deadline": 1_000_001 + limits.LASTS_MAX},
        {"about": {}},
        {"about": {"text": ""}},
        {"about": {"text": "x" * (limits.TEXT_MAX + 1)}},
        {"about": {"text": "x", "more": 1}},
        {"kind": "causal"},
        {"kind": "Text"},
        {"kind": "later", "about": {"x": bytes(limits.ABOUT_BYTES_MAX)}},
        {"nonce": b"short"},
        {"v": 2},
    ],
    ids=str,
)
def test_what_is_no_question_is_refused(changes):
    with pytest.raises(BadQuestion):
        parse_question(encode(to_plain(replace(BY_NODE, **changes))))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_question_or_refused(data):
    with pytest.raises((BadQuestion, NotCanonical)):
        parse_question(data)


def test_its_time_is_checked_with_what_clocks_may_differ():
    check_time(BY_NODE, 2_000_000 + limits.SKEW_MAX)
    check_time(replace(BY_NODE, at=limits.SKEW_MAX, deadline=limits.SKEW_MAX + 1), 0)
    with pytest.raises(Stale):
        check_time(BY_NODE, 2_000_001 + limits.SKEW_MAX)
    with pytest.raises(Stale):
        check_time(replace(BY_NODE, at=limits.SKEW_MAX + 1, deadline=limits.SKEW_MAX + 2), 0)


# --- by meaning ----------------------------------------------------------------------------------


def by_meaning(vector, dimension=4, **changes):
    asked = {"text": "lamp", "model": "small", "dimension": dimension, "vector": vector} | changes
    return replace(BY_NODE, kind="semantic", about=asked)


def test_a_question_by_meaning_carries_its_vector():
    vector = unit([1.0, 2.0, 3.0, -4.0])
    question = parse_question(encode_question(by_meaning(vector)))
    assert about(question) == SemanticAbout("lamp", "small", 4, vector)
    largest = by_meaning(unit([1.0] * 4_096), 4_096, text="\N{OLD ITALIC LETTER A}" * 1_024, model="m" * 128)
    assert parse_question(encode_question(largest)) == largest


NAN, INFINITE, ZERO, LONG = struct.pack("<4f", 1, math.nan, 0, 0), struct.pack("<4f", math.inf, 0, 0, 0), bytes(16), 2.0


@pytest.mark.parametrize(
    ("vector", "dimension"),
    [
        (NAN, 4),
        (INFINITE, 4),
        (ZERO, 4),
        (struct.pack("<4f", LONG, 0, 0, 0), 4),
        (unit([1.0, 0, 0, 0]), 5),
        (unit([1.0, 0, 0, 0])[:-1], 4),
        (b"", 1),
    ],
)
def test_a_poisoned_vector_is_refused_by_its_own_code(vector, dimension):
    data = encode(to_plain(by_meaning(vector, dimension)))
    with pytest.raises(BadVector) as refused:
        parse_question(data)
    assert refused.value.code == "malformed_vector"


@pytest.mark.parametrize(
    "changes", [{"model": ""}, {"dimension": 4_097}, {"dimension": 0}, {"text": "x" * 1_025}, {"x": 1}]
)
def test_a_question_by_meaning_has_its_form(changes):
    with pytest.raises(BadQuestion):
        parse_question(encode(to_plain(by_meaning(unit([1.0, 0, 0, 0]), **changes))))
