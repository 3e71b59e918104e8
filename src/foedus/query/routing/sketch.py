"""A sketch: what a node knows of one domain, as at most eight directions of meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from foedus.base.cbor import Malformed, decode_as, encode, to_plain
from foedus.base.ids import sha256
from foedus.log.sketches import CENTROIDS_MAX, KnowledgeSketch
from foedus.query.routing.limits import (
    COVERED,
    FLOAT_BYTES,
    ROUNDS_MAX,
    SAMPLE_MAX,
    SKETCH_BYTES_MAX,
)
from foedus.query.routing.vectors import BadVector, Vector, parse_unit, similarity, unit, vector_bytes


class BadSketch(Malformed):
    """The sketch is not such as the protocol has it."""

    code = "malformed_sketch"
    remedy = "compare it with docs/routing.md"


class Sketch(NamedTuple):
    """``centroids``: distinct unit vectors, in the order of their bytes; none where nothing is known (any more).

    ``model``: the name of the embedding: only vectors of one model can be compared. ``dimension``: numbers of each.
    """

    domain: str
    model: str
    dimension: int
    centroids: tuple[bytes, ...]

    def vectors(self) -> tuple[Vector, ...]:
        """Return the centroids as numbers; raise BadVector."""
        return tuple(parse_unit(centroid, self.dimension) for centroid in self.centroids)


def encode_sketch(sketch: Sketch) -> bytes:
    """Return the body of ``knowledge.sketch``; raise BadSketch for what ``parse_sketch`` would refuse."""
    data = encode(to_plain(KnowledgeSketch(sketch.model, sketch.dimension, sketch.centroids)))
    parse_sketch(sketch.domain, data)
    return data


def parse_sketch(domain: str, data: bytes) -> Sketch:
    """Return the sketch of a domain in a body, every number checked; raise NotCanonical or BadSketch."""
    if len(data) > SKETCH_BYTES_MAX + 1_024:
        raise BadSketch("the sketch is too large")
    try:
        told = decode_as(data, KnowledgeSketch)
        sketch = Sketch(domain, told.model, told.dimension, told.centroids)
        sketch.vectors()
    except Malformed as error:
        raise BadSketch(str(error)) from None
    if len(sketch.centroids) > centroids_for(sketch.dimension):
        raise BadSketch(f"a sketch has at most {SKETCH_BYTES_MAX} bytes of centroids")
    if list(sketch.centroids) != sorted(set(sketch.centroids)):
        raise BadSketch("centroids are distinct and in the order of their bytes")
    return sketch


def centroids_for(dimension: int) -> int:
    """Return how many centroids a sketch of vectors of ``dimension`` numbers may have."""
    return min(CENTROIDS_MAX, SKETCH_BYTES_MAX // (dimension * FLOAT_BYTES))


def make_sketch(domain: str, model: str, dimension: int, vectors: Iterable[Vector]) -> Sketch:
    """Return the sketch of ``vectors``, the same in whatever order they come; raise BadVector for another dimension.

    Of more than SAMPLE_MAX distinct vectors those with the smallest hashes are taken.
    """
    distinct = {}
    for vector in vectors:
        if len(vector) != dimension:
            raise BadVector(f"a vector of {len(vector)} numbers among those of {dimension}")
        straight = unit(vector)
        distinct[sha256(vector_bytes(straight))] = straight
    sample = [distinct[name] for name in sorted(distinct)[:SAMPLE_MAX]]
    found = {vector_bytes(centroid) for centroid in _centroids(sample, centroids_for(dimension))}
    return Sketch(domain, model, dimension, tuple(sorted(found)))


def _centroids(points: Sequence[Vector], count: int) -> list[Vector]:
    """Spherical k-means (Dhillon and Modha 2001), begun with the farthest-first choice (Gonzalez 1985)."""
    centroids = _farthest_first(points, count)
    members: list[int] = []
    for _ in range(ROUNDS_MAX):
        before, members = members, [_nearest(point, centroids) for point in points]
        if members == before:
            break
        for number in range(len(centroids)):
            own = [point for point, member in zip(points, members, strict=True) if member == number]
            centroids[number] = _middle(own, centroids[number])
    return centroids


def _farthest_first(points: Sequence[Vector], count: int) -> list[Vector]:
    chosen: list[Vector] = []
    nearest = [-1.0] * len(points)
    for _ in range(count):
        if not points or min(nearest) >= COVERED:
            break
        chosen.append(points[nearest.index(min(nearest))])
        nearest = [max(old, similarity(point, chosen[-1])) for old, point in zip(nearest, points, strict=True)]
    return chosen


def _nearest(point: Vector, centroids: Sequence[Vector]) -> int:
    likes = [similarity(point, centroid) for centroid in centroids]
    return likes.index(max(likes))


def _middle(points: Sequence[Vector], before: Vector) -> Vector:
    """Return the direction of the sum; ``before`` where nothing is there, or all cancels out."""
    try:
        return unit(map(sum, zip(*points, strict=True)))
    except BadVector:
        return before
