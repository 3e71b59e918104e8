"""Tickets to documents: a WebSocket of a browser carries no token, so it brings a word that opens one document once."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.ids import sha256
from foedus.node.tokens import Holder

TICKET_US = 60_000_000
"""How long a ticket waits to be used, in microseconds."""
TICKETS_MAX = 1_024
"""Tickets that wait at one time: as many clients as reconnect after this node was away."""
TICKETS_EACH_MAX = 64
"""Of one participant: one that asks and never comes leaves room for the others."""
_BYTES = 32


class BadTicket(UsageError):
    """The ticket is unknown, was used, is too old, or is for another document."""

    code = "bad_ticket"
    http_status = 401
    remedy = "get a new one: POST /api/v1/rooms/{room}/documents/{name}/ticket"


class TooManyTickets(Unavailable):
    """More tickets wait than this node keeps."""

    code = "too_many_tickets"
    remedy = "try again in a minute"


class Seat(NamedTuple):
    """Who may edit which document. ``holder``: whose token got the ticket; None: the operator's."""

    room: bytes
    name: str
    did: str
    holder: Holder | None


class Tickets:
    """Those that wait, by SHA-256, so that nothing compares secrets byte by byte. In memory only."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, tuple[Seat, Instant]] = {}

    def issue(self, seat: Seat, now: Instant) -> tuple[str, Instant]:
        """Return a new ticket and until when it opens. Raises TooManyTickets."""
        self._waiting = {key: held for key, held in self._waiting.items() if held[1] > now}
        mine = sum(held.did == seat.did for held, _ in self._waiting.values())
        if len(self._waiting) >= TICKETS_MAX or mine >= TICKETS_EACH_MAX:
            raise TooManyTickets("too many tickets wait to be used")
        ticket = secrets.token_urlsafe(_BYTES)
        self._waiting[sha256(ticket.encode())] = (seat, now + TICKET_US)
        return ticket, now + TICKET_US

    def redeem(self, ticket: str, room: bytes, name: str, now: Instant) -> Seat:
        """Return whose it is; it is used up, whatever it was brought to. Raises BadTicket."""
        seat, until = self._waiting.pop(sha256(ticket.encode()), (None, 0))
        if seat is None or until <= now or (seat.room, seat.name) != (room, name):
            raise BadTicket("the ticket does not open this document, or no more")
        return seat
