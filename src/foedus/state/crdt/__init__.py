"""Conflict-free replicated data types: values that many write at once and that merge to the same everywhere.

``base`` says what one is, ``deltas`` what events carry of it. What several nodes answer is merged by
``base.reconcile``, of which ``Crdt.merge`` is a join.
"""

from foedus.state.crdt.base import Crdt, Origin, UnequalTypes
from foedus.state.crdt.deltas import TYPES, delta_bytes, empty, parse_state, read_delta

__all__ = [
    "TYPES",
    "Crdt",
    "Origin",
    "UnequalTypes",
    "delta_bytes",
    "empty",
    "parse_state",
    "read_delta",
]
