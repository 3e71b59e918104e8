"""What the surfaces do with documents: a ticket, and a visit for it."""

from __future__ import annotations

from functools import cached_property

from foedus.node.composition import Node
from foedus.node.document_api import Visit
from foedus.node.document_desk import DocumentDesk
from foedus.node.document_tickets import Seat
from foedus.node.document_visit import DocumentVisit
from foedus.node.home import check_name
from foedus.node.rooms import Rooms
from foedus.node.tokens import Holder
from foedus.state.documents.fold import UPDATE
from foedus.values.documents import TicketView


class DocumentOperations:
    """Documents of rooms, as the surfaces use them."""

    _node: Node
    _rooms: Rooms

    @cached_property
    def _desk(self) -> DocumentDesk:
        return DocumentDesk(self._node, self._rooms.standing)

    async def document_ticket(self, room: str, name: str, as_: str = "", *, holder: Holder | None = None) -> TicketView:
        """Return a ticket for a participant, or what a device of theirs has to sign first."""
        found = self._rooms.find(room)
        check_name(name)
        who = self._node.agents.find(as_)
        self._rooms.standing(found, who.did, UPDATE)
        session = self._desk.session_needed(who, found.id, name)
        if session is not None:
            return TicketView(ticket="", expires=0, session=session)
        ticket, expires = self._desk.tickets.issue(Seat(found.id, name, who.did, holder), self._node.store.now())
        return TicketView(ticket=ticket, expires=expires)

    def document_visit(self, room: str, name: str, ticket: str) -> Visit:
        """Redeem a ticket for the document that it opens."""
        seat = self._desk.tickets.redeem(ticket, self._rooms.find(room).id, name, self._node.store.now())
        return DocumentVisit(self._desk, seat)
