"""The part of the fake NodeService that holds documents: tickets only."""

from foedus.base.errors import UsageError
from foedus.values.documents import TicketView


class FakeDocuments:
    """Gives tickets that open nothing."""

    async def document_ticket(self, room, name, as_=""):
        self.room(room)
        self._note("document_ticket", name, as_)
        return TicketView(ticket="word", expires=1)

    def document_visit(self, room, name, ticket):
        self._note("document_visit", room, name, ticket)
        raise UsageError("the ticket does not open this document", code="bad_ticket", http_status=401)
