import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.identity.credentials.document import canonical, read_document, to_text
from foedus.identity.credentials.errors import BadDocument
from foedus.identity.credentials.instants import to_instant, to_stamp

LIMIT = 4_096


def code_of(text, limit=LIMIT):
    with pytest.raises(BadDocument) as refused:
        read_document(text, limit)
    return refused.value.code


@pytest.mark.parametrize(
    "number", ["1.0", "1e0", "-0", "01", "1E2", "9007199254740993", "1e400", "NaN", "0.10", "1" * 5_000]
)
def test_a_number_has_one_form(number):
    assert code_of('{"n":%s}' % number, 8_000) in {"bad_number", "bad_document"}  # noqa: UP031


@pytest.mark.parametrize("number", ["0", "-7", "9007199254740991", "1.5", "1e+21", "1e-7", "-0.25"])
def test_canonical_numbers_are_read(number):
    assert canonical(read_document('{"n":%s}' % number, LIMIT)).decode() == '{"n":%s}' % number  # noqa: UP031


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "bad_document"),
        ('{"a":1,"a":2}', "bad_document"),
        ('{"a":', "bad_document"),
        ('{"a":"\\ud800"}', "bad_document"),
        (b'{"a":"\xff"}', "bad_document"),
        ('{"a":"' + "x" * LIMIT + '"}', "document_too_large"),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", "document_too_deep"),
        ('{"a":' + "[" * 2_000 + "]" * 2_000 + "}", "document_too_deep"),
    ],
)
def test_what_is_open_to_readings_is_refused(text, code):
    assert code_of(text) == code


def test_depth_beyond_pythons_own_is_refused_alike():
    assert code_of('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", 1 << 20) == "document_too_deep"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), values, max_size=6))
def test_what_is_written_is_read_again(document):
    assert read_document(to_text(document), 1 << 20) == document
    assert canonical(read_document(canonical(document), 1 << 20)) == canonical(document)
    assert json.loads(canonical(document)) == document


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
    ],
)
def test_times_name_their_zone(text, instant):
    assert to_instant(text) == instant


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01t00:00:00z", 5, None]
)
def test_other_times_are_refused(text):
    with pytest.raises(BadDocument) as refused:
        to_instant(text)
    assert refused.value.code == "bad_time"


@given(st.integers(0, 253_402_300_799))
def test_a_stamp_is_read_again(second):
    assert to_instant(to_stamp(second * 1_000_000)) == second * 1_000_000


@pytest.mark.parametrize("text", ['{"\\ud800": 1}', '{"a": {"\\ud800": 1}}', '{"a": "\\ud800"}', '{"a": ["\\udfff"]}'])
def test_half_a_character_is_refused_wherever_it_stands(text):
    with pytest.raises(BadDocument):
        read_document(text, 1_000)
