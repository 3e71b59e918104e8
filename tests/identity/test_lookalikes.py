"""Names that mislead are marked, honest ones are not: by two lists of pairs, made for this test."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.identity.lookalikes import forms_of, looks_alike

FLAGGED_MIN = 0.95
FALSE_MAX = 0.02


def pairs(name):
    lines = Path(__file__).with_name(name).read_text(encoding="ascii").splitlines()
    return [tuple(json.loads(f'"{text}"') for text in line.split("\t")) for line in lines]


def test_of_two_hundred_look_alikes_hardly_one_passes():
    alike = pairs("lookalike_pairs.txt")
    missed = [pair for pair in alike if not looks_alike(*pair)]
    assert len(alike) >= 200
    assert 1 - len(missed) / len(alike) >= FLAGGED_MIN, missed


def test_of_two_hundred_honest_pairs_hardly_one_is_marked():
    honest = pairs("honest_pairs.txt")
    marked = [pair for pair in honest if looks_alike(*pair)]
    assert len(honest) >= 200
    assert len(marked) / len(honest) <= FALSE_MAX, marked


@given(st.text(max_size=40), st.text(max_size=40))
def test_it_does_not_matter_who_came_first(one, other):
    assert looks_alike(one, other) is looks_alike(other, one)


@given(st.text(max_size=40))
def test_a_name_looks_like_itself_unless_nothing_of_it_is_seen(name):
    assert looks_alike(name, name) is bool(forms_of(name).skeletons)


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "\u3164", "\u2800\u200d"])
def test_what_shows_nothing_looks_like_nothing(nothing):
    assert not looks_alike(nothing, nothing)
    assert not looks_alike(nothing, "bank")


def test_punctuation_alone_is_still_a_name():
    assert looks_alike("-- ", "--")
    assert not looks_alike("--", "++")
