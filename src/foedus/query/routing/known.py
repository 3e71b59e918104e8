"""The sketches that are known, and how like each node's knowledge is to what is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from foedus.base.vectors import SIMILARITY, Near, VectorIndex
from foedus.query.routing.limits import (
    DOMAINS_MAX,
    EXACT_MAX,
    INDEXED_MIN,
    NODE_BYTES_MAX,
    NODES_MAX,
    RANKED_MAX,
    SPACES_MAX,
)
from foedus.query.routing.sketch import Sketch
from foedus.query.routing.vectors import Vector, parse_vector, similarity, vector_bytes

Space: TypeAlias = tuple[str, int]
"""Model and dimension: vectors of one space can be compared."""


class Ranked(NamedTuple):
    """A node, and the similarity of its nearest centroid to the question (cosine)."""

    node: bytes
    similarity: float


class _Held(NamedTuple):
    space: Space
    keys: tuple[int, ...]
    size: int


class PlainVectors:
    """``VectorIndex`` that compares one by one, without any library: some thousand a second times ten."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._vectors: dict[int, Vector] = {}

    def __len__(self) -> int:
        return len(self._vectors)

    def put(self, vectors: Mapping[int, bytes]) -> None:
        """Hold vectors."""
        self._vectors |= {key: parse_vector(vector, self._dimension) for key, vector in vectors.items()}

    def drop(self, keys: Iterable[int]) -> None:
        """Hold them no more."""
        for key in keys:
            self._vectors.pop(key, None)

    def nearest(self, vector: bytes, count: int) -> list[Near]:
        """Return the nearest."""
        wanted = parse_vector(vector, self._dimension)
        held = list(self._vectors.items())
        near = [Near(key, round(similarity(wanted, each) * SIMILARITY)) for key, each in held]
        return sorted(near, key=lambda each: (-each.similarity, each.key))[:count]

    def items(self) -> dict[int, bytes]:
        """Return all that is held."""
        return {key: vector_bytes(vector) for key, vector in self._vectors.items()}


class Known:
    """Sketches of at most NODES_MAX nodes, of each DOMAINS_MAX and NODE_BYTES_MAX, in SPACES_MAX spaces.

    ``make``: an index of vectors of a dimension, for INDEXED_MIN centroids and more; None: all are compared one by one.
    One thread changes this; ``rank`` may run in another.
    """

    def __init__(self, make: Callable[[int], VectorIndex] | None = None) -> None:
        self._make = make
        self._held: dict[bytes, dict[str, _Held]] = {}
        self._spaces: dict[Space, VectorIndex] = {}
        self._nodes: dict[int, bytes] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._held))

    def learn(self, node: bytes, sketch: Sketch) -> bool:
        """Hold a checked sketch in place of the one before; return False where there is no room for it."""
        before = self._held.get(node, {}).get(sketch.domain)
        if sketch.centroids and not self._has_room(node, sketch, before):
            return False
        if before is not None:
            self._drop(before)
            del self._held[node][sketch.domain]
        if sketch.centroids:
            self._held.setdefault(node, {})[sketch.domain] = self._put(node, sketch)
        elif not self._held.get(node, {"": None}):
            del self._held[node]
        return True

    def _has_room(self, node: bytes, sketch: Sketch, before: _Held | None) -> bool:
        sketches = self._held.get(node)
        space = (sketch.model, sketch.dimension)
        if (sketches is None and len(self._held) >= NODES_MAX) or (
            space not in self._spaces and len(self._spaces) >= SPACES_MAX
        ):
            return False
        others = [held for held in (sketches or {}).values() if held is not before]
        size = sum(map(len, sketch.centroids)) + sum(held.size for held in others)
        return len(others) < DOMAINS_MAX and size <= NODE_BYTES_MAX

    def _put(self, node: bytes, sketch: Sketch) -> _Held:
        space = (sketch.model, sketch.dimension)
        keys = tuple(range(self._next, self._next + len(sketch.centroids)))
        self._next += len(keys)
        index = self._spaces.setdefault(space, PlainVectors(sketch.dimension))
        self._nodes |= dict.fromkeys(keys, node)
        index.put(dict(zip(keys, sketch.centroids, strict=True)))
        if self._make is not None and type(index) is PlainVectors and len(index) >= INDEXED_MIN:
            self._spaces[space] = self._make(sketch.dimension)
            self._spaces[space].put(index.items())
        return _Held(space, keys, sum(map(len, sketch.centroids)))

    def _drop(self, held: _Held) -> None:
        index = self._spaces[held.space]
        index.drop(held.keys)
        for key in held.keys:
            self._nodes.pop(key, None)
        if not len(index):
            del self._spaces[held.space]

    def keep(self, nodes: Iterable[bytes]) -> None:
        """Forget the sketches of all nodes but these (``Routes.reach``): the others are out of reach."""
        for node in self._held.keys() - set(nodes):
            for held in self._held.pop(node).values():
                self._drop(held)

    def tells(self, node: bytes, model: str, dimension: int) -> bool:
        """Whether a sketch of a node in this space is known."""
        return any(held.space == (model, dimension) for held in self._held.get(node, {}).values())

    def rank(self, vector: Vector, model: str) -> list[Ranked]:
        """Return the nodes with sketches of this model and dimension, the most like first; ``vector`` has length 1."""
        index = self._spaces.get((model, len(vector)))
        if index is None:
            return []
        count = len(index)
        best: dict[bytes, int] = {}
        for near in index.nearest(vector_bytes(vector), count if count <= EXACT_MAX else RANKED_MAX):
            node = self._nodes.get(near.key)
            if node is not None:
                best.setdefault(node, near.similarity)
        ranked = [Ranked(node, found / SIMILARITY) for node, found in best.items()]
        return sorted(ranked, key=lambda each: (-each.similarity, each.node))
