"""What strangers may cost: handshakes in flight, in all and per network, and signings per second.

The gate only counts. Its driver asks before it reads from a new socket (``admit``), before a
responder answers M1 (``may_sign``), and says when a handshake is over (``release``).
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.limits import (
    HANDSHAKE_SIGNINGS_PER_S,
    HANDSHAKES_IN_FLIGHT_MAX,
    HANDSHAKES_PER_NET_MAX,
)
from foedus.sync.pace import TokenBucket

IPV4_NET_BITS = 24
IPV6_NET_BITS = 56
"""What one customer commonly holds (RFC 6177 for IPv6): a net counts as one stranger."""
SIGNINGS_PER_NET = HANDSHAKE_SIGNINGS_PER_S // 5
"""Signings a second for one network: five that flood at once are needed to keep the others waiting."""
SHARES_MAX = 1_024
"""Networks whose share is remembered: some 200 KB."""
ADDRESSES_CACHED = 4_096
"""Addresses whose network is remembered, some 1 MB: each request asks, and twice as many connections are not open."""
LOOPBACK = "loopback"
UNKNOWN = "unknown"


class Ticket(NamedTuple):
    """A place among the handshakes in flight. Give it back by ``release``, whatever happened."""

    number: int
    network: str


class Refusal(NamedTuple):
    """No place: close the socket. ``code`` is ``too_many_handshakes`` or ``too_many_from_network``."""

    code: str


class StrangerGate:
    """The limits on strangers' handshakes of one node."""

    def __init__(self) -> None:
        self._in_flight: dict[int, str] = {}
        self._per_network: Counter[str] = Counter()
        self._signings = TokenBucket(HANDSHAKE_SIGNINGS_PER_S, HANDSHAKE_SIGNINGS_PER_S)
        self._shares: dict[str, TokenBucket] = {}
        self._number = 0

    @property
    def in_flight(self) -> int:
        """Handshakes admitted and not released."""
        return len(self._in_flight)

    def has_room(self, now: Instant, address: str) -> bool:
        """Tell whether ``admit`` and ``may_sign`` would let a handshake through now. Nothing is taken."""
        if len(self._in_flight) >= HANDSHAKES_IN_FLIGHT_MAX or not self._signings.holds(now):
            return False
        network = network_of(address)
        return network == LOOPBACK or self._per_network[network] < HANDSHAKES_PER_NET_MAX

    def admit(self, address: str) -> Ticket | Refusal:
        """Give a handshake from ``address`` (an IP address as text, without port) its place, or none."""
        if len(self._in_flight) >= HANDSHAKES_IN_FLIGHT_MAX:
            return Refusal("too_many_handshakes")
        network = network_of(address)
        if network != LOOPBACK and self._per_network[network] >= HANDSHAKES_PER_NET_MAX:
            return Refusal("too_many_from_network")
        self._number += 1
        self._in_flight[self._number] = network
        self._per_network[network] += 1
        return Ticket(self._number, network)

    def release(self, ticket: Ticket) -> None:
        """Give a place back; doing so twice is as good as once."""
        network = self._in_flight.pop(ticket.number, None)
        if network is None:
            return
        self._per_network[network] -= 1
        if not self._per_network[network]:
            del self._per_network[network]

    def may_sign(self, now: Instant, address: str = LOOPBACK) -> bool:
        """Take one signing of this second's, or say that there is none left: then close the socket.

        One network gets a fifth of them at most, so that it does not lock all others out; loopback is exempt.
        """
        network = network_of(address)
        if network != LOOPBACK and not self._share_of(network).take(now):
            return False
        return self._signings.take(now)

    def _share_of(self, network: str) -> TokenBucket:
        """Return the bucket of a network; of those that asked longest ago none is kept (a new one is full)."""
        share = self._shares.pop(network, None) or TokenBucket(SIGNINGS_PER_NET, SIGNINGS_PER_NET)
        self._shares[network] = share
        if len(self._shares) > SHARES_MAX:
            del self._shares[next(iter(self._shares))]
        return share


@lru_cache(ADDRESSES_CACHED)
def network_of(address: str) -> str:
    """Return the name of the /24 or /56 of ``address``; loopback is LOOPBACK, what is no IP address is UNKNOWN.

    An IPv4-mapped IPv6 address counts as the IPv4 address that it is; a zone (``%eth0``) does not count.
    """
    if address == LOOPBACK:
        return LOOPBACK
    plain = address.partition("%")[0]
    try:
        ip: IPv4Address | IPv6Address = IPv6Address(plain) if ":" in plain else IPv4Address(plain)
    except AddressValueError:
        return UNKNOWN
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return LOOPBACK
    bits = IPV4_NET_BITS if isinstance(ip, IPv4Address) else IPV6_NET_BITS
    return f"{ip.version}:{int(ip) >> (ip.max_prefixlen - bits):x}/{bits}"
