"""The port of the audit log: where rows and seals are kept, apart from the log of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from foedus.base.clock import Instant
from foedus.trust.audit.rows import Head, Link
from foedus.trust.audit.seals import Seal
from foedus.trust.audit.verify import Stored
from foedus.trust.reputation import Evidence


class End(NamedTuple):
    """How far the log goes: its first row that is kept, its head, and the newest seal."""

    first: int
    head: Head
    seal: Seal | None


class AuditStore(Protocol):
    """Keeps the audit log of one node. One thread writes. What a call stored is durable when it returns.

    Each raises Unavailable where the world does not let it; nothing of the call has then happened.
    """

    def end(self) -> End:
        """Return how far the log goes."""
        ...

    def append(self, links: Sequence[Link], evidence: Sequence[Evidence] = ()) -> None:
        """Store rows, and the evidence that follows from them."""
        ...

    def add_seal(self, seal: Seal, count: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Store the seal of row ``count``, and the identity records (epoch, signed record) that it is checked by."""
        ...

    def prune(self, count: int) -> None:
        """Let rows up to ``count`` go, and the seals before that of ``count``."""
        ...

    def rows(self, after: int, limit: int) -> list[Stored]:
        """Return rows with a number > ``after``, in order. Any thread may ask."""
        ...

    def seals(self, after: int, limit: int) -> list[tuple[int, Seal]]:
        """Return (count, seal) with a count > ``after``, in order. Any thread may ask."""
        ...

    def records(self) -> list[tuple[bytes, bytes]]:
        """Return the kept identity records as (epoch, signed record), oldest first."""
        ...

    def evidence(self, since: Instant) -> list[Evidence]:
        """Return the evidence that is not older than ``since``, by its row."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...
