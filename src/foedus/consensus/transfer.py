"""Taking the state of a stable checkpoint from others, part by part, one source after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.consensus.messages import PART_BYTES, HaveState, Stable, WantState

if TYPE_CHECKING:
    from foedus.consensus.records import Snapshot


def part_of(snapshot: Snapshot, part: int) -> HaveState | None:
    """Return one part of a snapshot, None where it has fewer."""
    parts = max(1, -(-len(snapshot.state) // PART_BYTES))
    if part >= parts:
        return None
    data = snapshot.state[part * PART_BYTES : (part + 1) * PART_BYTES]
    return HaveState(snapshot.certificate.sequence, part, parts, data)


class Fetch:
    """One transfer under way. What comes is proved by the certificate's root only when it is whole."""

    def __init__(self, certificate: Stable, source: int) -> None:
        self.certificate = certificate
        self.source = source
        self._parts: list[bytes] = []
        self._count: int | None = None
        self.progress = 0
        """Parts that came so far, from whomever."""

    def wanted(self) -> WantState:
        """Return the question for the next part."""
        return WantState(self.certificate.sequence, len(self._parts))

    def take(self, source: int, part: HaveState) -> bytes | None:
        """Take in a part; return the whole state where it was the last. What is not the next part changes nothing."""
        is_next = (source, part.sequence, part.part) == (self.source, self.certificate.sequence, len(self._parts))
        if not is_next or (self._count is not None and self._count != part.parts):
            return None
        self._count = part.parts
        self._parts.append(part.data)
        self.progress += 1
        return b"".join(self._parts) if len(self._parts) == part.parts else None

    def begin_at(self, source: int) -> None:
        """Begin anew, at another member: parts of two liars must not mix."""
        self.source = source
        self._parts.clear()
        self._count = None
