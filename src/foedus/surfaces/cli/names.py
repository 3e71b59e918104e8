"""Your own names for peers and participants."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import pairs
from foedus.values.node import NameView

app = App(name="name", help="Your own names for peers and participants: set, list, remove. Nobody else sees them.")


@app.command(name="set")
def set_(
    who: Annotated[str, Parameter(help="A peer (its id, first digits, or name) or a participant (its DID, or name).")],
    name: Annotated[str, Parameter(help="What you call it.")],
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Name a peer or a participant. It is shown in place of what that one calls itself."""
    out = common.output()
    named = common.client().post("/names", NameView, {"id": who, "name": name})
    out.show(named, lambda _: pairs([("name", (named.name, "bold")), ("id", named.id)]))
    out.next("foedus name list")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the names that you gave."""
    out = common.output()
    names = common.client().get("/names", list[NameView])
    if out.as_json or not names:
        out.show(names, lambda _: [["no names were given yet"]])
    else:
        out.table(["name", "id"], ([named.name, named.id] for named in names))
    out.next("foedus name set ID NAME")


@app.command
def remove(
    who: Annotated[str, Parameter(help="The name, or the id that has it.")], /, *, common: Common = COMMON
) -> None:
    """Take a name back. What that one calls itself is shown again, in quotes."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    common.client().tell("DELETE", path_of("names", who))
    out.show({"removed": who}, lambda _: [[f"no longer named: {who}"]])
    out.next("foedus name list")
