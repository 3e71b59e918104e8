"""Vectors: unit length, as little-endian float32 bytes; and the port of what finds the nearest of them.

Numbers from elsewhere come in through ``unit`` alone, so that no vector inside holds a NaN, an infinity or nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

DIMENSION_MAX = 4_096
"""Numbers of one vector: the largest models in use give as many; 16 KiB each."""
FLOAT_BYTES = 4
SIMILARITY = 1_000_000
"""Cosines are told in millionths: they are the same number wherever they are compared."""


class BadVector(ValueError):
    """These numbers are no vector: a NaN, an infinity, all zero, or too many of them or too few."""


class Near(NamedTuple):
    """A vector that was found. ``similarity``: the cosine in millionths."""

    key: int
    similarity: int


class VectorIndex(Protocol):
    """Vectors of one dimension by key, in memory. Methods may take long, and any thread may call them."""

    def put(self, vectors: Mapping[int, bytes]) -> None:
        """Hold vectors; those held under the same keys go."""
        ...

    def drop(self, keys: Iterable[int]) -> None:
        """Hold them no more; keys that are not held are passed over."""
        ...

    def nearest(self, vector: bytes, count: int) -> list[Near]:
        """Return the nearest, the most similar first, equal ones by key."""
        ...

    def __len__(self) -> int: ...


def unit(numbers: Sequence[float]) -> bytes:
    """Return numbers as a vector of length 1; raise BadVector."""
    if not 0 < len(numbers) <= DIMENSION_MAX:
        raise BadVector(f"a vector of {len(numbers)} numbers")
    length = math.hypot(*numbers)
    if not math.isfinite(length) or not length:
        raise BadVector("a vector of no finite length")
    return struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers))


def dimension_of(vector: bytes) -> int:
    """Return how many numbers a vector has."""
    return len(vector) // FLOAT_BYTES
