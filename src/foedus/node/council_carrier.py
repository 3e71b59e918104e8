"""Carries messages of councils to members that are connected, and never holds more of them than a bound."""

from __future__ import annotations

from functools import partial

from foedus.base.limits import COUNCIL_MESSAGE_MAX
from foedus.node.council_messages import pieces
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.sync.frames.members import CouncilSays

CAPABILITY = "council"
UNSENT_MAX = 8 * 1_048_576
"""Bytes that wait for a member that reads slowly: beyond, they are dropped, and said again when it asks."""


class _Unsent:
    """What waits on one link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.bytes = 0
        self.pieces = 0


class Carrier:
    """Sends over the links of the node."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._unsent: dict[bytes, _Unsent] = {}

    def link(self, node: bytes) -> Link | None:
        """Return the link with a connected peer that knows councils."""
        link = self._links.get(node)
        is_open = link is not None and link.opened_at is not None and not link.session.is_closed
        return link if link is not None and is_open and CAPABILITY in link.peer.capabilities else None

    def ended(self, link: Link) -> None:
        """Forget what waited on a link."""
        unsent = self._unsent.get(link.node)
        if unsent is not None and unsent.link is link:
            del self._unsent[link.node]

    def send(self, node: bytes, council: bytes, data: bytes) -> None:
        """Send to a node if it is connected now; what gets lost is said again.

        What no frame holds goes in pieces, one such message at a time: while one is on its way others are dropped.
        """
        link = self.link(node)
        if link is None:
            return
        unsent = self._unsent.get(node)
        if unsent is None or unsent.link is not link:
            unsent = self._unsent[node] = _Unsent(link)
        if len(data) > COUNCIL_MESSAGE_MAX:
            self._send_large(unsent, council, data)
        elif unsent.bytes + len(data) <= UNSENT_MAX:
            unsent.bytes += len(data)
            link.when_there_is_room(partial(self._leave, unsent, CouncilSays(council, data)))

    def _send_large(self, unsent: _Unsent, council: bytes, data: bytes) -> None:
        if unsent.pieces:
            return
        for piece in pieces(data):
            unsent.pieces += 1
            unsent.link.when_there_is_room(partial(self._leave_piece, unsent, CouncilSays(council, piece)))

    def _leave(self, unsent: _Unsent, frame: CouncilSays) -> None:
        unsent.bytes -= len(frame.message)
        unsent.link.control(frame)

    def _leave_piece(self, unsent: _Unsent, frame: CouncilSays) -> None:
        unsent.pieces -= 1
        unsent.link.control(frame)
