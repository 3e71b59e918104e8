"""Vectors as they travel, and how like two are. Pure Python: ten microseconds for two of 384 numbers."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from math import hypot, isfinite
from operator import mul
from typing import TypeAlias

from foedus.base.cbor import Malformed
from foedus.query.routing.limits import DIMENSION_MAX, FLOAT_BYTES, UNIT_ERROR

Vector: TypeAlias = "array[float]"
"""float32 numbers."""


class BadVector(Malformed):
    """The bytes or numbers are no vector that could be compared."""

    code = "malformed_vector"
    remedy = "vectors are little-endian float32 of one dimension, finite, and not all zero"


def parse_vector(data: bytes, dimension: int) -> Vector:
    """Return the ``dimension`` numbers in ``data`` (little-endian float32); raise BadVector for NaN and infinities."""
    if not 0 < dimension <= DIMENSION_MAX or len(data) != dimension * FLOAT_BYTES:
        raise BadVector(f"{len(data)} bytes are no vector of {dimension} numbers")
    vector = array("f", data)
    if sys.byteorder == "big":
        vector.byteswap()
    if not all(map(isfinite, vector)):
        raise BadVector("a number of the vector is not finite")
    return vector


def parse_unit(data: bytes, dimension: int) -> Vector:
    """Return a vector of length 1, as centroids are; raise BadVector."""
    vector = parse_vector(data, dimension)
    if abs(hypot(*vector) - 1) > UNIT_ERROR:
        raise BadVector("the length of the vector is not 1")
    return vector


def vector_bytes(vector: Vector) -> bytes:
    """Return little-endian float32 bytes."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()


def unit(numbers: Iterable[float]) -> Vector:
    """Return the vector of length 1 in the same direction; raise BadVector where there is none."""
    values = tuple(numbers)
    length = hypot(*values)
    if not 0 < len(values) <= DIMENSION_MAX or not isfinite(length) or not length:
        raise BadVector("a vector without a direction: empty, all zero, or not finite")
    return array("f", (value / length for value in values))


def similarity(one: Vector, other: Vector) -> float:
    """Return the cosine of two vectors of length 1 and one dimension: 1 the same, 0 unrelated."""
    cosine: float = sum(map(mul, one, other))
    return cosine
