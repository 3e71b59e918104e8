"""Delegations that were checked already, by CID: a chain in use costs its signature checks once."""

from __future__ import annotations

from collections import OrderedDict

from foedus.identity.ucan.delegation import Delegation, parse_delegation
from foedus.identity.ucan.ipld import cid_of

DELEGATIONS_CACHED = 4_096
"""Delegations that are in use at one time: some 2 KB each."""


class DelegationCache:
    """The delegations used last. Holds what was verified only: whoever calls ``put`` has checked the signature."""

    def __init__(self, size: int = DELEGATIONS_CACHED) -> None:
        self._size = size
        self._held: OrderedDict[bytes, Delegation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, cid: bytes) -> Delegation | None:
        """Return the verified delegation with this CID, if it is held."""
        held = self._held.get(cid)
        if held is not None:
            self._held.move_to_end(cid)
        return held

    def put(self, delegation: Delegation) -> None:
        """Keep a delegation whose signature was checked; at the bound the one unused for longest goes."""
        self._held[delegation.cid] = delegation
        self._held.move_to_end(delegation.cid)
        if len(self._held) > self._size:
            self._held.popitem(last=False)

    def parse(self, data: bytes) -> Delegation:
        """Return what ``data`` is, checked now or before; raises what ``parse_delegation`` raises."""
        held = self.get(cid_of(data))
        if held is None:
            held = parse_delegation(data)
            self.put(held)
        return held
