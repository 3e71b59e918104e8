"""The index of knowledge: what it finds, what hostile words do, and what a crash or damage leaves."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.adapters import sqlite_words
from foedus.adapters.sqlite_knowledge import SqliteKnowledge
from foedus.base.vectors import unit
from foedus.state.knowledge.port import TERM_MAX, TERMS_MAX, Change, Entry, Mention, Reached, terms_of


def subject(n):
    return n.to_bytes(32, "big")


def entry(n, title, content="", tags="", domain="lab"):
    return Entry(subject(n), domain, is_task=False, event=subject(n), words=(title, content, tags))


@pytest.fixture
def index(tmp_path):
    it = SqliteKnowledge(tmp_path / "knowledge.db")
    yield it
    it.close(is_whole=True)


def found(index, text, domain=""):
    return [int.from_bytes(hit.subject, "big") for hit in index.search(terms_of(text), domain, 100)]


def test_any_word_finds_and_a_title_weighs_more(index):
    index.apply(Change(entries=[entry(1, "wasps", "bees are near"), entry(2, "bees", "in a hive"), entry(3, "ants")]))
    assert found(index, "bee colony") == [2, 1]
    assert found(index, "HIVES") == [2]
    assert found(index, "") == []


def test_only_a_domain_is_found(index):
    index.apply(Change(entries=[entry(1, "bees", domain="a"), entry(2, "bees", domain="b")]))
    assert found(index, "bees", "b") == [2]


def test_what_is_said_anew_is_not_found_by_its_old_words(index):
    index.apply(Change(entries=[entry(1, "bees")]))
    index.apply(Change(entries=[entry(1, "wasps")._replace(event=subject(11))]))
    assert found(index, "bees") == []
    assert found(index, "wasps") == [1]
    index.apply(Change(entries=[entry(1, "")._replace(event=None)]))
    assert found(index, "wasps") == []


def test_words_that_are_everywhere_do_not_hide_the_others(index, monkeypatch):
    monkeypatch.setattr(sqlite_words, "COMMON_MIN", 5)
    index.apply(Change(entries=[entry(n, "the bee", "x" * n) for n in range(1, 400)] + [entry(400, "the wasp")]))
    assert found(index, "the wasps") == [400]
    assert len(found(index, "the bees")) == 100, "where all are common, the rarest are looked for"


def test_a_packet_holds_a_part_of_a_question_by_the_rarity_of_its_words(index):
    entries = [entry(n, "bee", "near a hive") for n in range(1, 30)]
    index.apply(Change(entries=[*entries, entry(30, "bees", "zanzibar"), entry(31, "wasps")]))

    def shares(text):
        return [index.shares(terms_of(text), [subject(n)])[subject(n)] for n in (1, 30, 31)]

    assert shares("Bees, bees!") == [1_000_000, 1_000_000, 0]
    common, rare, none = shares("zanzibar bees")
    assert 0 < common < 100_000
    assert (rare, none) == (1_000_000, 0)
    assert shares("zanzibar unheard")[1] < 600_000, "what nobody holds is missing there, too"
    assert index.shares([], [subject(1)]) == index.shares(["bees"], []) == {}


HOSTILE = ['"', '""', "NEAR(a b)", "title:*", "a OR", "^bees", "-bees", "{title}: x", "bees*", "\0", "((((", "'; DROP"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_words(index, text):
    index.apply(Change(entries=[entry(1, "bees"), entry(2, "x")]))
    found(index, text)
    assert set(index.shares(terms_of(text), [subject(1)])) <= {subject(1)}
    assert found(index, "bees") == [1]


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_no_text_reaches_the_query_language(text):
    index = SqliteKnowledge(None)
    index.apply(Change(entries=[entry(1, "bees")]))
    found(index, text)
    index.close(is_whole=True)


def test_a_question_has_a_bound():
    assert len(terms_of("a " * 1_000)) == TERMS_MAX
    assert len(terms_of("a" * 1_000)[0]) == TERM_MAX


def test_words_that_went_are_in_no_file(tmp_path):
    path = tmp_path / "knowledge.db"
    index = SqliteKnowledge(path)
    index.apply(Change(entries=[entry(1, "xylophone"), entry(2, "bees")]))
    index.apply(Change(entries=[entry(1, "")._replace(event=None)]))
    index.scrub()
    files = [each.read_bytes() for each in tmp_path.iterdir()]
    index.close(is_whole=True)
    assert not any(b"xylophon" in data for data in files)


def with_vectors(path, embedder="small"):
    index = SqliteKnowledge(path)
    index.vectors.use(embedder, 0)
    return index


def make_vectors(index, **by_title):
    numbers = dict(enumerate(by_title.values(), 1))
    index.vectors.put([(packet, unit(numbers[packet.number])) for packet in index.vectors.awaiting(0, 100)])


def test_vectors_that_went_are_in_no_file_and_not_found(tmp_path):
    index = with_vectors(tmp_path / "knowledge.db")
    index.apply(Change(entries=[entry(1, "bees"), entry(2, "wasps")]))
    make_vectors(index, bees=[1.0, 2.0, 3.0], wasps=[3.0, 2.0, 1.0])
    gone = unit([1.0, 2.0, 3.0])
    assert [int.from_bytes(hit.subject, "big") for hit in index.vectors.nearest(gone, "", 9)] == [1, 2]
    index.apply(Change(entries=[entry(1, "")._replace(event=None)]))
    index.scrub()
    assert [int.from_bytes(hit.subject, "big") for hit in index.vectors.nearest(gone, "", 9)] == [2]
    assert index.vectors.held() == (1, 0)
    files = [each.read_bytes() for each in tmp_path.iterdir()]
    index.close(is_whole=True)
    assert any(unit([3.0, 2.0, 1.0]) in data for data in files)
    assert not any(gone in data for data in files)


def test_vectors_of_another_embedder_or_dimension_go(tmp_path):
    path = tmp_path / "knowledge.db"
    index = with_vectors(path)
    index.apply(Change(entries=[entry(1, "bees")]))
    make_vectors(index, bees=[1.0, 2.0])
    index.close(is_whole=True)
    for embedder, dimension, held in (("small", 0, (1, 0)), ("small", 2, (1, 0)), ("large", 0, (0, 1))):
        index = SqliteKnowledge(path)
        index.vectors.use(embedder, dimension)
        assert index.vectors.held() == held
        index.close(is_whole=True)


def test_a_vector_of_words_that_are_others_by_now_is_not_kept(index):
    index.vectors.use("small", 0)
    index.apply(Change(entries=[entry(1, "bees")]))
    late = index.vectors.awaiting(0, 100)
    index.apply(Change(entries=[entry(1, "wasps")._replace(event=subject(11))]))
    index.vectors.put([(packet, unit([1.0, 0.0])) for packet in late])
    assert index.vectors.held() == (0, 1)
    assert index.vectors.nearest(unit([1.0, 0.0]), "", 9) == []


def test_mentions_and_places_are_kept(tmp_path):
    path = tmp_path / "knowledge.db"
    index = SqliteKnowledge(path)
    key = (b"e" * 32, "knowledge:lab")
    index.apply(
        Change(
            [Mention(subject(9), subject(1)), Mention(subject(8), None)],
            [entry(1, "bees")],
            {key: Reached(2, subject(9))},
        )
    )
    index.close(is_whole=True)
    again = SqliteKnowledge(path)
    assert not again.is_stale
    assert again.reached() == {key: Reached(2, subject(9))}
    assert again.mentions([subject(1), subject(5)]) == {subject(1): [subject(9)]}
    assert again.subjects_of([subject(9), subject(8)]) == {subject(9): subject(1), subject(8): None}
    assert again.bodiless() == [subject(8)]
    assert again.between(subject(0), subject(5)) == [subject(1)]
    again.close(is_whole=True)


def test_who_did_not_close_may_have_missed_something(tmp_path):
    path = tmp_path / "knowledge.db"
    SqliteKnowledge(path)._connection.close()
    index = SqliteKnowledge(path)
    assert index.is_stale
    index.close(is_whole=False)
    index = SqliteKnowledge(path)
    assert index.is_stale
    index.close(is_whole=True)


@pytest.mark.parametrize("data", [b"no database at all", os.urandom(8192), b""])
def test_a_damaged_index_is_made_anew(tmp_path, data):
    path = tmp_path / "knowledge.db"
    path.write_bytes(data)
    index = SqliteKnowledge(path)
    index.apply(Change(entries=[entry(1, "bees")]))
    assert found(index, "bees") == [1]
    index.close(is_whole=True)


def test_what_was_cleared_is_empty(index):
    index.apply(Change([Mention(subject(1), subject(1))], [entry(1, "bees")], {(b"e", "knowledge:a"): Reached(1, b"")}))
    index.clear()
    assert found(index, "bees") == []
    assert index.reached() == {}
    assert index.listed(is_task=False, domain="", after=0, limit=9) == []
