"""One answer out of many: what several nodes say of the same things, joined, in whatever order they answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def reconcile(
    answers: Iterable[tuple[Key, Value]], join: Callable[[Value, Value], Value], into: dict[Key, Value] | None = None
) -> dict[Key, Value]:
    """Return each key with the join of all that was answered for it.

    ``join`` is commutative, associative and idempotent, as a CRDT's ``merge`` is, and ``min``: so the result depends on
    the set of answers alone, never on their order nor on how often one came. ``into``: what was reconciled before; it
    is changed and returned. Raises what ``join`` raises.
    """
    merged = {} if into is None else into
    for key, value in answers:
        merged[key] = join(merged[key], value) if key in merged else value
    return merged
