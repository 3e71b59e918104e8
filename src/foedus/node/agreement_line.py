"""The agreement with one peer as this node has read it: the fold of two chains, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

from foedus.base.clock import Instant
from foedus.trust.agreements.acts import Act, Proposed
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.agreements.ledger import Side, Standing, Version, standing
from foedus.trust.agreements.running import Running
from foedus.trust.evaluator import Terms
from foedus.trust.policy import Assurance

Counts: TypeAlias = Callable[[Assurance], bool]
"""Whether human signers of an assurance count, by this node's policy."""


class Line:
    """The agreement with one peer: what was read of the two chains, and what follows for one starter."""

    def __init__(self, root: Version, speaks: Callable[[bytes, str, bytes], bool]) -> None:
        """``speaks(node, did, device)``: whether the node enrolled that device for that human."""
        self.root = root
        self.sides = {node: Side(partial(speaks, node)) for node in root.agreement.nodes}
        self._running = Running(self.sides, root)
        self._standing: Standing | None = None
        self._in_force: AgreementInForce | None = None
        self._border: dict[bytes, Terms] = {}

    def apply(self, node: bytes, act: Act) -> None:
        """Take in the next act of a chain. What it does not change is not worked out again."""
        if self.sides[node].apply(act):
            self._standing = None
            self._running.applied(node, act)

    def hear(self, nodes: Iterable[bytes]) -> None:
        """Look again whose words are heard: devices of people of these nodes came, or lost their verdict."""
        changed = [node for node in nodes if node in self.sides and self.sides[node].hear()]
        if changed:
            self._standing = None
            self._running = Running(self.sides, self.root)

    @property
    def newest(self) -> Version:
        """The version in force, or the last that was."""
        return self._running.newest

    def says_signed(self, node: bytes) -> bool:
        """Whether the chain of a node says that it signed the version in force. The starter is a matter of peering."""
        side, newest = self.sides[node], self.newest
        return newest.agreement.version == 1 or newest.id in side.signed or newest.id in side.proposals

    @property
    def ended(self) -> Instant | None:
        """When the line ended; None while it goes on."""
        return self._running.ended

    def to_finalise(self, now: Instant) -> Iterator[Proposed]:
        """Yield what the node with the smaller id may finalise now, oldest first."""
        return self._running.to_finalise(now)

    @property
    def standing(self) -> Standing:
        """How the line stands, with all that was ever proposed: for people, since it takes longer the more that is."""
        if self._standing is None:
            self._standing = standing(self.sides, self.root)
        return self._standing

    @property
    def in_force(self) -> AgreementInForce:
        """The newest version, as the doors ask it."""
        newest, is_ended = self.newest, self.ended is not None
        held = self._in_force
        if held is None or held.id != newest.id or held.is_ended != is_ended:
            held = self._in_force = AgreementInForce(newest.id, newest.agreement, is_ended=is_ended)
            self._border.clear()
        return held

    def border_terms(self, writer: bytes, counts: Counts) -> Terms:
        """Return what the version in force says of border acts of one of the two: one object while it is in force."""
        in_force = self.in_force
        terms = self._border.get(writer)
        if terms is None:
            terms = self._border[writer] = in_force.border_terms(writer, counts)
        return terms

    def forget_terms(self) -> None:
        """Ask the version in force again: this node's policy changed."""
        self._border.clear()
