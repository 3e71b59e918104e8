"""The bounds and thresholds of semantic routing (docs/routing.md)."""

from __future__ import annotations

from foedus.base.limits import HOUR, MINUTE

DIMENSION_MAX = 4_096
"""Numbers of a vector: the widest embeddings in use have 3,072 to 4,096."""
FLOAT_BYTES = 4
SKETCH_BYTES_MAX = 32_768
"""Vectors of one sketch: it fits an event twice. At 1,536 numbers five centroids, at 4,096 two."""
DOMAINS_MAX = 32
"""Sketches that are held of one node."""
NODE_BYTES_MAX = 131_072
"""Vectors of all sketches of one node, as they travel: with NODES_MAX, 128 MiB."""
SPACES_MAX = 16
"""Embeddings of which sketches are held: a federation uses a few; what a stranger invents finds no room."""
INDEXED_MIN = 256
"""Centroids of one embedding from which an index is worth its memory; fewer are compared one by one."""
EXACT_MAX = 20_000
"""Centroids of one embedding up to which all are ranked; beyond, the nearest RANKED_MAX."""
RANKED_MAX = 2_048
NODES_MAX = 1_024
"""Nodes whose sketches are held, and that a node says it reaches: the nearest. All are compared with each question."""
PEERS_MAX = 1_024
"""Peers whose reach is held."""

SAMPLE_MAX = 512
"""Vectors that a sketch is made of: bounds the work, some 40,000 comparisons, for a node that knows very much."""
ROUNDS_MAX = 8
"""Of k-means, which ends earlier when no vector changes its centroid: bounds the work, as SAMPLE_MAX does."""
COVERED = 0.95
"""No centroid is added for a vector that is so like one: the sketch of a node with one interest is one centroid."""
UNIT_ERROR = 1e-3
"""What the length of a centroid may differ from 1: more than float32 rounds, less than would bend a comparison."""

DRIFT_SMALL = 0.05
"""1 - cosine, an angle of 18 degrees: a sketch that changed less is not published."""
DRIFT_LARGE = 0.25
"""An angle of 41 degrees: from here the node knows something that nobody would look for there."""
PAUSE_SMALL = HOUR
"""Between two sketches of a domain that differ little: each one travels to every node within reach."""
PAUSE_LARGE = 10 * MINUTE
"""Between any two: what is being imported gets one sketch in ten minutes, not one a packet."""

SIMILARITY_MIN = 0.5
"""Cosine: where nothing known is as like the question, nobody is known to know, and everybody is asked."""
MARGIN_MIN = 0.15
"""Between the best node and the middle one: where less, all look alike, and choosing would be guessing."""
WINDOW = 0.15
"""Nodes that are so much less like the question than the best one are still asked, if they are among the first."""
TARGETS_MIN = 8
"""Nodes that are meant to hear a question, where as many are known: ten results seldom come from more than eight."""
TARGETS_MAX = 24
"""And at most, where many are nearly as good: in simulation 32 find 0.9 % more for a quarter more messages."""
