"""The policy file of this home, foedus.toml: whether it is right, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App
from msgspec import Struct, structs, to_builtins

from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import Line

if TYPE_CHECKING:
    from foedus.node.home import Home
    from foedus.trust.policy_text import Loaded

app = App(name="policy", help="What this node's people decided beforehand: foedus.toml in the home folder.")


class OptionView(Struct, frozen=True, kw_only=True):
    """An option as it is now. ``source``: ``default``, or the file and line that set it."""

    section: str
    option: str
    value: str | int | bool
    source: str
    about: str


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
    path = common.folder().policy_path
    views = list(_views(_loaded(common.folder()), path))
    out.show(views, _option_lines)
    out.next("foedus policy check   (after a change)")


def _loaded(home: Home) -> Loaded:
    from foedus.adapters.policy_file import read_policy

    return read_policy(home.policy_path)


def _views(loaded: Loaded, path: Path) -> Iterator[OptionView]:
    from foedus.trust.policy import options

    for option in options():
        line = loaded.lines.get(f"{option.section}.{option.name}")
        section: Any = getattr(loaded.policy, option.section)
        yield OptionView(
            section=option.heading,
            option=option.name,
            value=to_builtins(structs.asdict(section)[option.name]),
            source="default" if line is None else f"{path}, line {line}",
            about=option.about,
        )


def _option_lines(views: list[OptionView]) -> Iterable[Line]:
    section = ""
    for view in views:
        if view.section != section:
            section = view.section
            yield [(f"[{section}]", "bold")]
        value = str(view.value).lower() if isinstance(view.value, bool) else repr(view.value).replace("'", '"')
        yield [f"{view.option} = {value}", (f"   # {view.source}", "dim")]
