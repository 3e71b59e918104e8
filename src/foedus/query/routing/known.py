"""The sketches that are known, and how like each node's knowledge is to what is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.query.routing.limits import DOMAINS_MAX, NODES_MAX
from foedus.query.routing.sketch import Sketch
from foedus.query.routing.vectors import Vector, similarity


class Ranked(NamedTuple):
    """A node, and the similarity of its nearest centroid to the question (cosine)."""

    node: bytes
    similarity: float


class _Held(NamedTuple):
    space: tuple[str, int]
    centroids: tuple[Vector, ...]


class Known:
    """Sketches of at most NODES_MAX nodes, of each DOMAINS_MAX.

    Every question is compared with every centroid. That is exact, and 1,024 nodes have some eight thousand centroids:
    an index of nearest neighbours (HNSW) is worth its upkeep and its misses above 20,000, as for knowledge. It would
    give a ranking, and ``choice.choose`` takes any: an index, or numpy, can stand in for ``rank``.
    """

    def __init__(self) -> None:
        self._held: dict[bytes, dict[str, _Held]] = {}

    def learn(self, node: bytes, sketch: Sketch) -> bool:
        """Hold a checked sketch in place of the one before; return False where there is no room for it."""
        sketches = self._held.get(node, {})
        if not sketch.centroids:
            sketches.pop(sketch.domain, None)
            if not sketches:
                self._held.pop(node, None)
            return True
        is_new = sketch.domain not in sketches
        if is_new and (len(sketches) >= DOMAINS_MAX or (not sketches and len(self._held) >= NODES_MAX)):
            return False
        sketches[sketch.domain] = _Held((sketch.model, sketch.dimension), sketch.vectors())
        self._held[node] = sketches
        return True

    def keep(self, nodes: Iterable[bytes]) -> None:
        """Forget the sketches of all nodes but these (``Routes.reach``): the others are out of reach."""
        wanted = set(nodes)
        self._held = {node: held for node, held in self._held.items() if node in wanted}

    def rank(self, vector: Vector, model: str) -> list[Ranked]:
        """Return the nodes with sketches of this model and dimension, the most like first; ``vector`` has length 1."""
        space = (model, len(vector))
        found = []
        for node, sketches in self._held.items():
            likes = [
                similarity(vector, centroid)
                for held in sketches.values()
                if held.space == space
                for centroid in held.centroids
            ]
            if likes:
                found.append(Ranked(node, max(likes)))
        return sorted(found, key=lambda ranked: (-ranked.similarity, ranked.node))
