"""Standing of participants, and why an act may or may not pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter, validators

from foedus.surfaces.cli.options import COMMON, Common, Yes
from foedus.surfaces.cli.output import Line, Part, pairs
from foedus.surfaces.cli.prompts import confirm as ask
from foedus.surfaces.cli.text import named, when
from foedus.values.standing import ExplainView, LayerView, StandingView

app = App(name="standing", help="Standing: how far participants go at this node, 1 architect to 4 normal.")

Who = Annotated[str, Parameter(help="A participant's name or DID.")]
_LACKS = {"days": "more days without a breach", "acts": "more accepted acts"}


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List where every known participant stands here."""
    out = common.output()
    found = common.client().get("/standings", list[StandingView])
    if out.as_json or not found:
        out.show(found, lambda _: [["no participants yet"]])
    else:
        rows = (
            [_who(view), named(view.node_known_as, view.node_name), _standing(view), _proposed(view)] for view in found
        )
        out.table(["participant", "node", "standing", ""], rows)
    out.next("foedus standing show WHO" if found else "foedus participant add NAME")


@app.command
def show(who: Who, /, *, common: Common = COMMON) -> None:
    """Show where one stands, what that allows, and what the rule still asks for."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    out.show(common.client().get(path_of("standings", who), StandingView), standing_lines)
    out.next("foedus standing propose {}", who)


@app.command
def propose(
    who: Who,
    standing: Annotated[
        int | None,
        Parameter(help="1 to 4. Default: the next step up.", validator=validators.Number(gte=1, lte=4)),
    ] = None,
    /,
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Propose a step up, by the written rule; it waits for `confirm`. A step down takes effect at once."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    held = node.get(path_of("standings", who), StandingView)
    if standing is not None and standing > held.standing:
        ask(f"Let {held.name} fall from {held.standing} to {standing}?", yes=yes)
    view = node.post(path_of("standings", who, "propose"), StandingView, {"to": standing})
    out.show(view, standing_lines)
    out.next("foedus standing confirm {}" if view.proposed else "foedus standing show {}", who)


@app.command
def confirm(who: Who, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Let a proposed step up take effect."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    view = node.get(path_of("standings", who), StandingView)
    at = named(view.node_known_as, view.node_name, view.node)
    ask(f"Let {_who(view)} at {at} rise from {view.standing} to {view.proposed}?", yes=yes)
    out.show(node.post(path_of("standings", who, "confirm"), StandingView), standing_lines)
    out.next("foedus standing list")


def explain(
    who: Annotated[str, Parameter(help="A participant's name or DID; `event` for a held event.")],
    act: Annotated[str, Parameter(help="A border command such as room/speak, a kind such as message.text; an event.")],
    where: Annotated[str, Parameter(help="The room; for a command outside of rooms the peer.")] = "",
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Say which layer and clause allows or refuses an act, done or not: agreement, grant, room."""
    out = common.output()
    view = common.client().get("/explain", ExplainView, {"who": who, "act": act, "room": where})
    out.show(view, explain_lines)
    out.next("foedus approval list" if view.layer == "grant" else "foedus standing list")


def standing_lines(view: StandingView) -> Iterable[Line]:
    """Return where one stands, line by line."""
    rows: list[tuple[str, Part]] = [
        ("participant", (_who(view), "bold")),
        ("did", view.did),
        ("node", "this node" if view.is_local else named(view.node_known_as, view.node_name, view.node)),
        ("standing", _standing(view)),
        ("may", ", ".join(right.replace("_", " ") for right in view.rights)),
    ]
    if view.since is not None:
        rows.append(("counts from", when(view.since)))
    if view.acts is not None:
        rows.append(("accepted acts", str(view.acts)))
    if view.missing:
        rows.append(("to rise", " and ".join(_LACKS[lack] for lack in view.missing)))
    if view.breach:
        rows.append(("last breach", (view.breach, "yellow")))
    if view.proposed:
        rows.append(("proposed", str(view.proposed)))
    return pairs(rows)


def explain_lines(view: ExplainView) -> Iterable[Line]:
    """Return the layers of a verdict, line by line."""
    style = "green" if view.allowed else "yellow"
    said = "allowed" if view.allowed else f"refused: {view.code}"
    yield [(f"{view.name} at {view.node_name}, {view.act}: ", "bold"), (said, style)]
    yield from pairs([(layer.layer, _layer(layer)) for layer in view.layers])
    if view.layer == "log":
        yield [("the event or its chain does not stand: ", "dim"), view.why or view.code]


def _layer(layer: LayerView) -> str:
    presets = "".join(f" [{name}: {value}]" for name, value in layer.presets.items())
    clause = f" ({layer.clause})" if layer.clause else ""
    return f"{layer.verdict}{clause}: {layer.words}{presets}"


def _who(view: StandingView) -> str:
    return named(view.known_as, view.name)


def _standing(view: StandingView) -> str:
    return f"{view.standing} {view.standing_name}"


def _proposed(view: StandingView) -> str:
    return f"{view.proposed} proposed" if view.proposed else ""
