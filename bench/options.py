"""What every benchmark is told: how large, and where its files go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

Figures: TypeAlias = dict[str, float]


class Options(NamedTuple):
    """``folder`` is on the disk that is measured; ``quick`` only shows that everything runs."""

    folder: Path
    quick: bool = False
    soak: bool = False

    def size(self, full: int, quick: int) -> int:
        """Return how many of something to do."""
        return quick if self.quick else full


Benchmark: TypeAlias = Callable[[Options], Figures]
