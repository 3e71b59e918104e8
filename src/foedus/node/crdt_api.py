"""What surfaces may ask of a running node about CRDTs."""

from __future__ import annotations

from typing import Protocol

from foedus.node.crdt_forms import CrdtAsk
from foedus.values.crdts import CrdtView
from foedus.values.node import Placed, SignedAct


class CrdtService(Protocol):
    """CRDTs of rooms: a part of ``api.NodeService``. ``type_`` '' where the name has only one."""

    async def crdts(self, room: str) -> list[CrdtView]:
        """Return the CRDTs of a room, by name, without their values."""
        ...

    async def crdt(
        self, room: str, name: str, *, type_: str = "", entry: str = "", additions: bool = False
    ) -> CrdtView:
        """Return one with its value; ``entry``: of a map or of transfers only this key or target."""
        ...

    async def crdt_do(self, room: str, name: str, asked: CrdtAsk) -> Placed:
        """Order operations; a name that is new is made by the first of them."""
        ...

    async def crdt_act(self, room: str, name: str, act: SignedAct) -> Placed:
        """Order a ``crdt.delta`` that a device signed."""
        ...
