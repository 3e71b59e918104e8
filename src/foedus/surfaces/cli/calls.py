"""`foedus call`: calling what agents offer, and looking at the calls made here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import ID_BYTES
from foedus.base.limits import SECOND
from foedus.query.limits import CALL_LASTS_MAX
from foedus.surfaces.cli.asking import Far
from foedus.surfaces.cli.capabilities import Name
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Wait
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.text import DASH, named, short, when
from foedus.values.calls import CallView
from foedus.values.queries import AnswersView, MergedView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

_LIST_MAX = 500
Whose = Annotated[str, Parameter(name="CALL", help="The call's whole id, or its first digits (8 or more).")]

app = App(name="call", help="Call what an agent offers; see the calls made here.")


@app.default
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
    wait: Wait = 0,
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Call a capability of this node or of a peer, at most once; the receipt says how it ended.

    An agent's call of another node may wait for a person.
    """
    from foedus.surfaces.cli.calling import Called, Caller
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
    view = Caller(client, asker(client, as_, out), passphrase_file).call(called, wait)
    out.show(view, _call_lines)
    if view.outcome != "result":
        raise UsageError(f"the call: {view.outcome or view.state} {view.code}".rstrip(), code="no_result", remedy=_SEE)


@app.command(name="list")
def list_(
    *,
    limit: Annotated[
        int, Parameter(validator=validators.Number(gte=1, lte=_LIST_MAX), show_default=True, help="How many.")
    ] = 20,
    common: Common = COMMON,
) -> None:
    """Show the calls made here, the newest first."""
    out = common.output()
    out.show(common.client().get("/calls", list[CallView], {"limit": limit}), _list_lines)
    out.next("foedus call show CALL")


@app.command
def show(call_: Whose, /, *, common: Common = COMMON) -> None:
    """Show one call made here: how it stands, what came back, and who signed the receipt."""
    node = common.client()
    out = common.output()
    out.show(_found(node, call_), _shown)
    out.next("foedus call list")


@app.command
def cancel(call_: Whose, /, *, common: Common = COMMON) -> None:
    """Ask for a call to end. Whether its agent had begun, the receipt then says."""
    node = common.client()
    out = common.output()
    held = _found(node, call_)
    out.show(node.post(path_of("calls", held.call, "cancel"), CallView), lambda it: _list_lines([it]))
    out.next(f"foedus call show {short(held.call)}")


_SEE = "docs/capabilities.md says what each means; `foedus call show` shows it again"


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


def _found(node: Client, text: str) -> CallView:
    """Return the call of an id or its first digits; raise NotFound, or UsageError where several begin so."""
    if len(text) == 2 * ID_BYTES:
        return node.get(path_of("calls", text), CallView)
    held = node.get("/calls", list[CallView], {"limit": _LIST_MAX})
    meant = [it for it in held if len(text) >= _DIGITS and it.call.startswith(text)]
    if not meant:
        raise NotFound(f"no call here begins with {text[:64]!r}", code="unknown_call", remedy="see `foedus call list`")
    if len(meant) > 1:
        raise UsageError(f"{len(meant)} calls begin with {text}", code="ambiguous", remedy="give more of the id")
    return meant[0]


def _list_lines(views: list[CallView]) -> Iterable[Line]:
    for view in views:
        how = f"{view.outcome or view.state} {view.code}".rstrip()
        yield [
            (how, "bold"),
            f"  {view.name} at {named('', view.node_name, view.node)}  ",
            (f"{when(view.at)}  call {short(view.call)}", "dim"),
        ]
    if not views:
        yield ["no calls were made here"]


def _shown(view: CallView) -> Iterable[Line]:
    signed = [name for name, sig in (("its node", view.receipt_sig), ("this node", view.countersig)) if sig]
    yield from pairs(
        [
            ("call", view.call),
            ("capability", f"{view.name} at {named('', view.node_name, view.node)}"),
            ("by", view.caller),
            ("made", when(view.at)),
            ("deadline", when(view.deadline)),
            ("state", f"{view.outcome or view.state} {view.code} {view.message}".rstrip()),
            ("agent", view.agent or DASH),
            ("began", when(view.began or None)),
            ("ended", when(view.ended or None)),
            ("receipt", f"signed by {' and '.join(signed)}" if signed else DASH),
        ]
    )
    if view.output is not None:
        yield [json.dumps(view.output, ensure_ascii=True)]


def _call_lines(view: CallView) -> Iterable[Line]:
    yield [
        (view.outcome or view.state, "bold"),
        f" {view.code} {view.message}".rstrip(),
        (f"  call {view.call}", "dim"),
    ]
    if view.output is not None:
        yield [json.dumps(view.output, ensure_ascii=True)]
