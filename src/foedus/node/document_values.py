"""What the surfaces give and get of documents."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from foedus.node.ports import ByteStream
from foedus.node.values import View


class SessionAsk(View, frozen=True):
    """The body of the ``document.session`` that a device has to sign before a ticket is given; ids as hex."""

    key: str
    room: str
    document: str
    until: int


class TicketView(View, frozen=True):
    """A ticket, or ('' and ``session``) what a device has to sign first."""

    ticket: str
    expires: int
    """The instant until which it opens the document once, µs; 0 without a ticket."""
    session: SessionAsk | None = None


class Visit(Protocol):
    """A ticket that was redeemed."""

    did: str

    def run(self, stream: ByteStream) -> Awaitable[tuple[int, str]]:
        """Serve a client until it or the node ends it; return the WebSocket's close code and reason."""
        ...


class DocumentService(Protocol):
    """Documents of rooms."""

    async def document_ticket(self, room: str, name: str, as_: str = "") -> TicketView:
        """Return a ticket to a document for a participant (``as_``: DID or name)."""
        ...

    def document_visit(self, room: str, name: str, ticket: str) -> Visit:
        """Redeem a ticket; raise UsageError where it does not open this document, or no more."""
        ...
