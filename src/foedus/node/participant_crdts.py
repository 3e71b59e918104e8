"""CRDTs as one participant may use them: those of the rooms that it is in, written as itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from foedus.node.crdt_forms import CrdtAsk
from foedus.node.participant_consent import ParticipantConsent
from foedus.values.crdts import CrdtView
from foedus.values.node import Placed, SignedAct


class ParticipantCrdts(ParticipantConsent):
    """Part of ``ParticipantService``."""

    if TYPE_CHECKING:

        def _room(self, wanted: str) -> str:
            """Return the id (hex) of a room that it is in."""
            ...

        def _signed(self, room: str, act: SignedAct) -> SignedAct:
            """Return an act of its own."""
            ...

    async def crdts(self, room: str) -> list[CrdtView]:
        """Return the CRDTs of a room that it is in."""
        views: list[CrdtView] = await self._service.crdts(self._room(room))
        await self._note_read_of(views)
        return views

    async def crdt(self, room: str, name: str, **asked: Any) -> CrdtView:
        """Return one of them."""
        view: CrdtView = await self._service.crdt(self._room(room), name, **asked)
        await self._note_read_of([view])
        return view

    async def _note_read_of(self, views: Sequence[CrdtView]) -> None:
        """Remember, before it is shown, that an agent reads what was written at another node."""
        own = self._node.store.node.hex()
        if self._holder.kind == "agent" and any(set(view.writers) - {own} for view in views):
            await self._node.consent.note_read(self._holder.did)

    async def crdt_do(self, room: str, name: str, asked: CrdtAsk) -> Placed:
        """Write as itself: a custodial agent. '' is itself here, never the node."""
        self._refuse_other(asked.as_ or self._holder.did)
        own = replace(asked, as_=self._holder.did)
        placed: Placed = await self._service.crdt_do(self._room(room), name, own)
        return placed

    async def crdt_act(self, room: str, name: str, act: SignedAct) -> Placed:
        """Write as itself, signed by its device."""
        where = self._room(room)
        placed: Placed = await self._service.crdt_act(where, name, self._signed(where, act))
        return placed
