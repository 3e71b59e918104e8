"""The form of a question: what is refused, and that its bytes are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from foedus.base.cbor import NotCanonical, encode, to_plain
from foedus.query import limits
from foedus.query.question import (
    BadQuestion,
    Question,
    Stale,
    check_time,
    encode_question,
    id_of,
    parse_question,
    signing_bytes,
)

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
