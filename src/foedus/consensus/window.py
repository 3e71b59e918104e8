"""The places between the watermarks: what was proposed, who voted for what, what is prepared and decided there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.consensus.messages import Committed, Phase, Prepared, Signed, Vote
from foedus.consensus.records import BATCHES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from foedus.consensus.membership import Membership
    from foedus.consensus.records import Accepted
    from foedus.consensus.updates import Batch

_WORDS_MAX = 2
"""Digests of one member kept for one place, phase and view: the second convicts it, more say nothing new."""


class Slot:
    """One place. Votes are those of the open view; certificates outlive it."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.accepted: Accepted | None = None
        self.prepared: Prepared | None = None
        self.committed: Committed | None = None
        self._batches: dict[bytes, Batch] = {}
        self._votes: dict[tuple[Phase, bytes], dict[int, bytes]] = {}
        self._words: dict[tuple[Phase, int], list[Vote]] = {}
        self._aside: dict[tuple[Phase, int], Vote] = {}

    # --- votes -------------------------------------------------------------------------------------

    def count(self, vote: Vote) -> Vote | None:
        """Count a vote of the open view; return another of its member that contradicts it, if there is one.

        A member counts once for a digest however often it says it; its word for another digest never hides this one.
        """
        words = self._words.setdefault((vote.phase, vote.member), [])
        if all(word.digest != vote.digest for word in words) and len(words) < _WORDS_MAX:
            words.append(vote)
            self._votes.setdefault((vote.phase, vote.digest), {})[vote.member] = vote.signature
        return next((word for word in words if word.digest != vote.digest), None)

    def is_superfluous(self, vote: Vote) -> bool:
        """Whether a vote of the open view says nothing new: its member said so, or a quorum did and it nothing else."""
        words = self._words.get((vote.phase, vote.member))
        if words:
            return any(word.digest == vote.digest for word in words)
        certificate = self.prepared if vote.phase == "prepare" else self.committed
        return certificate is not None and (certificate.view, certificate.digest) == (vote.view, vote.digest)

    def put_aside(self, vote: Vote) -> None:
        """Keep a superfluous vote unchecked: with another word of its member it would convict it."""
        if (vote.phase, vote.member) not in self._words:
            self._aside.setdefault((vote.phase, vote.member), vote)

    def take_aside(self, vote: Vote) -> Vote | None:
        """Return what was put aside of the vote's member, where it contradicts it."""
        held = self._aside.get((vote.phase, vote.member))
        return self._aside.pop((vote.phase, vote.member)) if held is not None and held.digest != vote.digest else None

    def votes(self, phase: Phase, digest: bytes) -> dict[int, bytes]:
        """Return member → signature of those who said this."""
        return self._votes.get((phase, digest), {})

    def digests(self, phase: Phase) -> Iterator[bytes]:
        """Yield what was said in a phase."""
        return (digest for said, digest in self._votes if said == phase)

    def clear_votes(self) -> None:
        """Forget what was said: another view opens."""
        self._votes.clear()
        self._words.clear()
        self._aside.clear()

    # --- batches -----------------------------------------------------------------------------------

    @property
    def wanted(self) -> bytes | None:
        """The digest whose batch must be known to go on: what was decided, else what was accepted."""
        held = self.committed or self.accepted
        return held.digest if held is not None and held.digest not in self._batches else None

    def batch(self, digest: bytes) -> Batch | None:
        """Return the batch of a digest, where it is known."""
        return self._batches.get(digest)

    def keep(self, batch: Batch) -> None:
        """Keep a batch; of those accepted before keep the newest.

        Also what another view accepted here may be made yet: somebody may hold a certificate that nobody else has seen.
        """
        self._batches[batch.digest] = batch
        alive = {held.digest for held in (self.accepted, self.prepared, self.committed) if held is not None}
        old = [digest for digest in self._batches if digest not in alive]
        for digest in old[: max(0, len(self._batches) - BATCHES_MAX)]:
            del self._batches[digest]

    def restore(self, batch: Batch) -> None:
        """Take up a batch that was kept."""
        self._batches[batch.digest] = batch

    def batches(self) -> Iterable[Batch]:
        """Return the batches that are known."""
        return self._batches.values()


class Window:
    """The slots above the low watermark."""

    def __init__(self, membership: Membership, low: int) -> None:
        self._membership = membership
        self.low = low
        self.border: int | None = None
        """The last place of this epoch, where the ledger knows one."""
        self._slots: dict[int, Slot] = {}
        self._last = low

    @property
    def high(self) -> int:
        """The last place that may be used now."""
        high = self.low + self._membership.window
        return high if self.border is None else min(high, self.border)

    def holds(self, sequence: int) -> bool:
        """Whether a place lies between the watermarks."""
        return self.low < sequence <= self.high

    def slot(self, sequence: int) -> Slot:
        """Return the slot of a place between the watermarks."""
        found = self._slots.get(sequence)
        if found is None:
            found = self._slots[sequence] = Slot(sequence)
            self._last = max(self._last, sequence)
        return found

    def get(self, sequence: int) -> Slot | None:
        """Return a slot, None where nothing was said of its place."""
        return self._slots.get(sequence)

    def slots(self) -> list[Slot]:
        """Return the slots, by place."""
        return [self._slots[sequence] for sequence in sorted(self._slots)]

    def after(self, sequence: int) -> Iterator[Slot]:
        """Yield the slots above a place, by place."""
        return (slot for place in range(sequence + 1, self._last + 1) if (slot := self._slots.get(place)) is not None)

    def advance(self, low: int, keep: int) -> list[int]:
        """Raise the low watermark; drop the slots up to ``keep``, which may lie below it, and return their places."""
        self.low = max(self.low, low)
        gone = sorted(sequence for sequence in self._slots if sequence <= keep)
        for sequence in gone:
            del self._slots[sequence]
        return gone

    # --- certificates ------------------------------------------------------------------------------

    def prepared(self, slot: Slot, view: int) -> Prepared | None:
        """Return the certificate of what was accepted in the open view, where a quorum is newly behind it.

        What was accepted in an earlier view has no votes here: those of this view prove nothing of it.
        """
        accepted = slot.accepted
        if accepted is None or accepted.view != view or (slot.prepared is not None and slot.prepared.view >= view):
            return None
        leader = self._membership.leader(view)
        votes = {who: sig for who, sig in slot.votes("prepare", accepted.digest).items() if who != leader}
        needed = self._membership.quorum - 1
        if len(votes) < needed:
            return None
        return Prepared(accepted.view, slot.sequence, accepted.digest, accepted.proposal, _first(votes, needed))

    def committed(self, slot: Slot, view: int) -> Committed | None:
        """Return the certificate of a digest that a quorum committed in the open view, where none was held."""
        if slot.committed is not None:
            return None
        needed = self._membership.quorum
        for digest in slot.digests("commit"):
            votes = slot.votes("commit", digest)
            if len(votes) >= needed:
                return Committed(view, slot.sequence, digest, _first(votes, needed))
        return None


def _first(votes: dict[int, bytes], count: int) -> tuple[Signed, ...]:
    return tuple(Signed(member, votes[member]) for member in sorted(votes)[:count])
