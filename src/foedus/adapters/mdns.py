"""Nodes on the network, by multicast DNS (RFC 6762, RFC 6763): `_foedus._tcp.local`. Loads `zeroconf` when first used.

What is heard is what anybody on that network says: the id, the name and the address are claims, and nothing is done
with them but to show them to a person.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from foedus.base.errors import Unavailable
from foedus.base.limits import NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from zeroconf.asyncio import AsyncZeroconf

TYPE = "_foedus._tcp.local."
HEARD_MAX = 256
"""Nodes that are listened to at one look: whoever floods the network shows a person that many at most."""
_ADDRESSES_MAX = 4
"""Of one node: who names more wants something else."""
_LABEL_HEX = 32
"""Digits of the id in the label of an instance, which has 63 bytes at most; the whole id stands beside it."""
_ID_HEX = 64
_TEXT_BYTES_MAX = 200
"""Of a name in a TXT string, which has 255 at most with its key."""
_IPV6 = 6


class CannotBrowse(Unavailable):
    """The network interface cannot be used for multicast DNS."""

    code = "cannot_browse"
    remedy = "set `interface` under [discovery] in foedus.toml to an IP address of this machine"


class Announcement(Struct, frozen=True):
    """What this node says of itself. ``address``: the IP address at which it listens."""

    node: bytes
    name: str
    address: str
    port: int
    tls: bool


class Heard(Struct, frozen=True):
    """What somebody says of a node: unproved."""

    node: bytes
    name: str
    urls: tuple[str, ...]


async def browse(interface: str, wait_s: float) -> list[Heard]:
    """Ask on an interface (an IP address of ours) who is there, for so long; return who answered, by id.

    Of one id there may be several: whoever claims it falsely does not hide who owns it.
    """
    from zeroconf import ServiceStateChange  # noqa: PLC0415  # 0.1 s, for who looks
    from zeroconf.asyncio import AsyncServiceBrowser  # noqa: PLC0415  # as above

    network = _open(interface)
    asking: dict[str, asyncio.Task[Heard | None]] = {}

    def changed(name: str, state_change: ServiceStateChange, **_: Any) -> None:
        if state_change is ServiceStateChange.Added and name not in asking and len(asking) < HEARD_MAX:
            asking[name] = asyncio.create_task(_resolve(network, name, wait_s))

    try:
        browser = AsyncServiceBrowser(network.zeroconf, TYPE, handlers=[changed])
        await asyncio.sleep(wait_s)
        await browser.async_cancel()
        answers = await asyncio.gather(*asking.values(), return_exceptions=True)
    finally:
        for task in asking.values():
            task.cancel()
        await network.async_close()
    heard = {answer for answer in answers if isinstance(answer, Heard)}
    return sorted(heard, key=lambda it: (it.node, it.urls, it.name))


async def _resolve(network: AsyncZeroconf, name: str, wait_s: float) -> Heard | None:
    from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415  # as above

    info = AsyncServiceInfo(TYPE, name)
    if not await info.async_request(network.zeroconf, wait_s * 1000):
        return None
    return read(info.properties, info.parsed_addresses()[:_ADDRESSES_MAX], info.port)


def read(properties: dict[bytes, bytes | None], addresses: list[str], port: int | None) -> Heard | None:
    """Return what an answer says, or None where it says nothing that could be a node."""
    claimed = _text(properties.get(b"id"))
    if len(claimed) != _ID_HEX or not port or not 0 < port < 1 << 16:
        return None
    with suppress(ValueError):
        scheme = "https" if properties.get(b"tls") == b"1" else "http"
        urls = tuple(f"{scheme}://{_in_url(address)}:{port}" for address in addresses)
        return Heard(bytes.fromhex(claimed), _text(properties.get(b"name"))[:NAME_MAX], urls) if urls else None
    return None


def _text(value: bytes | None) -> str:
    return (value or b"")[:_TEXT_BYTES_MAX].decode(errors="replace")


def _in_url(address: str) -> str:
    """Return an address as URLs have it; raise ValueError where it is none."""
    return f"[{address}]" if ip_address(address).version == _IPV6 else address


class Announcer:
    """Says on an interface that this node is there, until it is closed."""

    def __init__(self, interface: str, said: Announcement) -> None:
        """Open the interface; raise CannotBrowse."""
        self._network = _open(interface)
        self._said = said

    async def run(self) -> None:
        """Say it, and answer who asks, until cancelled; then take it back."""
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415  # 0.1 s, for who announces

        said, label = self._said, self._said.node.hex()[:_LABEL_HEX]
        name = said.name.encode()[:_TEXT_BYTES_MAX].decode(errors="ignore")
        info = AsyncServiceInfo(
            TYPE,
            f"{label}.{TYPE}",
            addresses=[ip_address(said.address).packed],
            port=said.port,
            properties={"id": said.node.hex(), "name": name, "tls": "1" if said.tls else "0"},
            server=f"{label}.local.",
        )
        try:
            await _done(self._network.async_register_service(info, allow_name_change=True))
            await asyncio.Event().wait()
        finally:
            await self._network.async_unregister_all_services()
            await self._network.async_close()


async def _done(registering: Coroutine[Any, Any, Any]) -> None:
    """Wait for what zeroconf began, too."""
    await (await registering)


def _open(interface: str) -> AsyncZeroconf:
    from zeroconf import IPVersion  # noqa: PLC0415  # as above
    from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415  # as above

    try:
        version = IPVersion.V6Only if ip_address(interface).version == _IPV6 else IPVersion.V4Only
        return AsyncZeroconf(interfaces=[interface], ip_version=version)
    except (OSError, ValueError, RuntimeError) as error:
        raise CannotBrowse(f"multicast DNS cannot use the interface {interface[:80]!r}: {error}") from None
