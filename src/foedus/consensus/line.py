"""The epochs of a council, one after the other: each is named by the checkpoint that ended the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.consensus.proof import EPOCHS_MAX, ProofFailed, renewed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foedus.consensus.founding import Founding
    from foedus.consensus.membership import Membership
    from foedus.consensus.proof import Renewal


class Line:
    """The memberships of one council, as far as they are known. ``founding``: its members' signatures hold."""

    def __init__(self, founding: Founding, renewals: Iterable[Renewal] = ()) -> None:
        """``renewals``: from the first; raises ProofFailed."""
        self.founding = founding
        self.renewals: list[Renewal] = []
        self._memberships = [founding.membership()]
        for renewal in renewals:
            self.extend(renewal)

    @property
    def current(self) -> Membership:
        """The membership of the newest epoch that is known."""
        return self._memberships[-1]

    @property
    def start(self) -> int:
        """The place after which the newest epoch begins."""
        return self.renewals[-1].stable.sequence if self.renewals else 0

    def memberships(self) -> Sequence[Membership]:
        """Return those of all epochs, from the first."""
        return self._memberships

    def has_been(self, node: bytes, after: int) -> bool:
        """Whether a node was a member in some epoch after this one."""
        return any(it.index_of(node) is not None for it in self._memberships[after + 1 :])

    def has_been_without(self, node: bytes, after: int) -> bool:
        """Whether a node was no member in some epoch after this one."""
        return any(it.index_of(node) is None for it in self._memberships[after + 1 :])

    def extended(self, renewals: Iterable[Renewal]) -> Line:
        """Return this line and more ends of epochs; raise ProofFailed."""
        longer = Line(self.founding)
        longer.renewals, longer._memberships = [*self.renewals], [*self._memberships]  # one of us
        for renewal in renewals:
            longer.extend(renewal)
        return longer

    def nodes(self) -> set[bytes]:
        """Return every node that is or was a member."""
        return {member.node for membership in self._memberships for member in membership.members}

    def before(self, sequence: int) -> Sequence[Renewal]:
        """Return the renewals that led to the epoch in which a place lies."""
        return [renewal for renewal in self.renewals if renewal.stable.sequence < sequence]

    def extend(self, renewal: Renewal) -> Membership:
        """Take in the end of the newest epoch; return the membership of the next. Raises ProofFailed."""
        if len(self.renewals) >= EPOCHS_MAX:
            raise ProofFailed(f"a council has at most {EPOCHS_MAX} changes of members")
        if renewal.stable.sequence <= self.start:
            raise ProofFailed(f"epoch {self.current.epoch} cannot end where it begins")
        following = renewed(self.current, renewal)
        self.renewals.append(renewal)
        self._memberships.append(following)
        return following
