"""The policy file of this home, foedus.toml: whether it is right, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cyclopts import App

from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import Line

if TYPE_CHECKING:
    from foedus.node.home import Home
    from foedus.trust.policy_text import Loaded
    from foedus.values.node import PolicyOptionView

app = App(name="policy", help="What this node's people decided beforehand: foedus.toml in the home folder.")


@app.command
def check(*, common: Common = COMMON) -> None:
    """Read foedus.toml, and say at which line it is wrong; exit 1 then. A running node is not touched."""
    out = common.output()
    home = common.folder()
    loaded = _loaded(home)
    found = f"{len(loaded.lines)} set, the rest default"
    out.show(
        {"path": str(home.policy_path), "options": len(loaded.lines)}, lambda _: [[f"{home.policy_path}: {found}"]]
    )
    running = home.running()
    out.next(f"kill -HUP {running.pid}   (the running node reads it again)" if running else "foedus policy show")


@app.command
def show(*, common: Common = COMMON) -> None:
    """Show every option, its value, and where that comes from."""
    out = common.output()
    from foedus.node.policy import policy_options

    path = common.folder().policy_path
    views = policy_options(path)
    out.show(views, _option_lines)
    out.next("foedus policy check   (after a change)")


def _loaded(home: Home) -> Loaded:
    from foedus.adapters.policy_file import read_policy

    return read_policy(home.policy_path)


def _option_lines(views: list[PolicyOptionView]) -> Iterable[Line]:
    section = ""
    for view in views:
        if view.section != section:
            section = view.section
            yield [(f"[{section}]", "bold")]
        value = str(view.value).lower() if isinstance(view.value, bool) else repr(view.value).replace("'", '"')
        yield [f"{view.option} = {value}", (f"   # {view.source}", "dim")]
