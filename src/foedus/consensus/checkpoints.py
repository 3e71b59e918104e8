"""Checkpoints: the states that this replica has made, and what others say of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foedus.consensus.messages import Signed, Stable, Vote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foedus.consensus.ledger import Parts
    from foedus.consensus.membership import Membership

_ROOTS_MAX = 2
"""Roots of one member for one checkpoint: the second convicts it."""


class Made(NamedTuple):
    """The state at a checkpoint, as it is here."""

    root: bytes
    parts: Parts
    state: bytes


class Checkpoints:
    """Votes by place and root. Places are bounded: an interval apart, within two windows of the low watermark."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._made: dict[int, Made] = {}
        self._votes: dict[int, dict[int, list[Vote]]] = {}

    def made(self, root: bytes, parts: Parts, state: bytes) -> None:
        """Keep the state until its checkpoint is stable. ``parts``: those of its root."""
        self._made[parts.sequence] = Made(root, parts, state)

    def state_at(self, sequence: int) -> Made | None:
        """Return the state at a checkpoint, where it was made here and is not history yet."""
        return self._made.get(sequence)

    def roots(self) -> Iterator[tuple[int, bytes]]:
        """Yield the checkpoints that were made here, oldest first."""
        return ((sequence, self._made[sequence].root) for sequence in sorted(self._made))

    def count(self, vote: Vote, low: int) -> tuple[Vote | None, Stable | None]:
        """Count a vote; return another of its member that contradicts it, and the certificate that it completes."""
        window, interval = self._membership.window, self._membership.interval
        if vote.sequence % interval or not low < vote.sequence <= low + 2 * window:
            return None, None
        votes = self._votes.setdefault(vote.sequence, {})
        words = votes.setdefault(vote.member, [])
        if all(word.digest != vote.digest for word in words) and len(words) < _ROOTS_MAX:
            words.append(vote)
        other = next((word for word in words if word.digest != vote.digest), None)
        agreed = [
            Signed(member, word.signature)
            for member, said in sorted(votes.items())
            for word in said
            if word.digest == vote.digest
        ]
        quorum = self._membership.quorum
        certificate = Stable(vote.sequence, vote.digest, tuple(agreed[:quorum])) if len(agreed) >= quorum else None
        return other, certificate

    def forget(self, sequence: int) -> None:
        """Forget what lies at or below a stable checkpoint."""
        self._made = {place: made for place, made in self._made.items() if place > sequence}
        self._votes = {place: votes for place, votes in self._votes.items() if place > sequence}
