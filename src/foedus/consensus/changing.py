"""View changes: what a quorum of them leaves open, and what a new leader must propose again.

Castro and Liskov, 1999, section 4.4. ``reproposed`` is a function of the view-changes alone, so every member works
out the same and no leader can leave out what was prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foedus.consensus.certificates import BadVote
from foedus.consensus.messages import NewView, Stable, ViewChange
from foedus.consensus.updates import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foedus.consensus.membership import Membership
    from foedus.consensus.messages import Prepared


class Start(NamedTuple):
    """Where an epoch begins: after this place (0: none); and how far its watermarks are apart."""

    sequence: int
    window: int


class Reproposed(NamedTuple):
    """What a new view begins with: the highest stable checkpoint (None: the start), and a digest for each place."""

    stable: Stable | None
    digests: Sequence[tuple[int, bytes]]


def reproposed(changes: Iterable[ViewChange], start: Start) -> Reproposed:
    """Return what these view-changes leave open.

    Of each place the certificate of the highest view holds: only its digest can have been decided. A place that
    nobody prepared gets the empty batch, since nothing can have been decided there.
    """
    held = list(changes)
    stables = [change.stable for change in held if change.stable is not None]
    stable = max(stables, key=lambda it: (it.sequence, it.root), default=None)
    low = stable.sequence if stable is not None else start.sequence
    best: dict[int, Prepared] = {}
    for change in held:
        for certificate in change.prepared:
            other = best.get(certificate.sequence)
            if certificate.sequence > low and (other is None or _rank(certificate) > _rank(other)):
                best[certificate.sequence] = certificate
    last = max(best, default=low)
    digests = [(place, best[place].digest if place in best else NOTHING.digest) for place in range(low + 1, last + 1)]
    return Reproposed(stable, digests)


def check_places(change: ViewChange, start: Start) -> None:
    """Raise BadVote where a view-change claims places outside the watermarks of its own checkpoint."""
    low = change.stable.sequence if change.stable is not None else start.sequence
    if low < start.sequence or any(not low < it.sequence <= low + start.window for it in change.prepared):
        raise BadVote("a view-change claims places outside its watermarks")


def check_new_view(message: NewView, start: Start) -> Reproposed:
    """Return what a new view begins with; raise BadVote where its leader proposes anything but what it must."""
    for change in message.changes:
        check_places(change, start)
    wanted = reproposed(message.changes, start)
    if [(vote.sequence, vote.digest) for vote in message.proposals] != list(wanted.digests):
        raise BadVote("a new view does not propose what its view-changes leave open")
    return wanted


class Changes:
    """The newest view-change of each member, and which view they lead to."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._newest: dict[int, ViewChange] = {}

    def add(self, change: ViewChange) -> bool:
        """Take in a view-change; return whether it is newer than what its member said before."""
        if self.holds(change):
            return False
        self._newest[change.member] = change
        return True

    def holds(self, change: ViewChange) -> bool:
        """Whether a member said this, or something newer."""
        held = self._newest.get(change.member)
        return held is not None and held.view >= change.view

    def of_view(self, view: int) -> tuple[ViewChange, ...]:
        """Return the view-changes to a view, by member."""
        return tuple(self._newest[member] for member in sorted(self._newest) if self._newest[member].view == view)

    def joined(self, view: int) -> int | None:
        """Return the view beyond ``view`` that f + 1 members have reached (one of them honest), else None."""
        beyond = sorted((it.view for it in self._newest.values() if it.view > view), reverse=True)
        return beyond[self._membership.faults] if len(beyond) > self._membership.faults else None

    def reached(self, view: int) -> int:
        """Return how many members have left all views below this one."""
        return sum(1 for it in self._newest.values() if it.view >= view)


def _rank(certificate: Prepared) -> tuple[int, bytes]:
    return certificate.view, certificate.digest
