"""One answer out of many: what several nodes say of named CRDTs, merged, in whatever order they answer."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.state.crdt.base import Crdt


def reconcile(answers: Iterable[tuple[str, Crdt]]) -> dict[str, Crdt]:
    """Return each name with the join of all states and deltas that were given for it, by name.

    The answers stay as they are. Raises UnequalTypes where one name came with two types, whatever came first.
    """
    merged: dict[str, Crdt] = {}
    for name, state in answers:
        held = merged.get(name)
        if held is None:
            merged[name] = state.copy()
        else:
            held.absorb(state)
    return dict(sorted(merged.items()))
