"""A node and its HTTP surface in one process: what `foedus up` runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from foedus.node.composition import Node
from foedus.node.federation import Federation
from foedus.node.home import Home
from foedus.node.service import Service
from foedus.surfaces.http.app import create_app
from foedus.surfaces.http.exposure import Exposure
from foedus.surfaces.http.server import HttpServer
from foedus.values.node import IdentityView


async def serve(  # noqa: PLR0913, PLR0917  # each is an option of `foedus up`
    home: Home,
    host: str,
    port: int,
    name: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    on_ready: Callable[[IdentityView, str], None],
) -> None:
    """Run the node until this task is cancelled, then stop it cleanly. SIGHUP: read the policy again."""
    loop = asyncio.get_running_loop()
    node = Node(home)
    service = Service(node)
    exposure = Exposure(host=host, tls=tls_cert is not None)
    server = HttpServer(
        create_app(service, Federation(node, service), node.links, exposure), host, port, tls_cert, tls_key
    )
    try:
        await server.start()
        url = address_of(host, server.port, tls=tls_cert is not None)
        node.peers.advertised = [url]
        await node.start()
        loop.add_signal_handler(signal.SIGHUP, node.policy.reload)
        if name and name != node.store.name:
            await node.rename(name)
        home.say_running(url, node.store.node)
        on_ready(service.identity(), url)
        await asyncio.Event().wait()
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        home.say_stopped()
        await server.stop()
        await node.close()


def address_of(host: str, port: int, *, tls: bool) -> str:
    """Return the URL under which the bound address is dialled (a wildcard address: loopback)."""
    try:
        address = ip_address(host)
        shown = ("127.0.0.1" if address.version == 4 else "::1") if address.is_unspecified else host  # noqa: PLR2004
        shown = f"[{shown}]" if ":" in shown else shown
    except ValueError:
        shown = host
    return f"{'https' if tls else 'http'}://{shown}:{port}"
