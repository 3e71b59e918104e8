"""Several rankings made one: reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).

Scores of different searches cannot be compared, places can: a packet gets 1 / (60 + its place) from each ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

FUSION_K = 60
"""The paper's: how little the first places count beyond the next."""
WHOLE = 1_000_000


def fuse(rankings: Sequence[Sequence[bytes]]) -> list[tuple[bytes, int]]:
    """Return all that is ranked with its score in millionths, the best first, equal ones by id."""
    scores: defaultdict[bytes, int] = defaultdict(int)
    for ranking in rankings:
        for place, found in enumerate(dict.fromkeys(ranking), 1):
            scores[found] += WHOLE // (FUSION_K + place)
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
