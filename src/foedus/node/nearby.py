"""Nodes nearby: who else is on the network, when a person asks, and that this one is, where the policy says so.

Nothing is connected to by itself. Where the policy names no interface it is the one that the node listens at: a node
that serves its own machine alone neither asks nor tells anybody beyond.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from foedus.base.errors import Unavailable
from foedus.node.background import Background
from foedus.node.peers import Peers
from foedus.node.policy import PolicyBook
from foedus.node.store import Store
from foedus.trust.policy import DiscoveryPolicy, Policy

log = logging.getLogger("foedus.nearby")
LOOPBACK = "127.0.0.1"
LOOKS_MAX = 4
"""Looks at the network under way at one time: each opens sockets, and lasts some seconds."""


class TooManyLooks(Unavailable):
    """As many looks at the network as may be are under way."""

    code = "too_many_looks"
    http_status = 429
    remedy = "look again in a few seconds"


class Nearby:
    """Looks for nodes, and announces this one. ``heard`` is what `adapters.mdns` returns."""

    def __init__(self, store: Store, peers: Peers, policy: PolicyBook) -> None:
        self._store = store
        self._peers = peers
        self._policy = policy
        self._background = Background(log)
        self._announcing: asyncio.Task[None] | None = None
        self._followed = DiscoveryPolicy()
        self._looks = 0

    @property
    def terms(self) -> DiscoveryPolicy:
        """What the policy says about it now."""
        return self._policy.current.discovery

    @property
    def interface(self) -> str:
        """The IP address of the interface on which nodes are looked for and told."""
        return self.terms.interface or self._listens_at() or LOOPBACK

    def _listens_at(self) -> str:
        """Return the host of the address at which this node is dialled, where it is an IP address."""
        host = urlsplit(self._peers.advertised[0]).hostname if self._peers.advertised else None
        with suppress(ValueError):
            return str(ip_address(host or ""))
        return ""

    @property
    def is_announced(self) -> bool:
        """Whether the network is told of this node now."""
        return self._announcing is not None and not self._announcing.done()

    async def look(self, wait_s: float) -> list[tuple[bytes, str, tuple[str, ...]]]:
        """Return the id, the name and the addresses of who says to be there; raise CannotBrowse or TooManyLooks."""
        from foedus.adapters.mdns import browse  # noqa: PLC0415  # zeroconf, for who looks

        if self._looks >= LOOKS_MAX:
            raise TooManyLooks(f"{LOOKS_MAX} looks at the network are under way")
        self._looks += 1
        try:
            heard = await browse(self.interface, wait_s)
        finally:
            self._looks -= 1
        return [(one.node, one.name, one.urls) for one in heard if one.node != self._store.node]

    def follow(self, _policy: Policy | None = None) -> None:
        """Announce this node, or stop, as the policy says now."""
        if self.terms == self._followed:
            return
        self._followed, former = self.terms, self._announcing
        self._announcing = None
        if former is not None:
            former.cancel()
        if self.terms.announce and self._peers.advertised:
            self._announcing = self._background.spawn(self._announce(former))

    async def _announce(self, former: asyncio.Task[None] | None) -> None:
        from foedus.adapters.mdns import Announcement, Announcer  # noqa: PLC0415  # as above

        if former is not None:
            await asyncio.wait({former})  # it takes back what it said
        parts = urlsplit(self._peers.advertised[0])
        address = self.terms.interface or self._listens_at()
        if not address:
            log.warning("not announced: %s is a name; set `interface` under [discovery] in foedus.toml", parts.hostname)
            return
        said = Announcement(self._store.node, self._store.name, address, parts.port or 0, parts.scheme == "https")
        await Announcer(address, said).run()

    async def close(self) -> None:
        """Take back what was announced."""
        await self._background.close()
