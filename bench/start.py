"""Start: from `foedus up` until it serves; and what an idle node holds in memory."""

from __future__ import annotations

import time
from statistics import median

from bench.options import Figures, Options
from bench.processes import Cluster
from foedus.values.node import StatusView

_POLL_S = 0.002
_REST_S = 2.0


def start(options: Options) -> Figures:
    times = []
    memory = 0.0
    runs = options.size(5, 1)
    with Cluster(options.folder) as cluster:
        node = cluster.home("idle")
        for number in range(runs + 1):
            begun = time.perf_counter()
            node.launch()
            while not node.is_ready():
                time.sleep(_POLL_S)
            node.client.get("/status", StatusView)
            if number:  # the first run reads Python's files into the system's cache
                times.append(time.perf_counter() - begun)
            if number == runs:
                time.sleep(_REST_S)
                memory = node.resident_mb()
            node.stop()
    return {"start_s": median(times), "idle_mb": memory}
