"""Uses of grants that are no events, questions and calls, kept durably for the hour in which they count."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.limits import HOUR
from foedus.log.grants import Grant
from foedus.log.port import Value
from foedus.node.store import Store

SPACE = "grant_uses"
_ID_BYTES, _TIME_BYTES, _COUNT_BYTES = 32, 8, 4
_FORGOTTEN_AT_ONCE = 256
"""Deleted with one new use: faster than they come, and a commit stays small."""


class Use(NamedTuple):
    """A grant of a node was used at an instant; it allows so many uses an hour."""

    at: Instant
    grant: bytes
    node: bytes
    allowed: int


class KeptUses:
    """Key: grant ‖ instant; value: node of the issuer ‖ uses an hour. As many as ``GrantUses`` counts."""

    def __init__(self, store: Store) -> None:
        held = sorted(_use(key, value) for key, value in store.log.values(SPACE).items())
        self._uses = deque(held)
        self._last = held[-1].at if held else 0

    def of_node(self, node: bytes) -> Iterator[Use]:
        """Yield the uses of grants of a node's people, the oldest first."""
        return (use for use in self._uses if use.node == node)

    def add(self, grants: Sequence[Grant], allowed: Sequence[int], now: Instant) -> list[Value]:
        """Return what has to be stored for one more use of these grants, and what goes since it counts no more."""
        values = [Value(SPACE, _key(use), None) for use in self._forget(now)]
        for grant, count in zip(grants, allowed, strict=True):
            self._last = max(self._last + 1, now)  # keys differ, though the clock stands
            use = Use(self._last, grant.id, grant.issuer.node, count)
            self._uses.append(use)
            values.append(Value(SPACE, _key(use), use.node + count.to_bytes(_COUNT_BYTES, "big")))
        return values

    def drop(self, values: Sequence[Value]) -> None:
        """Forget uses whose values could not be stored."""
        keys = {value.key for value in values}
        self._uses = deque(use for use in self._uses if _key(use) not in keys)

    def _forget(self, now: Instant) -> Iterator[Use]:
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._uses or self._uses[0].at > now - HOUR:
                return
            yield self._uses.popleft()


def _key(use: Use) -> bytes:
    return use.grant + use.at.to_bytes(_TIME_BYTES, "big")


def _use(key: bytes, value: bytes) -> Use:
    at = int.from_bytes(key[_ID_BYTES:], "big")
    return Use(at, key[:_ID_BYTES], value[:_ID_BYTES], int.from_bytes(value[_ID_BYTES:], "big"))
