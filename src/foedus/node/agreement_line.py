"""The agreement with one peer as this node has read it: the fold of two chains, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from foedus.trust.agreements.acts import Act
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.agreements.ledger import Side, Standing, Version, standing
from foedus.trust.evaluator import Terms
from foedus.trust.policy import Assurance

Counts: TypeAlias = Callable[[Assurance], bool]
"""Whether human signers of an assurance count, by this node's policy."""


class Line:
    """The agreement with one peer: what was read of the two chains, and what follows for one starter."""

    def __init__(self, root: Version) -> None:
        self.root = root
        self.sides = {node: Side() for node in root.agreement.nodes}
        self.unread: set[bytes] = set()
        """Who wrote an act that says nothing so far: where it is a human's word, their device may come yet."""
        self._standing: Standing | None = None
        self._in_force: AgreementInForce | None = None
        self._border: dict[bytes, Terms] = {}

    def apply(self, node: bytes, act: Act) -> None:
        """Take in the next act of a chain. What it does not change is not worked out again."""
        if self.sides[node].apply(act):
            self._standing = self._in_force = None
            self._border.clear()

    @property
    def standing(self) -> Standing:
        """How the line stands."""
        if self._standing is None:
            self._standing = standing(self.sides, self.root)
        return self._standing

    @property
    def in_force(self) -> AgreementInForce:
        """The newest version, as the doors ask it."""
        if self._in_force is None:
            newest = self.standing.newest
            is_ended = self.standing.ended is not None
            self._in_force = AgreementInForce(newest.id, newest.agreement, is_ended=is_ended)
        return self._in_force

    def border_terms(self, writer: bytes, counts: Counts) -> Terms:
        """Return what the version in force says of border acts of one of the two: one object while it is in force."""
        terms = self._border.get(writer)
        if terms is None:
            terms = self._border[writer] = self.in_force.border_terms(writer, counts)
        return terms

    def forget_terms(self) -> None:
        """Ask the version in force again: this node's policy changed."""
        self._border.clear()
