"""The Merkle tree of a batch (RFC 6962, section 2.1): its root names the batch, a path proves one update of it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from foedus.base.ids import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEAF, _NODE = b"\x00", b"\x01"
PATH_MAX = 16
"""Steps of a path: trees of 65,536 leaves, far more than a batch holds."""


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf (32 bytes); the prefix keeps it apart from every inner node."""
    return sha256(_LEAF, data)


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over hashes of leaves; of none it is the SHA-256 of nothing."""
    if not leaves:
        return sha256()
    level = list(leaves)
    while len(level) > 1:
        level = [_pair(level, index) for index in range(0, len(level), 2)]
    return level[0]


class Tree:
    """A tree whose leaves change now and then: only what lies above those is hashed anew."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Build it over hashes of leaves; there is at least one."""
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            level = self._levels[-1]
            self._levels.append([_pair(level, index) for index in range(0, len(level), 2)])

    @property
    def root(self) -> bytes:
        """What ``root`` gives for the leaves as they are."""
        return self._levels[-1][0]

    def change(self, leaves: Mapping[int, bytes]) -> None:
        """Put other hashes in place of some leaves, named by their index."""
        for index, value in leaves.items():
            self._levels[0][index] = value
        changed = set(leaves)
        for level, above in pairwise(self._levels):
            changed = {index // 2 for index in changed}
            for index in changed:
                above[index] = _pair(level, 2 * index)


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the siblings from a leaf up to the root. Raises IndexError where there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    level, siblings = list(leaves), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            siblings.append(level[sibling])
        level = [_pair(level, start) for start in range(0, len(level), 2)]
        index //= 2
    return siblings


def root_of_path(start: bytes, index: int, count: int, siblings: Sequence[bytes]) -> bytes | None:
    """Return the root that the leaf ``index`` of ``count`` gives with its siblings; None where they do not fit."""
    if not 0 <= index < count:
        return None
    rest = list(siblings)
    value = start
    while count > 1:
        if index ^ 1 < count:
            if not rest:
                return None
            sibling = rest.pop(0)
            value = sha256(_NODE, sibling, value) if index & 1 else sha256(_NODE, value, sibling)
        index //= 2
        count = (count + 1) // 2
    return None if rest else value


def _pair(level: list[bytes], index: int) -> bytes:
    """Join two neighbours; the last of an odd level goes up as it is (which is the tree of RFC 6962)."""
    return sha256(_NODE, level[index], level[index + 1]) if index + 1 < len(level) else level[index]
