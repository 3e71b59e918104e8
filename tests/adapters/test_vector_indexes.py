"""The nearest vectors: two indexes under one contract, and the change from one to the other."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.adapters.vector_indexes import ExactVectors, GraphVectors, GrowingVectors, MissingExtra, load
from foedus.base.vectors import BadVector, dimension_of, unit

DIMENSION = 8


def some(count, seed=1):
    chance = random.Random(seed)
    return {key: unit([chance.gauss(0, 1) for _ in range(DIMENSION)]) for key in range(1, count + 1)}


def graph():
    return GraphVectors(DIMENSION, {})


@pytest.fixture(params=[lambda: ExactVectors(DIMENSION), graph, lambda: GrowingVectors(DIMENSION, exact_max=50)])
def index(request):
    return request.param()


def test_the_nearest_come_first_with_their_cosine(index):
    index.put({1: unit([1, 0, 0, 0, 0, 0, 0, 0]), 2: unit([1, 1, 0, 0, 0, 0, 0, 0]), 3: unit([0, 0, 1, 0, 0, 0, 0, 0])})
    found = index.nearest(unit([2, 0, 0, 0, 0, 0, 0, 0]), 3)
    assert [(near.key, round(near.similarity, -1)) for near in found] == [(1, 1_000_000), (2, 707_110), (3, 0)]
    assert [near.key for near in index.nearest(unit([0, 0, 1, 0, 0, 0, 0, 0]), 1)] == [3]


def test_what_is_put_again_moves_and_what_is_dropped_is_not_found(index):
    vectors = some(200)
    index.put(vectors)
    index.put({7: vectors[8]})
    assert {near.key for near in index.nearest(vectors[8], 2)} == {7, 8}
    index.drop([8, 999])
    assert [near.key for near in index.nearest(vectors[8], 1)] == [7]
    assert len(index) == 199
    index.put({8: vectors[8]})
    assert {near.key for near in index.nearest(vectors[8], 2)} == {7, 8}
    index.drop(range(1, 201))
    assert len(index) == 0
    assert index.nearest(vectors[8], 5) == []


def test_more_than_there_are_is_all_of_them(index):
    index.put(some(3))
    assert len(index.nearest(some(1)[1], 100)) == 3
    assert index.nearest(some(1)[1], 0) == []


def test_the_graph_finds_what_comparing_all_finds():
    vectors = some(3_000)
    exact, other = ExactVectors(DIMENSION), GraphVectors(DIMENSION, vectors)
    exact.put(vectors)
    questions = some(50, seed=2).values()
    found = [
        {near.key for near in exact.nearest(question, 10)} & {near.key for near in other.nearest(question, 10)}
        for question in questions
    ]
    assert sum(map(len, found)) >= 0.98 * 500


def test_equal_ones_are_in_the_order_of_their_keys(index):
    vector = some(1)[1]
    index.put({9: vector, 3: vector, 5: vector})
    assert [near.key for near in index.nearest(vector, 9)] == [3, 5, 9]


def test_without_the_library_the_remedy_is_named():
    with pytest.raises(MissingExtra) as told:
        load("no_such_library", "vectors")
    assert told.value.remedy == "pip install 'foedus[vectors]'"


@given(st.lists(st.floats(), max_size=40))
def test_numbers_are_a_vector_of_length_one_or_none(numbers):
    try:
        vector = unit(numbers)
    except BadVector:
        return
    assert dimension_of(vector) == len(numbers)
    index = ExactVectors(len(numbers))
    index.put({1: vector})
    assert abs(index.nearest(vector, 1)[0].similarity - 1_000_000) <= 2


@pytest.mark.parametrize("numbers", [[], [0.0], [float("nan"), 1.0], [float("inf")], [1.7e308, 1.7e308], [1.0] * 5_000])
def test_what_is_no_vector(numbers):
    with pytest.raises(BadVector):
        unit(numbers)
