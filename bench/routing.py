"""Routing by meaning beside flooding, in 500 simulated nodes; and what ranking the nodes costs one node."""

from __future__ import annotations

import random
import time
from statistics import median

from bench.options import Figures, Options
from bench.routing_model import Federation, total
from foedus.base.ids import sha256
from foedus.log.sketches import CENTROIDS_MAX
from foedus.query.routing.known import Known
from foedus.query.routing.limits import NODES_MAX
from foedus.query.routing.sketch import Sketch
from foedus.query.routing.vectors import Vector, unit, vector_bytes

_SEEDS = 5
_QUESTIONS = 200
_DIMENSION = 384


def _rank_ms(nodes: int) -> float:
    """Return what it takes to rank ``nodes`` nodes with full sketches, in ms of CPU."""
    draw = random.Random(1)

    def vector() -> Vector:
        return unit([draw.gauss() for _ in range(_DIMENSION)])

    known = Known()
    for number in range(nodes):
        centroids = tuple(sorted(vector_bytes(vector()) for _ in range(CENTROIDS_MAX)))
        assert known.learn(sha256(number.to_bytes(4)), Sketch("notes", "m", _DIMENSION, centroids))
    times = []
    for _ in range(5):
        about = vector()
        begun = time.process_time()
        assert len(known.rank(about, "m")) == nodes
        times.append((time.process_time() - begun) * 1_000)
    return median(times)


def routing(options: Options) -> Figures:
    size, questions = options.size(500, 120), options.size(_QUESTIONS, 10)
    totals = []
    for seed in range(options.size(_SEEDS, 1)):
        federation = Federation(size, seed)
        totals.append(total([federation.ask() for _ in range(questions)]))
    return {
        "routing_recall_ratio": min(one.recall for one in totals),
        "routing_messages_ratio": max(one.messages for one in totals),
        "routing_rank_ms": _rank_ms(options.size(NODES_MAX, 64)),
    }
