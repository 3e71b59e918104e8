"""What a sketch is: its bytes, what is refused, and that it summarises the same knowledge in the same way."""

import random
import struct
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import encode
from foedus.log.sketches import CENTROIDS_MAX
from foedus.query.routing import limits
from foedus.query.routing.sketch import BadSketch, Sketch, centroids_for, encode_sketch, make_sketch, parse_sketch
from foedus.query.routing.vectors import BadVector, parse_unit, parse_vector, similarity, unit, vector_bytes

EAST, NORTH = struct.pack("<2f", 1, 0), struct.pack("<2f", 0, 1)
TWO = Sketch("notes", "m", 2, tuple(sorted((EAST, NORTH))))
numbers = st.floats(-1e3, 1e3, width=32).filter(lambda number: abs(number) > 1e-3)
vectors = st.lists(st.lists(numbers, min_size=3, max_size=3).map(unit), min_size=1, max_size=12)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_poisoned_vector_is_refused(number):
    with pytest.raises(BadVector, match="not finite"):
        parse_vector(struct.pack("<2f", 1, number), 2)
    with pytest.raises(BadSketch):
        parse_sketch("notes", encode_unchecked(TWO._replace(centroids=(struct.pack("<2f", number, 1),))))


@pytest.mark.parametrize(("data", "dimension"), [(EAST, 3), (EAST, 1), (EAST[:-1], 2), (b"", 0), (b"", -1)])
def test_a_vector_of_another_dimension_is_refused(data, dimension):
    with pytest.raises(BadVector):
        parse_vector(data, dimension)


def test_a_vector_wider_than_any_embedding_is_refused():
    with pytest.raises(BadVector):
        parse_vector(bytes(4 * 4_097), 4_097)
    with pytest.raises(BadVector):
        unit([1.0] * 4_097)


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_a_vector_without_direction_is_refused(values):
    with pytest.raises(BadVector):
        unit(values)


def test_a_centroid_has_length_one():
    with pytest.raises(BadVector, match="length"):
        parse_unit(struct.pack("<2f", 1, 1), 2)


def encode_unchecked(sketch):
    return encode({"model": sketch.model, "dimension": sketch.dimension, "centroids": list(sketch.centroids)})


@pytest.mark.parametrize(
    "bad",
    [
        TWO._replace(model=""),
        TWO._replace(dimension=3),
        TWO._replace(dimension=0),
        TWO._replace(centroids=TWO.centroids[::-1]),
        TWO._replace(centroids=(EAST, EAST)),
        TWO._replace(centroids=(EAST[:-1],)),
        TWO._replace(centroids=tuple(sorted(vector_bytes(unit([1, number])) for number in range(9)))),
    ],
)
def test_a_sketch_of_another_form_is_refused(bad):
    with pytest.raises(BadSketch):
        parse_sketch("notes", encode_unchecked(bad))
    with pytest.raises(BadSketch):
        encode_sketch(bad)


def test_wide_vectors_have_fewer_centroids():
    assert [centroids_for(dimension) for dimension in (2, 384, 1_024, 1_536, 4_096)] == [8, 8, 8, 5, 2]
    wide = [vector_bytes(unit([*[0.0] * place, 1.0, *[0.0] * (1_535 - place)])) for place in range(6)]
    assert encode_sketch(Sketch("notes", "m", 1_536, tuple(sorted(wide[:5]))))
    with pytest.raises(BadSketch, match="too large"):
        parse_sketch("notes", encode_unchecked(Sketch("notes", "m", 1_536, tuple(sorted(wide)))))
    narrow = [vector_bytes(unit([*[0.0] * place, 1.0, *[0.0] * (1_024 - place)])) for place in range(8)]
    with pytest.raises(BadSketch, match="bytes of centroids"):
        parse_sketch("notes", encode_unchecked(Sketch("notes", "m", 1_025, tuple(sorted(narrow)))))


@given(vectors, st.randoms())
def test_the_same_knowledge_has_the_same_sketch_in_any_order(some, draw):
    sketch = make_sketch("notes", "m", 3, some)
    mixed = [*some, *some[:3]]
    draw.shuffle(mixed)
    assert make_sketch("notes", "m", 3, mixed) == sketch
    assert parse_sketch("notes", encode_sketch(sketch)) == sketch
    assert 1 <= len(sketch.centroids) <= CENTROIDS_MAX
    assert all(abs(hypot(*centroid) - 1) < limits.UNIT_ERROR for centroid in sketch.vectors())


def test_of_very_much_knowledge_the_same_part_is_summarised_in_any_order():
    draw = random.Random(1)
    some = [unit([draw.gauss() for _ in range(8)]) for _ in range(limits.SAMPLE_MAX + 100)]
    sketch = make_sketch("notes", "m", 8, some)
    assert len(sketch.centroids) == CENTROIDS_MAX
    assert make_sketch("notes", "m", 8, some[::-1]) == sketch


def test_each_field_of_a_node_has_a_centroid():
    fields = [unit([1.0, 0.0, 0.0]), unit([0.0, 1.0, 0.0]), unit([0.0, 0.0, 1.0])]
    some = [unit([*(number + near / 100 for number in field)]) for field in fields for near in range(20)]
    centroids = make_sketch("notes", "m", 3, some).vectors()
    assert len(centroids) == 3
    assert all(max(similarity(field, centroid) for centroid in centroids) > 0.95 for field in fields)


def test_nothing_known_is_an_empty_sketch():
    assert make_sketch("notes", "m", 3, []).centroids == ()


def test_vectors_of_another_dimension_do_not_enter_a_sketch():
    with pytest.raises(BadVector):
        make_sketch("notes", "m", 3, [unit([1.0, 0.0])])
