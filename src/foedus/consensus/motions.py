"""Motions: what nodes would do elsewhere once their council approves, such as to let somebody into a room.

A motion is bytes that say exactly what is meant; it is approved once a quorum of the members has approved these very
bytes. What it permits is not the council's: it keeps that it was approved, as part of its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import learn
from foedus.base.ids import sha256
from foedus.consensus.membership import MEMBERS_MAX, Membership
from foedus.log.event import Id

if TYPE_CHECKING:
    from collections.abc import Iterator

MOTION_MAX = 2_048
OPEN_PER_MEMBER = 16
"""Open motions that one member was the first to approve; with one more its oldest is dropped."""
APPROVED_KEPT = 1_024
"""The newest motions that were approved: whoever asked for one soon does what it permits."""


class Approve(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="approve"):
    """One member's approval of a motion, signed by the key that it votes by."""

    motion: Annotated[bytes, Meta(min_length=1, max_length=MOTION_MAX)]


_Open: TypeAlias = tuple[bytes, Annotated[list[Annotated[int, Meta(ge=0, lt=MEMBERS_MAX)]], Meta(min_length=1)]]
MotionsPlain: TypeAlias = tuple[list[_Open], list[Id]]


def motion_id(motion: bytes) -> bytes:
    """Return the hash by which a motion is named."""
    return sha256(motion)


class Motions:
    """The open motions of an epoch, and those that were approved. In the order in which they came."""

    def __init__(self, open_: list[_Open] | None = None, approved: list[bytes] | None = None) -> None:
        self._open: dict[bytes, tuple[bytes, list[int]]] = {
            motion_id(motion): (motion, list(by)) for motion, by in open_ or ()
        }
        self._approved = dict.fromkeys(approved or ())

    def approve(self, motion: bytes, member: int, membership: Membership) -> str:
        """Count a member's approval; return the outcome."""
        name = motion_id(motion)
        if name in self._approved:
            return "approved"
        by = self._open.setdefault(name, (motion, []))[1]
        if member not in by:
            by.append(member)
        if len(by) >= membership.quorum:
            del self._open[name]
            self._approved[name] = None
            while len(self._approved) > APPROVED_KEPT:
                del self._approved[next(iter(self._approved))]
            return "approved"
        self._drop_oldest(by[0])
        return "asked"

    def _drop_oldest(self, member: int) -> None:
        own = [name for name, (_, by) in self._open.items() if by[0] == member]
        for name in own[: max(0, len(own) - OPEN_PER_MEMBER)]:
            del self._open[name]

    def is_approved(self, name: bytes) -> bool:
        """Whether the council approved a motion, and has not forgotten it."""
        return name in self._approved

    def open(self) -> Iterator[tuple[bytes, tuple[int, ...]]]:
        """Yield the open motions, and who approved each."""
        return ((motion, tuple(by)) for motion, by in self._open.values())

    def renewed(self) -> Motions:
        """Return what the next epoch begins with: its members approve anew what is open."""
        return Motions(approved=list(self._approved))

    def plain(self) -> list[list[object]]:
        """Return the whole of it, as ``MotionsPlain``."""
        return [[[motion, list(by)] for motion, by in self._open.values()], list(self._approved)]


learn(Approve)
