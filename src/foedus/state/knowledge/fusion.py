"""Rankings by words and by meaning made one: weighted reciprocal-rank fusion.

Scores of different searches cannot be compared, places can: a packet gets 1 / (60 + its place) from each ranking
(Cormack, Clarke and Büttcher, SIGIR 2009). What shares a chance word with a question is ranked by words as well as what
holds all of them; so a place there counts by the cube of the part of the question that the packet holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

FUSION_K = 60
"""The paper's: how little the first places count beyond the next."""
WHOLE = 1_000_000
POWER = 3
"""Of the whole numbers 2 is the least by which fusing loses nothing on the labelled set (docs/knowledge.md); by 3 more
of what means the same stays first."""


def fuse(
    by_words: Sequence[bytes], by_meaning: Sequence[bytes], shares: Mapping[bytes, int]
) -> list[tuple[bytes, int]]:
    """Return all that is ranked with its score in millionths, the best first, equal ones by id.

    ``shares``: of each packet found by words, the part of the question that it holds, in millionths.
    """
    scores: defaultdict[bytes, int] = defaultdict(int)
    for place, found in enumerate(dict.fromkeys(by_words), 1):
        scores[found] += WHOLE * shares[found] ** POWER // (WHOLE**POWER * (FUSION_K + place))
    for place, found in enumerate(dict.fromkeys(by_meaning), 1):
        scores[found] += WHOLE // (FUSION_K + place)
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
