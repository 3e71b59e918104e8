"""What surfaces may ask of a running node about documents."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from foedus.node.ports import ByteStream
from foedus.values.documents import TicketView


class Visit(Protocol):
    """A ticket that was redeemed."""

    did: str

    def run(self, stream: ByteStream) -> Awaitable[tuple[int, str]]:
        """Serve a client until it or the node ends it; return the WebSocket's close code and reason."""
        ...


class DocumentService(Protocol):
    """Documents of rooms: a part of ``api.NodeService``."""

    async def document_ticket(self, room: str, name: str, as_: str = "") -> TicketView:
        """Return a ticket to a document for a participant (``as_``: DID or name)."""
        ...

    def document_visit(self, room: str, name: str, ticket: str) -> Visit:
        """Redeem a ticket; raise UsageError where it does not open this document, or no more."""
        ...
