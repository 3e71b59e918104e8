"""A line of agreement as it grows: what the doors ask of it, kept up act by act (``standing`` is its slow twin).

An act costs the same however much is held: a version is looked for only among the final signatures on the newest
one, and what is ready to be finalised only among what both have signed on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.trust.agreements.acts import Act, Proposed, Signed
from foedus.trust.agreements.ledger import Side, Version, follows, may_approve, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Running:
    """The newest version of a line, whether it has ended, and what waits for a final signature."""

    def __init__(self, sides: Mapping[bytes, Side], root: Version) -> None:
        self.newest = root
        self._root = root.id
        self._sides = sides
        self._smaller, self._larger = (sides[node] for node in root.agreement.nodes)
        self._finals: dict[bytes | None, list[Signed]] = {}
        self._agreed: dict[bytes | None, dict[bytes, Proposed]] = {}
        """Base → what the smaller node proposed on it and the larger one signed."""
        for node, side in sides.items():
            said: tuple[Act, ...] = (*side.proposals.values(), *side.signed.values())
            for act in said:
                self.applied(node, act)

    @property
    def ended(self) -> Instant | None:
        """When the line ended, by the clock of who ended it first; None while it goes on."""
        return min((side.ended[self._root] for side in self._sides.values() if self._root in side.ended), default=None)

    def applied(self, node: bytes, act: Act) -> None:
        """Take in an act that changed its side."""
        nodes = self.newest.agreement.nodes
        match act:
            case Signed() if act.agreement.version > 1 and node == nodes[0]:
                self._finals.setdefault(act.agreement.base, []).append(act)
                self._advance([act] if act.agreement.base == self.newest.id else [])
            case Signed() if node == nodes[1] and act.id in self._smaller.proposals:
                self._agree(self._smaller.proposals[act.id])
            case Proposed() if node == nodes[0] and act.id in self._larger.signed:
                self._agree(act)

    def _agree(self, proposal: Proposed) -> None:
        self._agreed.setdefault(proposal.agreement.base, {})[proposal.id] = proposal

    def _advance(self, finals: Iterable[Signed]) -> None:
        """Go on to the version that the first of these makes, if one does, and from there as far as the line goes."""
        while (final := next((it for it in finals if follows(it, self.newest)), None)) is not None:
            self.newest = version_of(final)
            finals = self._finals.get(self.newest.id, ())

    def to_finalise(self, now: Instant) -> Iterator[Proposed]:
        """Yield the proposals of the smaller node that it may finalise now, oldest first."""
        if self.ended is not None:
            return
        base = self.newest.agreement
        small, large = base.nodes
        found = self._agreed.get(self.newest.id, {}).values()
        for act in sorted(found, key=lambda it: (it.at, it.id)):
            is_approved = may_approve(base, small, act.human) and may_approve(
                base, large, self._larger.signed[act.id].human
            )
            is_next = act.agreement.version == base.version + 1 and not act.agreement.is_expired(now)
            if is_approved and is_next and not any(act.id in side.refusals for side in self._sides.values()):
                yield act
