"""The nearest vectors in memory: by comparing with all of them (numpy), and above 20,000 by a graph (hnswlib).

Both libraries come with the extra ``vectors`` and are loaded when the first index is made; without hnswlib all are
compared, which at 100,000 vectors of 384 numbers took 18 ms a question.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from foedus.base.errors import UsageError
from foedus.base.vectors import SIMILARITY, Near

EXACT_MAX = 20_000
"""Vectors up to which all are compared: 4 ms a question of 384 numbers."""
_ROWS = 1_024
_LINKS = 16
_BUILD_BREADTH = 200
_SEARCH_BREADTH = 128
"""hnswlib's M, ef_construction and ef: its own defaults for the first two. 25,000 vectors of 384 numbers were built in
12 s and asked in 1 ms."""


class MissingExtra(UsageError):
    """A library is not installed that is not everybody's."""

    code = "missing_extra"


def is_installed() -> bool:
    """Whether vectors can be compared here, without loading what compares them."""
    return importlib.util.find_spec("numpy") is not None


def load(module: str, extra: str) -> Any:
    """Return a module of an extra; raise MissingExtra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f"pip install 'foedus[{extra}]'"
        raise MissingExtra(f"{module} is not installed: {error}", remedy=remedy) from None


class ExactVectors:
    """``VectorIndex`` that compares with every vector."""

    def __init__(self, dimension: int) -> None:
        self._numpy = load("numpy", "vectors")
        self._lock = Lock()
        self._matrix = self._numpy.zeros((_ROWS, dimension), self._numpy.float32)
        self._keys: list[int] = []
        self._rows: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, vectors: Mapping[int, bytes]) -> None:
        """Hold vectors."""
        with self._lock:
            self._make_room(len(self._keys) + len(vectors))
            for key, vector in vectors.items():
                row = self._rows.setdefault(key, len(self._keys))
                self._keys += [key] if row == len(self._keys) else []
                self._matrix[row] = self._read(vector)

    def _make_room(self, wanted: int) -> None:
        rows, dimension = self._matrix.shape
        if wanted > rows:
            matrix = self._numpy.zeros((max(wanted, 2 * rows), dimension), self._numpy.float32)
            matrix[:rows] = self._matrix
            self._matrix = matrix

    def drop(self, keys: Iterable[int]) -> None:
        """Hold them no more: the last row takes the place of each."""
        with self._lock:
            for key in keys:
                if (row := self._rows.pop(key, None)) is None:
                    continue
                last = self._keys.pop()
                if last != key:
                    self._keys[row], self._rows[last] = last, row
                    self._matrix[row] = self._matrix[len(self._keys)]
                self._matrix[len(self._keys)] = 0

    def nearest(self, vector: bytes, count: int) -> list[Near]:
        """Return the nearest."""
        with self._lock:
            if not self._keys or count < 1:
                return []
            similar = self._matrix[: len(self._keys)] @ self._read(vector)
            scaled = self._numpy.rint(similar * SIMILARITY).astype(self._numpy.int64)
            order = self._numpy.lexsort((self._numpy.array(self._keys), -scaled))[:count]
            return [Near(self._keys[row], int(scaled[row])) for row in order]

    def items(self) -> dict[int, bytes]:
        """Return all that is held."""
        with self._lock:
            return {key: self._matrix[row].astype("<f4").tobytes() for row, key in enumerate(self._keys)}

    def _read(self, vector: bytes) -> Any:
        return self._numpy.frombuffer(vector, "<f4")


class GraphVectors:
    """``VectorIndex`` over a hierarchical navigable small-world graph (Malkov and Yashunin, 2016)."""

    def __init__(self, dimension: int, vectors: Mapping[int, bytes]) -> None:
        self._numpy = load("numpy", "vectors")
        self._lock = Lock()
        self._held: set[int] = set()
        self._dimension = dimension
        self._graph = load("hnswlib", "vectors").Index(space="ip", dim=dimension)
        self._graph.init_index(
            max_elements=max(_ROWS, 2 * len(vectors)), M=_LINKS, ef_construction=_BUILD_BREADTH, random_seed=1
        )
        self._graph.set_ef(_SEARCH_BREADTH)
        self.put(vectors)

    def __len__(self) -> int:
        return len(self._held)

    def put(self, vectors: Mapping[int, bytes]) -> None:
        """Hold vectors; one under a known key moves in the graph."""
        if not vectors:
            return
        with self._lock:
            wanted = self._graph.get_current_count() + len(vectors)
            if wanted > self._graph.get_max_elements():
                self._graph.resize_index(2 * wanted)
            rows = self._numpy.frombuffer(b"".join(vectors.values()), "<f4").reshape(-1, self._dimension)
            self._graph.add_items(rows, self._numpy.array(list(vectors)))
            self._held.update(vectors)

    def drop(self, keys: Iterable[int]) -> None:
        """Find them no more. Their place in the graph stays, until it is built anew at the next start."""
        with self._lock:
            for key in self._held.intersection(keys):
                self._graph.mark_deleted(key)
                self._held.discard(key)

    def nearest(self, vector: bytes, count: int) -> list[Near]:
        """Return the nearest, nearly always all of them."""
        with self._lock:
            count = min(count, len(self._held))
            while count > 0:
                self._graph.set_ef(max(_SEARCH_BREADTH, 2 * count))
                try:
                    keys, distances = self._graph.knn_query(self._numpy.frombuffer(vector, "<f4"), k=count)
                except RuntimeError:  # the walk came to fewer than that, past what was dropped
                    count //= 2
                    continue
                found = zip(keys[0].tolist(), distances[0].tolist(), strict=True)
                near = [Near(key, round((1 - distance) * SIMILARITY)) for key, distance in found]
                return sorted(near, key=lambda each: (-each.similarity, each.key))
            return []


class GrowingVectors:
    """``VectorIndex``: exact up to ``exact_max`` vectors, a graph beyond, where hnswlib is installed."""

    def __init__(self, dimension: int, exact_max: int = EXACT_MAX) -> None:
        self._dimension = dimension
        self._exact_max = exact_max
        self._index: ExactVectors | GraphVectors = ExactVectors(dimension)

    def __len__(self) -> int:
        return len(self._index)

    def put(self, vectors: Mapping[int, bytes]) -> None:
        """Hold vectors."""
        self._index.put(vectors)
        if isinstance(self._index, ExactVectors) and len(self._index) > self._exact_max:
            with suppress(MissingExtra):
                self._index = GraphVectors(self._dimension, self._index.items())

    def drop(self, keys: Iterable[int]) -> None:
        """Hold them no more."""
        self._index.drop(keys)

    def nearest(self, vector: bytes, count: int) -> list[Near]:
        """Return the nearest."""
        return self._index.nearest(vector, count)
