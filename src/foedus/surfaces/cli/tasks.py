"""`foedus task`: offer work, take it, and say how it goes, across nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter, validators

from foedus.log.knowledge import MILLION
from foedus.node.knowledge_api import LIST_MAX
from foedus.surfaces.cli.knowledge import Domain, Tag
from foedus.surfaces.cli.knowledge_shown import who_told
from foedus.surfaces.cli.messages import INDENT, wrapped
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.telling import As, OnlyDomain, Teller, packet_of, show_placed, task_of
from foedus.surfaces.cli.text import millionths, named, paragraphs, short, when
from foedus.values.knowledge import TasksPage, TaskView

if TYPE_CHECKING:
    from foedus.node.knowledge_forms import Form

app = App(name="task", help="Tasks: offer work, take it, and say how it goes, across nodes.")

Task = Annotated[str, Parameter(help="The task's whole id, or its first digits (8 or more).")]
Ids = Annotated[list[str] | None, Parameter(help="A packet; may be given several times.", negative="")]


@app.command
def offer(  # noqa: PLR0913  # each is an option of the command
    domain: Domain,
    title: str,
    text: str = "",
    /,
    *,
    tag: Tag = None,
    depends: Ids = None,
    lease_hours: Annotated[
        float,
        Parameter(
            validator=validators.Number(gt=0, lte=720),
            help="How long a claim holds without a word of progress.",
        ),
    ] = 24,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Offer a task to whoever hears of the domain."""
    from foedus.node.knowledge_forms import OfferForm

    out = common.output()
    node = common.client(passphrase_file)
    form = OfferForm(
        domain=domain,
        title=title,
        content=text,
        tags=tag or [],
        dependencies=[packet_of(node, one).id for one in depends or []],
        lease=max(1, round(lease_hours * 3_600)),
    )
    placed = Teller(node, as_, passphrase_file).one(domain, form)
    show_placed(out, placed, "offered", f"foedus task show {short(placed.id)}")


@app.command
def claim(task: Task, /, *, as_: As = "", passphrase_file: PassphraseFile = None, common: Common = COMMON) -> None:
    """Take a task. Of claims made at one time the first by clock holds, once the nodes have heard of both."""
    from foedus.node.knowledge_forms import ClaimForm

    _tell(common, task, lambda whole: ClaimForm(task=whole), (as_, passphrase_file, "claimed"))


@app.command
def progress(
    task: Task,
    note: str = "",
    /,
    *,
    done: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=100), help="How much is done, in percent.")
    ] = 0,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Say how far a task is that you hold; the claim holds for another lease."""
    from foedus.node.knowledge_forms import ProgressForm

    ratio = done * MILLION // 100
    make = lambda whole: ProgressForm(task=whole, note=note, done=ratio)  # noqa: E731  # as its siblings
    _tell(common, task, make, (as_, passphrase_file, "noted"))


@app.command
def done(  # noqa: PLR0913  # each is an option of the command
    task: Task,
    result: str = "",
    /,
    *,
    outcome: Annotated[
        Literal["done", "given_up", "cancelled"],
        Parameter(help="done, given_up: by who holds it. cancelled: by who offered it."),
    ] = "done",
    packet: Ids = None,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """End a task: it is done, you give it up, or you offered it and it is cancelled."""
    from foedus.node.knowledge_forms import DoneForm

    packets = [packet_of(common.client(passphrase_file), one).id for one in packet or []]
    make = lambda whole: DoneForm(task=whole, outcome=outcome, result=result, packets=packets)  # noqa: E731  # as its siblings
    _tell(common, task, make, (as_, passphrase_file, outcome.replace("_", " ")))


def _tell(common: Common, task: str, make: Any, how: tuple[str, PassphraseFile, str]) -> None:
    as_, file, what = how
    out = common.output()
    node = common.client(file)
    held = task_of(node, task)
    form: Form = make(held.id)
    placed = Teller(node, as_, file).one(held.domain, form)
    show_placed(out, placed, what, f"foedus task show {short(held.id)}")


@app.command(name="list")
def list_(
    *,
    domain: OnlyDomain = "",
    state: Annotated[
        Literal["", "offered", "claimed", "done", "cancelled"], Parameter(help="Of this state alone.")
    ] = "",
    after: Annotated[str, Parameter(help="The cursor of an earlier page (--json shows it).")] = "",
    common: Common = COMMON,
) -> None:
    """List tasks, in the order in which they came here."""
    out = common.output()
    query: dict[str, str | int] = {"domain": domain, "state": state, "after": after, "limit": LIST_MAX}
    page = common.client().get("/tasks", TasksPage, query)
    if out.as_json or not page.tasks:
        out.show(page, lambda _: [["no tasks"]])
    else:
        rows = ([short(task.id), task.title, task.domain, task.state, _held_by(task)] for task in page.tasks)
        out.table(["task", "title", "domain", "state", "held by"], rows)
    out.next("foedus task show TASK" if page.tasks else "foedus task offer DOMAIN TITLE")


@app.command
def show(task: Task, /, *, common: Common = COMMON) -> None:
    """Show a task, who holds it, and how far it is."""
    out = common.output()
    held = task_of(common.client(), task)
    out.show(held, lambda _: _lines(held, out.width))
    out.next(f"foedus task claim {short(held.id)}" if held.state == "offered" else "foedus task list")


def _lines(task: TaskView, width: int) -> Iterable[Line]:
    rows: list[tuple[str, Any]] = [
        ("task", task.id),
        ("domain", task.domain),
        ("title", (task.title, "bold")),
        ("state", task.state),
        ("offered by", who_told(task.who)),
        ("at", when(task.at)),
    ]
    if task.holder is not None:
        rows += [("held by", who_told(task.holder)), ("until", when(task.until)), ("progress", millionths(task.done))]
    rows += [("note", task.note)] if task.note else []
    rows += [("result", task.result)] if task.result else []
    rows += [("packet", event) for event in task.packets]
    yield from pairs(rows)
    for paragraph in paragraphs(task.content):
        for line in wrapped(paragraph, max(width - len(INDENT), len(INDENT))):
            yield [INDENT, line]


def _held_by(task: TaskView) -> str:
    return "" if task.holder is None else named(task.holder.author_known_as, task.holder.author_name)
