"""Carries messages of councils to members that are connected, and never holds more of them than a bound."""

from __future__ import annotations

from functools import partial

from foedus.node.link import Link
from foedus.node.links import Links
from foedus.sync.frames import CouncilSays

CAPABILITY = "council"
UNSENT_MAX = 8 * 1_048_576
"""Bytes that wait for a member that reads slowly: beyond, they are dropped, and said again when it asks."""


class _Unsent:
    """What waits on one link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.bytes = 0


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
        """Send to a node if it is connected now; what gets lost is said again."""
        link = self.link(node)
        if link is None:
            return
        unsent = self._unsent.get(node)
        if unsent is None or unsent.link is not link:
            unsent = self._unsent[node] = _Unsent(link)
        if unsent.bytes + len(data) > UNSENT_MAX:
            return
        unsent.bytes += len(data)
        link.when_there_is_room(partial(self._leave, unsent, CouncilSays(council, data)))

    def _leave(self, unsent: _Unsent, frame: CouncilSays) -> None:
        unsent.bytes -= len(frame.message)
        unsent.link.control(frame)
