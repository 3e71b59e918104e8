"""Passkeys of this node's people, for who runs it: what is there, and removing one that was lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.surfaces.cli.options import COMMON, Common, Yes
from foedus.surfaces.cli.output import Line
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import DASH, named, short, when
from foedus.values.access import PasskeysView, PasskeyView
from foedus.values.node import ParticipantView

app = App(name="passkey", help="Passkeys, by which people confirm what they grant on the page.")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the passkeys of this node's people, oldest first. They are added on the page, under Settings."""
    out = common.output()
    node = common.client()
    held = node.get("/passkeys", PasskeysView)
    people = {who.did: who for who in node.get("/participants", list[ParticipantView]) if who.is_local}
    out.show(held, lambda view: _lines(view, people))
    out.next("foedus passkey remove ID   (one that was lost)")


def _lines(view: PasskeysView, people: dict[str, ParticipantView]) -> Iterable[Line]:
    yield ["approvals and grants by a person's token need one" if view.required else "none is required (foedus.toml)"]
    for held in view.passkeys:
        who = people.get(held.did)
        whose = named(who.known_as, who.name) if who else held.did
        used = f"used {when(held.used)}" if held.used else DASH
        yield [(short(held.passkey), "bold"), "  ", held.name, "  of ", whose, f"  at {held.origin}  ", used]


@app.command
def remove(
    passkey: Annotated[str, Parameter(help="The passkey: its id or the beginning of it.")],
    /,
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Remove a passkey, such as of a lost phone: it confirms nothing any more."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    held = _found(node.get("/passkeys", PasskeysView).passkeys, passkey)
    confirm(f"Remove the passkey {held.name!r} of {held.did}?", yes=yes)
    node.tell("DELETE", path_of("passkeys", held.passkey))
    out.show(held, lambda view: [["removed ", (short(view.passkey), "bold")]])
    out.next("foedus passkey list")


def _found(held: list[PasskeyView], wanted: str) -> PasskeyView:
    found = [each for each in held if wanted and each.passkey.startswith(wanted)]
    if not found:
        raise NotFound("there is no such passkey", code="unknown_passkey", remedy="see `foedus passkey list`")
    if len(found) > 1:
        raise UsageError(f"{wanted!r} may be any of {len(found)}", code="ambiguous", remedy="give more of the id")
    return found[0]
