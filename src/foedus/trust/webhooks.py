"""Where a node may send calls: by the address that a name stands for now, never by the name alone."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from foedus.base.errors import UsageError
from foedus.trust.policy import WebhookReach

URL_BYTES_MAX = 1_024
LOCALHOST = "127.0.0.1"
_NAT64 = IPv6Network("64:ff9b::/96")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_Address: TypeAlias = IPv4Address | IPv6Address


class BadWebhook(UsageError):
    """Not a URL to which calls can be sent."""

    code = "bad_webhook"
    remedy = "give https://HOST/PATH, or http:// where the agent is on this machine"


class WebhookForbidden(UsageError):
    """The address is none to which this webhook may send."""

    code = "webhook_forbidden"
    http_status = 403
    remedy = "let the node's operator register it, or set `agents` under [webhooks] in foedus.toml"


class Place(StrEnum):
    """What kind of address it is."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"
    NOWHERE = "nowhere"
    """Link-local (where clouds keep their keys), multicast, unspecified, reserved: no agent is there."""


class Target(Struct, frozen=True):
    """A webhook's URL, taken apart."""

    url: str
    host: str
    port: int
    is_tls: bool

    @property
    def origin(self) -> str:
        """What may be shown to anyone: path and query can hold a secret."""
        return f"{'https' if self.is_tls else 'http'}://{self.host}:{self.port}"


def parse_target(url: str) -> Target:
    """Return the parts of a URL; raise BadWebhook."""
    if len(url) > URL_BYTES_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise BadWebhook(f"a webhook's URL is printable ASCII, at most {URL_BYTES_MAX} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadWebhook("that is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment or port == 0:
        raise BadWebhook("a webhook is http:// or https://, with a host and no fragment")
    if parts.username is not None or parts.password is not None:
        raise BadWebhook("a webhook's URL has no user and no password: the node signs what it sends")
    is_tls = parts.scheme == "https"
    return Target(url, parts.hostname, port or (443 if is_tls else 80), is_tls)


def is_address(host: str) -> bool:
    """Whether a host is an address, or is taken for one, and no name that stands for some."""
    return ":" in host or host.replace(".", "").isdigit()


def place_of(address: str) -> Place:
    """Return what kind of address it is, whatever it is wrapped in."""
    try:
        found = _unwrapped(ip_address(address.partition("%")[0]))
    except ValueError:
        return Place.NOWHERE
    if found.is_loopback:
        return Place.LOOPBACK
    if isinstance(found, IPv4Address) and found in _THIS_NETWORK:
        return Place.NOWHERE
    if found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved:
        return Place.NOWHERE
    return Place.PUBLIC if found.is_global else Place.PRIVATE


def _unwrapped(address: _Address) -> _Address:
    """Return the IPv4 address in an IPv6 one that carries one (mapped, 6to4, NAT64), else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def may_send(target: Target, address: str, reach: WebhookReach, *, by_operator: bool) -> bool:
    """Tell whether a webhook may be delivered at ``address``.

    Who registered it: the operator, whose word goes, or an agent by its own token, as far as ``reach``. Nothing goes
    to strangers in the clear.
    """
    place = place_of(address)
    if place is Place.NOWHERE or (place is Place.PUBLIC and not target.is_tls):
        return False
    return by_operator or place in _REACHED[reach]


_REACHED = {
    WebhookReach.NOWHERE: frozenset[Place](),
    WebhookReach.LOOPBACK: frozenset({Place.LOOPBACK}),
    WebhookReach.PRIVATE: frozenset({Place.LOOPBACK, Place.PRIVATE}),
    WebhookReach.ANYWHERE: frozenset({Place.LOOPBACK, Place.PRIVATE, Place.PUBLIC}),
}
