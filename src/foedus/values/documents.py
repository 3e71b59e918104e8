"""Documents of rooms: what opens them."""

from __future__ import annotations

from foedus.values.node import View


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
