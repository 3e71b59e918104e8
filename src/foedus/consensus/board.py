"""What a council of nodes decides upon: its members, motions, and a map with compare-and-set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical, check_items, convert, decode, decode_as, encode
from foedus.base.ids import sha256
from foedus.consensus.governing import Governed
from foedus.consensus.ledger import Ledger
from foedus.consensus.machine import KeyValue
from foedus.consensus.membership import MEMBERS_MAX
from foedus.consensus.motions import APPROVED_KEPT, OPEN_PER_MEMBER, Approve, Motions, MotionsPlain

if TYPE_CHECKING:
    from foedus.consensus.membership import Membership
    from foedus.consensus.updates import Update

_APPROVE = b"\x62op\x67approve"
"""How the canonical map of an approval goes on after its first byte: its shortest key is ``op``."""
_ITEMS_MAX = APPROVED_KEPT + OPEN_PER_MEMBER * MEMBERS_MAX * (MEMBERS_MAX + 4) + 16
_State: TypeAlias = tuple[bytes, MotionsPlain]


class Board(Governed[KeyValue]):
    """The machine of every council that nodes found."""

    def __init__(self, machine: KeyValue, membership: Membership) -> None:
        super().__init__(machine, membership)
        self.motions = Motions()

    def get(self, key: str) -> bytes | None:
        """Return what this member holds now: a fast read, that may be behind what the council has decided."""
        return self.machine.get(key)

    def apply(self, sequence: int, update: Update) -> bytes:
        """Make an update; the result is a list whose first item is the outcome."""
        if not update.command.startswith(_APPROVE, 1):
            return super().apply(sequence, update)
        try:
            motion = decode_as(update.command, Approve).motion
        except (Malformed, NotCanonical):
            return encode(["malformed", None])
        member = self.index_of(update.device)
        outcome = "not_permitted" if member is None else self.motions.approve(motion, member, self._membership)
        return encode([outcome, None])

    def root(self) -> bytes:
        """Return a hash of the whole state."""
        return sha256(encode([super().root(), self.motions.plain()]))

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return encode([super().snapshot(), self.motions.plain()])

    def restored(self, state: bytes) -> Self:
        """Return a machine with the state of a snapshot."""
        check_items(state, _ITEMS_MAX)
        plain: _State = convert(decode(state), _State)  # type: ignore[arg-type]  # msgspec takes any type
        fresh = super().restored(plain[0])
        fresh.motions = Motions(*plain[1])
        return fresh

    def renewed(self, membership: Membership) -> Self:
        """Return the machine for the next epoch: the same map, what was approved, nothing open."""
        fresh = super().renewed(membership)
        fresh.motions = self.motions.renewed()
        return fresh


def first_ledger(membership: Membership) -> Ledger[Board]:
    """Return the state with which a council begins."""
    return Ledger(Board(KeyValue(), membership), window=membership.window, interval=membership.interval)


def next_ledger(ended: Ledger[Board], membership: Membership) -> Ledger[Board]:
    """Return the state with which an epoch begins, from that at the border of the one before."""
    return ended.renewed(ended.machine.renewed(membership))
