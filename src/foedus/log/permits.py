"""Permits: that the same author, citing the same, may go on in a chain, so that not every act is looked into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from foedus.base.clock import Instant
from foedus.log.chains import Chain
from foedus.log.event import Event
from foedus.log.grants import Grant, is_withdrawn
from foedus.log.participants import ACCEPTED, Judgement, rejected

PERMITS_MAX = 4_096
"""Authors in a room whose permission is remembered: as many as talk at one time; at most 1 KB each."""

Permit: TypeAlias = tuple[Chain, str | bytes, bytes | None, tuple[bytes, ...]]
"""(chain, author, device, auth)"""


class Span(NamedTuple):
    """Where a permit holds: from a seq on, at clocks from ``since`` until before ``until`` (microseconds)."""

    seq: int
    since: Instant
    until: Instant


class Permits:
    """Those that no cut bounds; cleared by whoever learns what may end one."""

    def __init__(self) -> None:
        self._spans: dict[Permit, Span] = {}

    def hold(self, permit: Permit, seq: int, at: Instant) -> bool:
        """Whether one holds at a place and clock."""
        span = self._spans.get(permit)
        return span is not None and seq >= span.seq and span.since <= at < span.until

    def keep(self, permit: Permit, span: Span) -> None:
        """Remember one."""
        if len(self._spans) >= PERMITS_MAX:
            self._spans.clear()
        self._spans[permit] = span

    def clear(self) -> None:
        """Forget all."""
        self._spans.clear()


def carried(links: Sequence[Grant], span: Span, chain_id: bytes, event: Event) -> Judgement:
    """Judge whether all the grants that an act cites are in force at its time and place."""
    if not span.since <= event.hlc[0] < span.until:
        return rejected("expired_grant")
    if any(is_withdrawn(links, position, chain_id, event.seq) for position in range(len(links))):
        return rejected("revoked_grant")
    return ACCEPTED
