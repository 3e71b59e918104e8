"""The node of this home: make it, run it, look at it."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from foedus import __version__
from foedus.base.limits import NAME_MAX
from foedus.surfaces.cli.errors import FAILED
from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import Line, Output, pairs
from foedus.surfaces.cli.peers import peer_table
from foedus.surfaces.cli.text import ARROW, CROSS, TICK, inert, lasting
from foedus.values.node import IdentityView, StatusView

if TYPE_CHECKING:
    from foedus.node.doctor import Check
    from foedus.node.home import Home

_WORDS_PER_LINE = 6


def init(
    *,
    name: Annotated[
        str, Parameter(help="What it calls itself to others; anyone may use the same. Default: this machine's name.")
    ] = "",
    common: Common = COMMON,
) -> None:
    """Make a node in the home folder, and show its 24 recovery words once."""
    out = common.output()
    make_home(common.folder(), name, out)
    out.next("foedus up")


def make_home(home: Home, name: str, out: Output) -> None:
    """Make the node and show who it is, with its words."""
    from foedus.node.home import create_home

    identity, words = create_home(home, name or default_name())
    out.show({"identity": identity, "recovery_words": words}, lambda _: _made(identity, words))
    if not out.as_json:
        out.words(("Write the 24 words down, on paper, now. ", "bold red"), "They are shown only this once and kept")
        out.words("nowhere. Whoever has them can take this node over; without them, a stolen node is lost.")


def default_name() -> str:
    """Return this machine's name, as far as it can be a node's."""
    return inert(socket.gethostname())[:NAME_MAX] or "node"


def _made(identity: IdentityView, words: list[str]) -> Iterable[Line]:
    yield from identity_lines(identity)
    yield []
    for start in range(0, len(words), _WORDS_PER_LINE):
        row = enumerate(words[start : start + _WORDS_PER_LINE], start + 1)
        yield ["  " + " ".join(f"{place:>2} {word:<9}" for place, word in row).rstrip()]


def identity_lines(identity: IdentityView) -> Iterable[Line]:
    """Return what this node may tell to anyone."""
    return pairs(
        [
            ("name", (identity.name, "bold")),
            ("id", identity.node),
            ("DID", identity.did),
            ("key", identity.ed25519),
            ("epoch", f"{identity.epoch_number} ({identity.epoch})"),
            *(("address", url) for url in identity.endpoints),
        ],
    )


def show_id(*, common: Common = COMMON) -> None:
    """Show this node's id, DID and key, whether it runs or not."""
    out = common.output()
    out.show(common.identity(), identity_lines)
    out.next("foedus peer request URL --expect ID   (on the other node, with this id)")


def status(*, common: Common = COMMON) -> None:
    """Show what is wrong, then this node, then its peers."""
    out = common.output()
    node = common.client()
    view = node.get("/status", StatusView)
    out.show(view, status_lines)
    if not out.as_json and view.peers:
        out.lines([[]])
        peer_table(out, view.peers)
    if view.pending_requests:
        out.next("foedus peer pending")
    elif view.troubles:
        out.next("foedus doctor")
    else:
        out.next("foedus room list" if view.peers else "foedus peer request URL")


def status_lines(view: StatusView) -> Iterable[Line]:
    """Return the troubles, then the node, then a line for each council."""
    from foedus.surfaces.cli.council_text import in_short

    for trouble in view.troubles:
        yield [(f"{CROSS} {trouble.code}: ", "bold red"), trouble.message]
        yield [f"  {ARROW} {trouble.remedy}"]
    if view.troubles:
        yield []
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(view.refused.items()))
    yield from identity_lines(view.identity)
    yield from pairs(
        [
            ("home", view.home),
            ("running", f"for {lasting(view.uptime_us)}, {view.memory_bytes >> 20} MiB"),
            ("log", f"{view.events} events in {view.chains} chains, {view.contested_chains} contested"),
            ("authoring", "yes" if view.authoring else ("stopped", "bold red")),
            ("refused", refused or "nothing"),
            ("requests", f"{view.pending_requests} wait for you"),
            *((f"council {inert(council.name)}", in_short(council, view)) for council in view.councils),
        ],
    )


def doctor(*, common: Common = COMMON) -> int:
    """Run named checks of this node and its machine; exit 1 where one fails."""
    from foedus.node.doctor import run_checks

    out = common.output()
    checks = run_checks(common.folder())
    healthy = all(check.ok for check in checks)
    out.show({"ok": healthy, "checks": checks}, lambda _: _check_lines(checks))
    out.next("foedus status" if healthy else "mend what failed, then `foedus doctor` again")
    return 0 if healthy else FAILED


def _check_lines(checks: list[Check]) -> Iterable[Line]:
    for check in sorted(checks, key=lambda check: check.ok):
        mark = (TICK, "green") if check.ok else (CROSS, "bold red")
        yield [mark, f" {check.name}: {check.message}"]
        if not check.ok and check.remedy:
            yield [f"  {ARROW} {check.remedy}"]


def demo(
    *,
    keep: Annotated[
        bool,
        Parameter(negative="", help="Let the nodes run afterwards, and print links that sign you in at their pages."),
    ] = False,
    common: Common = COMMON,
) -> int:
    """Run three real nodes in a temporary folder through a short story; exit 1 where a step fails."""
    from foedus.surfaces.demo import run_demo

    code = run_demo(common.json, sys.stdout, keep)
    stays = "" if keep or code else "foedus demo --keep (the nodes stay up, and you look at their pages), or "
    common.output().next(f"{stays}foedus init")
    return code


def version(*, common: Common = COMMON) -> None:
    """Show the version of foedus."""
    out = common.output()
    shown = {"version": __version__, "protocol": 1, "python": platform.python_version()}
    out.show(shown, lambda _: [[f"foedus {__version__}"]])
    out.next("foedus --help")
