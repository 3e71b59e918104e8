"""The best few peers for a question, or all of them where nobody can say who is best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from foedus.query.routing.known import Ranked
from foedus.query.routing.limits import MARGIN_MIN, SIMILARITY_MIN, TARGETS_MAX, TARGETS_MIN, WINDOW
from foedus.query.routing.routes import Routes

Why: TypeAlias = Literal["routed", "nothing_known", "nothing_like_it", "all_alike"]


class Arrival(NamedTuple):
    """Where a question is now. ``peers``: whom this node may ask, the one that brought it left out.

    ``brought_by``: None where it is asked here. ``left``: links that it may still pass.
    """

    peers: Sequence[bytes]
    brought_by: bytes | None
    left: int


class Choice(NamedTuple):
    """Whom to ask; and why: anything but ``routed`` is flooding."""

    peers: tuple[bytes, ...]
    why: Why


def choose(ranked: Sequence[Ranked], routes: Routes, arrival: Arrival, most: int = TARGETS_MAX) -> Choice:
    """Return the peers that lead to the nodes most like the question; all where that would be guessing.

    ``ranked``: the known nodes, the best first (``Known.rank``). A peer that has not said what it reaches is asked
    always: it may be older than sketches are. ``most``: nodes that are meant to hear it.
    """
    if arrival.left <= 0:
        return Choice((), "routed")
    why = unsure(ranked)
    if why is not None:
        return Choice(tuple(arrival.peers), why)
    chosen = {peer for peer in arrival.peers if not routes.knows(peer)}
    allowed = set(arrival.peers)
    for target in targets(ranked, most):
        way = routes.way(target.node, arrival.brought_by)
        if way is None or way.hops > arrival.left:
            continue
        firsts = [peer for peer in way.peers if peer in allowed]
        if firsts and chosen.isdisjoint(firsts):
            chosen.add(firsts[0])
    return Choice(tuple(peer for peer in arrival.peers if peer in chosen), "routed")


def unsure(ranked: Sequence[Ranked]) -> Why | None:
    """Return why nobody can say who is best; None where somebody can."""
    if not ranked:
        return "nothing_known"
    best = ranked[0].similarity
    if best < SIMILARITY_MIN:
        return "nothing_like_it"
    if len(ranked) > TARGETS_MIN and best - ranked[len(ranked) // 2].similarity < MARGIN_MIN:
        return "all_alike"
    return None


def targets(ranked: Sequence[Ranked], most: int = TARGETS_MAX) -> list[Ranked]:
    """Return the nodes that are meant to hear the question: a few, and up to ``most`` that are nearly as good."""
    best = ranked[0].similarity
    return [
        target
        for place, target in enumerate(islice(ranked, most))
        if place < TARGETS_MIN or target.similarity >= best - WINDOW
    ]
