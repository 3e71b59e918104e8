"""Documents as one participant may use them: those of the rooms that it is in, edited as itself."""

from __future__ import annotations

from foedus.node.participant_crdts import ParticipantCrdts
from foedus.values.documents import TicketView


class ParticipantDocuments(ParticipantCrdts):
    """Part of ``ParticipantService``."""

    async def document_ticket(self, room: str, name: str, as_: str = "") -> TicketView:
        """Return a ticket to a document, to edit it as itself."""
        self._refuse_other(as_ or self._holder.did)
        where = self._room(room)
        view: TicketView = await self._service.document_ticket(where, name, self._holder.did, holder=self._holder)
        return view
