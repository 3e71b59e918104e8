"""What a packet stands on, all the way down. Loops are possible, since a revision may name what came later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

WALKED_MAX = 256
"""Packets looked at for one question: more than a person reads, and a bound for a packet made to have no end."""

DependenciesOf: TypeAlias = Callable[[bytes], Sequence[bytes] | None]
"""Packet → what it stands on, None where it is not held or not shown here."""


class Ground(NamedTuple):
    """``found``: the packets below, nearest first; ``missing``: those that are not here; ``is_whole``: not cut off."""

    found: list[bytes]
    missing: list[bytes]
    is_whole: bool


def walk(packet: bytes, dependencies_of: DependenciesOf) -> Iterator[Ground]:
    """Yield all that a packet stands on, each once, however its dependencies run in circles.

    What is found grows: it is yielded after each packet that is looked at, and at the end it is all.
    """
    seen = {packet}
    waiting = deque([dependencies_of(packet) or ()])
    ground = Ground([], [], is_whole=True)
    while waiting:
        for below in waiting.popleft():
            if below in seen:
                continue
            if len(seen) > WALKED_MAX:
                yield ground._replace(is_whole=False)
                return
            seen.add(below)
            further = dependencies_of(below)
            if further is None:
                ground.missing.append(below)
            else:
                ground.found.append(below)
                waiting.append(further)
            yield ground
    yield ground
