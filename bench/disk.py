"""The disk of this run: what a durable append of one page costs without any of our code."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PAGE = b"\xa5" * 4_096


def fsync_ms(folder: Path, count: int, pause_s: float) -> list[float]:
    """Append a page and fsync, ``count`` times; return the times in milliseconds.

    ``pause_s`` lies between two: a disk and a core that were idle answer later than in a tight loop (here by half),
    so the pace is that of the load beside which the figure stands.
    """
    path = folder / "fsync.probe"
    times: list[float] = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            begun = time.perf_counter()
            file.write(_PAGE)
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1_000)
            time.sleep(pause_s)
    path.unlink()
    return times
