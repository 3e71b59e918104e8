"""`foedus capability` and `foedus call`: what agents offer, and calling it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from foedus.base.errors import NotFound, UsageError
from foedus.base.limits import SECOND
from foedus.node.call_values import CallView, CapabilityView
from foedus.node.query_values import AnswersView, MergedView
from foedus.query.limits import CALL_LASTS_MAX
from foedus.surfaces.cli.asking import Far, Farther
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile
from foedus.surfaces.cli.output import Line
from foedus.surfaces.cli.text import named, short

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


def call(  # noqa: PLR0913  # each is an option of the command
    node: Annotated[str, Parameter(help="The node, by its name here or the first digits of its id.")],
    name: Name,
    input_: Annotated[str, Parameter(name="INPUT", help="JSON; null without it.")] = "null",
    /,
    *,
    deadline: Annotated[
        float,
        Parameter(validator=validators.Number(gt=0, lte=CALL_LASTS_MAX / SECOND), show_default=True, help="Seconds."),
    ] = 30.0,
    as_: Annotated[
        str, Parameter(name="--as", metavar="NAME", help="Who calls: a participant. Default: the node itself.")
    ] = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Call a capability of this node or of a peer, at most once; the receipt says how it ended."""
    from foedus.surfaces.cli.calling import Called, put
    from foedus.surfaces.cli.questions import asker

    try:
        given = json.loads(input_)
    except ValueError as error:
        raise CommandLineError(f"the input is no JSON: {error}", remedy="""say '{"text": "hello"}'""") from None
    far = Far(as_=as_, passphrase_file=passphrase_file)
    found = _meant(far.put(common, "capability", {"text": name}), node, name)
    out = common.output()
    client = common.client(passphrase_file)
    called = Called(found.sources[0].node, name, found.content, given, deadline)
    view = put(client, called, asker(client, as_, out), passphrase_file)
    out.show(view, _call_lines)
    if view.outcome != "result":
        raise UsageError(f"the call: {view.outcome or view.state} {view.code}".rstrip(), code="no_result", remedy=_SEE)


_SEE = "docs/capabilities.md says what each means; GET /api/v1/calls/ID shows it again"


def _meant(answers: AnswersView, node: str, name: str) -> MergedView:
    """Return the capability of a name at the node that is meant; raise NotFound, or UsageError where two are."""
    found = [it for it in answers.results if it.body.get("name") == name and _is_at(it, node)]
    if not found:
        raise NotFound(
            f"{node} offers no {name}, as far as this node is told",
            code="unknown_capability",
            remedy="foedus capability find",
        )
    if len({it.sources[0].node for it in found}) > 1:
        raise UsageError(f"several nodes are meant by {node!r}", code="ambiguous", remedy="give more of the id")
    return found[0]


def _is_at(found: MergedView, node: str) -> bool:
    source = found.sources[0]
    return node in {source.node_name, source.node_known_as} or (len(node) >= _DIGITS and source.node.startswith(node))


_DIGITS = 8
"""Of an id that stands for it, as elsewhere."""


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


def _call_lines(view: CallView) -> Iterable[Line]:
    yield [
        (view.outcome or view.state, "bold"),
        f" {view.code} {view.message}".rstrip(),
        (f"  call {view.call}", "dim"),
    ]
    if view.output is not None:
        yield [json.dumps(view.output, ensure_ascii=True)]
