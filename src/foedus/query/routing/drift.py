"""When what a node knows has changed so much that its sketch is published anew.

The comparison is always with the sketch that was published, never with the last one made: a slow change adds up and is
published when it is large enough, and knowledge that goes to and fro around a threshold is published once (hysteresis).
"""

from __future__ import annotations

from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.query.routing.limits import DRIFT_LARGE, DRIFT_SMALL, PAUSE_LARGE, PAUSE_SMALL
from foedus.query.routing.sketch import Sketch
from foedus.query.routing.vectors import similarity

FARTHEST = 2.0
"""1 - cosine of opposite vectors: also between something and nothing, and between vectors of two models."""


class Published(NamedTuple):
    """The sketch that others have, and when it was published."""

    sketch: Sketch
    at: Instant


def drift(old: Sketch, new: Sketch) -> float:
    """Return by how much two sketches differ: 0 to 2.

    The largest distance of a centroid of either to the nearest of the other (Hausdorff distance of 1 - cosine).
    """
    if old.centroids == new.centroids and old.model == new.model:
        return 0.0
    if (old.model, old.dimension) != (new.model, new.dimension) or not old.centroids or not new.centroids:
        return FARTHEST
    ones, others = old.vectors(), new.vectors()
    likes = [[similarity(one, other) for other in others] for one in ones]
    least: float = min(*map(max, likes), *map(max, zip(*likes, strict=True)))
    return max(0.0, 1 - least)


def publish_at(last: Published | None, fresh: Sketch) -> Instant | None:
    """Return from when on ``fresh`` is to be published (0: at once); None where it differs too little from ``last``.

    The caller asks again when it has a newer sketch: what drifted back in the meantime is not published.
    """
    if last is None:
        return 0 if fresh.centroids else None
    moved = drift(last.sketch, fresh)
    if moved < DRIFT_SMALL:
        return None
    return last.at + (PAUSE_LARGE if moved >= DRIFT_LARGE else PAUSE_SMALL)
