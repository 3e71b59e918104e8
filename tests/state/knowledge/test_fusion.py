"""Rankings fused by places: the same in every order of the rankings, and better places never count less."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.state.knowledge.fusion import FUSION_K, WHOLE, fuse

ids = st.integers(0, 12).map(lambda n: bytes([n]))
rankings = st.lists(st.lists(ids, max_size=10, unique=True), max_size=4)


@given(rankings, st.randoms())
def test_the_order_of_the_rankings_does_not_matter(given_rankings, chance):
    shuffled = list(given_rankings)
    chance.shuffle(shuffled)
    assert fuse(shuffled) == fuse(given_rankings)


@given(rankings)
def test_all_that_is_ranked_stands_once_the_best_first_equal_ones_by_id(given_rankings):
    fused = fuse(given_rankings)
    assert {found for found, _ in fused} == {found for ranking in given_rankings for found in ranking}
    assert len(fused) == len(dict(fused))
    assert fused == sorted(fused, key=lambda scored: (-scored[1], scored[0]))


def test_two_good_places_beat_one_best():
    assert [found for found, _ in fuse([[b"a", b"b"], [b"c", b"b"]])] == [b"b", b"a", b"c"]
    assert fuse([[b"a"]]) == [(b"a", WHOLE // (FUSION_K + 1))]
