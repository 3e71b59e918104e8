"""`foedus capability` and `foedus call`: what agents offer, and calling it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from foedus.surfaces.cli.asking import Farther
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import Line
from foedus.surfaces.cli.text import named, short
from foedus.values.calls import CapabilityView
from foedus.values.queries import MergedView

app = App(name="capability", help="Capabilities: what agents offer to do.")

_FARTHER = Farther()
Schema = Annotated[Path | None, Parameter(metavar="FILE", help="A JSON Schema; without it, anything.")]
Name = Annotated[str, Parameter(help="The capability's name: small letters, digits, dots, hyphens.")]


@app.command
def add(  # noqa: PLR0913  # each is an option of the command
    agent: Annotated[str, Parameter(help="Who does the work: a participant of this node.")],
    name: Name,
    /,
    *,
    about: Annotated[str, Parameter(help="What it does, in a sentence.")] = "",
    takes: Schema = None,
    returns: Schema = None,
    model: Annotated[str, Parameter(help="The model behind it, where there is one.")] = "",
    provider: Annotated[str, Parameter(help="Who runs that model.")] = "",
    price: Annotated[str, Parameter(help="A note for people.")] = "",
    standing: Annotated[
        int, Parameter(validator=validators.Number(gte=1, lte=4), show_default=True, help="The last that may call.")
    ] = 4,
    common: Common = COMMON,
) -> None:
    """Offer what an agent does, or change it."""
    body = {"name": name, "agent": agent, "about": about, "takes": _read(takes), "returns": _read(returns)}
    body |= {"model": model, "provider": provider, "price": price, "standing": standing}
    out = common.output()
    out.show(common.client().post("/capabilities", CapabilityView, body), lambda view: _lines([view]))
    out.next(f"foedus capability find {name}")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """Show what agents of this node offer."""
    out = common.output()
    out.show(common.client().get("/capabilities", list[CapabilityView]), _lines)
    out.next("foedus capability find")


@app.command
def find(
    *words: Annotated[str, Parameter(help="Words of its name or description; all without them.")],
    far: Farther = _FARTHER,
    common: Common = COMMON,
) -> None:
    """Find what agents of this node, its peers and those behind them offer."""
    out = common.output()
    answers = far.put(common, "capability", {"text": " ".join(words)})
    out.show(answers, lambda _: [_found(it) for it in answers.results] or [["nothing was found"]])
    out.next("foedus call NODE NAME JSON")


@app.command
def remove(name: Name, /, *, common: Common = COMMON) -> None:
    """Offer a capability no more; calls under way go on."""
    common.client().tell("DELETE", f"/capabilities/{name}")
    out = common.output()
    out.words(f"{name} is offered no more")
    out.next("foedus capability list")


def _read(file: Path | None) -> Any:
    if file is None:
        return None
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandLineError(f"{file}: {error}", remedy="give a file with a JSON Schema") from None


def _lines(views: list[CapabilityView]) -> Iterable[Line]:
    for view in views:
        yield [(view.name, "bold"), f"  {view.about}  ", (f"by {view.agent_name or short(view.agent)}", "dim")]
    if not views:
        yield ["nothing is offered here"]


def _found(found: MergedView) -> Line:
    source = found.sources[0]
    at = named(source.node_known_as, source.node_name, source.node)
    return [(str(found.body.get("name", "")), "bold"), f"  {found.body.get('about', '')}  ", (f"at {at}", "dim")]
