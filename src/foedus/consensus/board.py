"""What a council of nodes decides upon: the members themselves, and a map with compare-and-set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.consensus.governing import Governed
from foedus.consensus.ledger import Ledger
from foedus.consensus.machine import KeyValue

if TYPE_CHECKING:
    from foedus.consensus.membership import Membership


class Board(Governed[KeyValue]):
    """The machine of every council that nodes found."""

    def get(self, key: str) -> bytes | None:
        """Return what this member holds now: a fast read, that may be behind what the council has decided."""
        return self.machine.get(key)


def first_ledger(membership: Membership) -> Ledger[Board]:
    """Return the state with which a council begins."""
    return Ledger(Board(KeyValue(), membership), window=membership.window, interval=membership.interval)


def next_ledger(ended: Ledger[Board], membership: Membership) -> Ledger[Board]:
    """Return the state with which an epoch begins, from that at the border of the one before."""
    return ended.renewed(ended.machine.renewed(membership))
