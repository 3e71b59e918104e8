"""The body of ``sketch:<domain>``: what a node knows of a domain, as a few directions of meaning (docs/routing.md).

A node writes of itself alone, in its own chain. What is no sketch by this shape tells nothing; that the numbers are
such as they should be is looked at where it is read (``query.routing.sketch``).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import learn

MODEL_MAX = 128
"""Characters of the name of an embedding."""
CENTROIDS_MAX = 8
"""Directions of one sketch: a node knows a few fields; what it holds in each is what it is asked for."""
CENTROID_BYTES_MAX = 16_384
"""Of one: 4,096 numbers of four bytes."""


class KnowledgeSketch(Struct, frozen=True, forbid_unknown_fields=True):
    """``knowledge.sketch``: takes the place of the one before it in its chain. None: nothing is known any more."""

    model: Annotated[str, Meta(min_length=1, max_length=MODEL_MAX)]
    dimension: Annotated[int, Meta(ge=1, le=CENTROID_BYTES_MAX // 4)]
    centroids: Annotated[
        tuple[Annotated[bytes, Meta(min_length=4, max_length=CENTROID_BYTES_MAX)], ...], Meta(max_length=CENTROIDS_MAX)
    ]


SKETCH = "knowledge.sketch"

learn(KnowledgeSketch)
