"""`foedus up`: make the node if need be, run it, stop it on a signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter, validators

from foedus.surfaces.cli.errors import INTERRUPTED, CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, Yes
from foedus.surfaces.cli.output import Line, Output
from foedus.surfaces.cli.prompts import confirm

if TYPE_CHECKING:
    from foedus.values.node import IdentityView

LOOPBACK = "127.0.0.1"
PORT = 8102
_PORTS = validators.Number(gte=0, lte=65_535)
_CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def up(  # noqa: PLR0913  # each is an option of the command line
    *,
    host: Annotated[
        str, Parameter(show_default=True, help="The address to listen at. Beyond loopback, the API needs TLS.")
    ] = LOOPBACK,
    port: Annotated[int, Parameter(validator=_PORTS, show_default=True, help="The port; 0 takes a free one.")] = PORT,
    name: Annotated[str, Parameter(help="Call the node so from now on. Default: as before.")] = "",
    tls_cert: Annotated[Path | None, Parameter(help="The certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="The certificate's private key, PEM.")] = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Run the node until Ctrl-C or SIGTERM. Where the home folder is empty, make the node first."""
    if (tls_cert is None) != (tls_key is None):
        raise CommandLineError("TLS needs both halves", remedy="give --tls-cert and --tls-key together")
    out = common.output()
    home = common.folder()
    if not home.exists():
        from foedus.surfaces.cli.nodes import make_home

        confirm(f"There is no node in {home.path}. Make one?", yes=yes)
        make_home(home, name, out)

    from foedus.surfaces.serve import serve

    def on_ready(identity: IdentityView, url: str) -> None:
        _tell_ready(out, identity, url)

    run_until_signalled(serve(home, host, port, name, tls_cert, tls_key, on_ready), out)


def _tell_ready(out: Output, identity: IdentityView, url: str) -> None:
    ready: list[Line] = [[(identity.name, "bold"), f" listens at {url}"], [f"id {identity.node}"]]
    out.show({"url": url, "identity": identity}, lambda _: ready)
    if not out.as_json:
        out.words(*_page_words(url))
        out.words("Stop it with Ctrl-C.")
    out.next("in another terminal: foedus pair start --architect (signs you in at the page), or foedus status")


def _page_words(url: str) -> Line:
    """Return where the page is; or, where browsers lend it no keys, how to get TLS, to be copied whole."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if url.startswith("https:") or name.startswith("127.") or name in {"::1", "localhost"}:
        return [f"Its page is {url}/"]
    kind = "IP" if ":" in name or name.replace(".", "").isdigit() else "DNS"
    made = f"-subj /CN=foedus -addext subjectAltName={kind}:{name} -keyout key.pem -out cert.pem"
    then = f"foedus up --host {name} --port {parts.port} --tls-cert cert.pem --tls-key key.pem"
    return [f"Its page needs TLS here: {_CERTIFICATE} {made} && {then}"]


def run_until_signalled(serving: Coroutine[Any, Any, None], out: Output) -> None:
    """Run to the end; the first SIGINT or SIGTERM stops it cleanly, the second at once."""
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_stoppable(serving, out))


async def _stoppable(serving: Coroutine[Any, Any, None], out: Output) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    task = loop.create_task(serving)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            os._exit(INTERRUPTED)  # what is acknowledged is durable; nothing else may run now
        stopping = True
        if not out.as_json:
            out.words("stopping; once more aborts")
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
