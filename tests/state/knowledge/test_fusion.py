"""Rankings fused by places: meaning counts whole, words by how much of the question a packet holds."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.state.knowledge.fusion import FUSION_K, WHOLE, fuse

ids = st.integers(0, 12).map(lambda n: bytes([n]))
rankings = st.lists(ids, max_size=10, unique=True)
parts = st.lists(st.integers(0, WHOLE), min_size=13, max_size=13).map(
    lambda each: {bytes([n]): part for n, part in enumerate(each)}
)
ALL = {bytes([n]): WHOLE for n in range(256)}


@given(rankings, rankings, parts)
def test_all_that_is_ranked_stands_once_the_best_first_equal_ones_by_id(words, meaning, shares):
    fused = fuse(words, meaning, shares)
    assert {found for found, _ in fused} == {*words, *meaning}
    assert len(fused) == len(dict(fused))
    assert fused == sorted(fused, key=lambda scored: (-scored[1], scored[0]))


@given(rankings, rankings)
def test_what_holds_all_words_counts_by_words_as_by_meaning(words, meaning):
    assert fuse(words, meaning, ALL) == fuse(meaning, words, ALL)


@given(rankings, rankings)
def test_what_holds_nothing_of_the_question_moves_nothing(words, meaning):
    fused = fuse(words, meaning, dict.fromkeys(ALL, 0))
    assert [found for found, score in fused if score] == meaning


@given(rankings, rankings, parts, ids)
def test_who_holds_more_of_the_question_never_stands_worse(words, meaning, shares, one):
    place = [found for found, _ in fuse(words, meaning, shares)]
    better = [found for found, _ in fuse(words, meaning, shares | {one: WHOLE})]
    assert one not in place or better.index(one) <= place.index(one)


def test_two_good_places_beat_one_best():
    assert [found for found, _ in fuse([b"a", b"b"], [b"c", b"b"], ALL)] == [b"b", b"a", b"c"]
    assert fuse([b"a"], [], ALL) == [(b"a", WHOLE // (FUSION_K + 1))]
