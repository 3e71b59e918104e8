import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from foedus.surfaces.cli.messages import message_lines, wrapped
from foedus.surfaces.cli.text import DASH, ERRORS, inert, lasting, paragraphs, when
from tests.surfaces.cli.samples import MESSAGE


@pytest.mark.parametrize(
    "hostile", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\n", "\ud800", "\0"]
)
def test_what_moves_hides_or_reorders_is_replaced_and_seen(hostile):
    assert inert(f"a{hostile}b") == "a\ufffdb"


def test_a_pile_of_combining_marks_cannot_cover_other_lines():
    assert inert("e" + "\u0301" * 50).count("\u0301") == 4


def test_words_in_any_script_stay_as_they_are():
    for words in ("hello, wörld", "日本語", "שלום", "e\u0301", "🙂"):
        assert inert(words) == words


@given(st.text())
def test_inert_text_is_printable_and_stays_so(text):
    shown = inert(text)
    assert all(character.isprintable() or unicodedata.category(character) == "Zs" for character in shown)
    assert inert(shown) == shown


def test_a_message_keeps_its_paragraphs():
    assert paragraphs("one\r\ntwo\n\tthree\rfour") == ["one", "two", " three\ufffdfour"]


def test_no_text_can_look_like_the_head_of_another_message():
    forged = "hi\n2026-01-01 00:00:00  bob (z6MkBob), human, at bank  ok verified"
    lines = [
        "".join(part if isinstance(part, str) else part[0] for part in line)
        for line in message_lines(replace(MESSAGE, text=forged), 80)
    ]
    assert '"bob" (z6MkBob), human, at "bank"' in lines[0]
    assert all(line.startswith("    ") for line in lines[1:])


def test_long_lines_are_wrapped_by_the_columns_they_take():
    assert wrapped("日本" * 10, 20) == ["日本" * 5, "日本" * 5]
    assert wrapped("a" * 45, 20) == ["a" * 20, "a" * 20, "a" * 5]
    assert wrapped("", 20) == [""]


def test_a_time_that_no_calendar_has_is_shown_as_its_number():
    assert when((1 << 62) - 1) == f"{(1 << 62) - 1} µs"
    assert when(None) == DASH
    assert len(when(1_700_000_000_000_000)) == 19


def test_durations_are_in_their_largest_unit():
    assert [lasting(us) for us in (0, 5_000_000, 120_000_000, 7_200_000_000, 900_000_000_000)] == [
        "0 s",
        "5 s",
        "2 min",
        "2 h",
        "10 d",
    ]


def test_a_terminal_without_unicode_gets_ascii_spellings():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors=ERRORS)
    stream.write(f"✓ ✗ → {DASH} \ufffd ö")
    stream.flush()
    assert raw.getvalue() == b"ok x -> - ? \\xf6"
