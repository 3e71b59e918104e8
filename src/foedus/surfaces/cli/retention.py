"""`foedus retention`: let go of what is older than its days."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.types import PositiveInt

from foedus.surfaces.cli.options import COMMON, Common, Yes
from foedus.surfaces.cli.prompts import confirm
from foedus.values.node import PruningView
from foedus.values.rooms import RoomView

app = App(name="retention", help="Let go of what is older than its days, up to signed checkpoints.")


@app.command
def run(
    *,
    days: Annotated[
        PositiveInt | None, Parameter(help="Drop what is older than so many days. Without it: as the policy says.")
    ] = None,
    room: Annotated[str, Parameter(help="Only in this room: its id, first digits, or name. Needs --days.")] = "",
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Prune rooms now: events and bodies before a checkpoint that is old enough."""
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.errors import CommandLineError

    if room and days is None:
        raise CommandLineError("how many days does this room keep?", remedy="add --days N")
    out = common.output()
    node = common.client()
    asked: dict[str, Any] = {}
    if days is not None:
        confirm(f"What is older than {days} days goes for good. Prune?", yes=yes)
        asked = {"days": days} | ({"room": node.get(path_of("rooms", room), RoomView).room} if room else {})
    pruning = node.post("/retention/run", PruningView, asked)
    out.show(pruning, lambda _: [[f"{pruning.events} events of {pruning.chains} chains dropped"]])
    out.next("foedus log verify")


@app.command
def skip(
    room: Annotated[str, Parameter(help="The room: its id, first digits, or name.")],
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Go on in a room without the events that peers no longer have (`foedus status` names them)."""
    out = common.output()
    node = common.client()
    confirm("What lies between is not taken any more, whoever has it. Skip it?", yes=yes)
    pruning = node.post("/retention/skip", PruningView, {"room": room})
    out.show(pruning, lambda _: [[f"{pruning.events} events of {pruning.chains} chains skipped"]])
    out.next("foedus status")
