"""Questions to the federation: `foedus ask`, `foedus trace` and `foedus topology`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter, validators

from foedus.base.ids import parse_id
from foedus.base.limits import SECOND
from foedus.query.limits import HOPS_MAX, LASTS_MAX, RESULTS_MAX
from foedus.query.question import Scope
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.messages import wrapped
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile
from foedus.surfaces.cli.output import Line, Output
from foedus.surfaces.cli.text import CROSS, TICK, named, paragraphs, short, when
from foedus.values.queries import AnswersView, FoundView, MergedView, NodeReport


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Far:
    """How far a question goes, and who asks."""

    scope: Annotated[
        Scope, Parameter(show_default=True, help="Whom to ask: this node, its peers too, or those behind them too.")
    ] = "direct"
    hops: Annotated[
        int | None,
        Parameter(validator=validators.Number(gte=0, lte=HOPS_MAX), help="With --scope global: how many links away."),
    ] = None
    deadline: Annotated[
        float,
        Parameter(
            validator=validators.Number(gt=0, lte=LASTS_MAX / SECOND),
            show_default=True,
            help="Seconds to wait at most.",
        ),
    ] = 5.0
    results: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=1, lte=RESULTS_MAX), show_default=True, help="Of each node, at most."
        ),
    ] = 50
    as_: Annotated[
        str,
        Parameter(name="--as", metavar="NAME", help="Who asks: a participant of this node. Default: the node itself."),
    ] = ""
    passphrase_file: PassphraseFile = None

    def put(self, common: Common, kind: str, about: Mapping[str, Any]) -> AnswersView:
        """Ask, and return what came by the deadline."""
        from foedus.surfaces.cli.questions import Reach, asker, put

        node = common.client(self.passphrase_file)
        reach = Reach(self.scope, self.hops, self.results, self.deadline)
        return put(node, kind, about, reach, asker(node, self.as_, common.output()), self.passphrase_file)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Farther(Far):
    """The same, for what is asked of everyone."""

    scope: Annotated[
        Scope, Parameter(show_default=True, help="Whom to ask: this node, its peers too, or those behind them too.")
    ] = "global"


_FAR = Far()
_FARTHER = Farther()
_INDENT = "    "
_GOOD = frozenset({"answered", "seen"})


def ask(
    *words: Annotated[str, Parameter(help="What to look for.")],
    meaning: Annotated[
        bool, Parameter(negative="", help="Find what means the same, too: this node's embedder makes a vector of it.")
    ] = False,
    far: Far = _FAR,
    common: Common = COMMON,
) -> None:
    """Ask this node and others what they know. Who is silent, late or refuses is named; nobody is waited for longer."""
    text = " ".join(words)
    if not text.strip():
        raise CommandLineError("what is asked?", remedy="foedus ask TEXT")
    out = common.output()
    answers = far.put(common, "semantic" if meaning else "text", {"text": text})
    out.show(answers, lambda _: _answer_lines(answers, out))
    _next(out, answers, "foedus trace EVENT")


def trace(
    event: Annotated[str, Parameter(help="The event's whole id.")],
    /,
    *,
    far: Far = _FAR,
    common: Common = COMMON,
) -> None:
    """Show what led to an event and what followed it, as far as each node may tell."""
    out = common.output()
    answers = far.put(common, "causal", {"event": parse_id(event)})
    out.show(answers, lambda _: [*_trace_lines(answers), *_node_lines(answers.nodes)])
    _next(out, answers, "foedus log list")


def topology(*, far: Farther = _FARTHER, common: Common = COMMON) -> None:
    """Show who is connected with whom, as far as each node tells (`tells_peers` in its foedus.toml)."""
    out = common.output()
    answers = far.put(common, "topology", {})
    out.show(answers, lambda _: [*_connection_lines(answers), *_node_lines(answers.nodes)])
    _next(out, answers, "foedus peer list")


def _next(out: Output, answers: AnswersView, otherwise: str) -> None:
    is_cut_off = any(report.outcome in {"late", "silent"} for report in answers.nodes)
    out.next("ask again with a later --deadline" if is_cut_off else otherwise)


def _answer_lines(answers: AnswersView, out: Output) -> Iterable[Line]:
    for found in answers.results:
        yield from found_lines(found, out.width)
    if not answers.results:
        yield ["nothing was found"]
    yield from _node_lines(answers.nodes)


def found_lines(found: MergedView, width: int) -> Iterable[Line]:
    """Return one thing that was found: who tells of it, what it is, and its text, apart from who said it."""
    yield [
        (found.kind, "bold"),
        f"  {short(found.content)}  ",
        ("told by " + ", ".join(_source(source) for source in found.sources), "dim"),
    ]
    text = found.body.get("text")
    for paragraph in paragraphs(text) if isinstance(text, str) else ():
        for line in wrapped(paragraph, max(width - len(_INDENT), 20)):
            yield [_INDENT, line]


def _source(source: FoundView) -> str:
    return named(source.node_known_as, source.node_name, source.node)


def _trace_lines(answers: AnswersView) -> Iterable[Line]:
    for direction, head in (("before", "what led to it"), ("after", "what followed")):
        found = [it for it in answers.results if it.kind == "event" and it.body.get("direction") == direction]
        yield [(f"{head}: {len(found)}", "bold")]
        for it in sorted(found, key=lambda it: (it.body.get("distance", 0), it.hlc, it.content)):
            body = it.body
            yield [
                _INDENT,
                f"{body.get('distance')}  {when(it.hlc[0])}  {body.get('kind')}  {it.content}",
                (f"  {body.get('relation')} of {short(str(body.get('of', '')))}", "dim"),
            ]


def _connection_lines(answers: AnswersView) -> Iterable[Line]:
    for it in answers.results:
        between = it.body.get("between", [])
        if it.kind == "connection" and isinstance(between, list):
            tellers = ", ".join(_source(source) for source in it.sources)
            yield [" ".join(str(node) for node in between), (f"  told by {tellers}", "dim")]


def _node_lines(reports: Iterable[NodeReport]) -> Iterable[Line]:
    for report in reports:
        good = report.outcome in _GOOD
        who = named(report.node_known_as, report.node_name, report.node) if report.node else "nodes that are not named"
        why = f" ({report.code})" if report.code else ""
        mark = (TICK, "green") if good else (CROSS, "yellow")
        yield [mark, f" {who}: {report.outcome}{why}", (f", {report.results}", "dim")]
