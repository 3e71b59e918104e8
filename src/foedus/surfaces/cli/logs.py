"""The log: list its events, and check all of it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter

from foedus.surfaces.cli.errors import FAILED, NotRunning
from foedus.surfaces.cli.options import COMMON, Common, Limit
from foedus.surfaces.cli.output import Line, Part
from foedus.surfaces.cli.text import CROSS, TICK, short, when
from foedus.values.node import VerifyReport
from foedus.values.rooms import EventsPage, EventView

app = App(name="log", help="The log: list its events, and check all of it again.")


@app.command(name="list")
def list_(
    *,
    stream: Annotated[str, Parameter(help="Only this stream, such as node, or room: and a room's id.")] = "",
    since: Annotated[str, Parameter(help="The cursor of an earlier page (--json shows it).")] = "",
    limit: Limit = 100,
    common: Common = COMMON,
) -> None:
    """List events in the order in which this node took them, whether it runs or not."""
    out = common.output()
    page = _page(common, stream, since, limit)
    if out.as_json or not page.events:
        out.show(page, lambda _: [["no events"]])
    else:
        out.table(["when", "kind", "verdict", "seq", "stream", "node", "id"], (_row(event) for event in page.events))
    more = len(page.events) == limit
    out.next(f"foedus log list --since {page.cursor}" if more else "foedus log verify")


def _page(common: Common, stream: str, since: str, limit: int) -> EventsPage:
    try:
        query: dict[str, str | int] = {"stream": stream, "after": since, "limit": limit}
        return common.client().get("/events", EventsPage, query)
    except NotRunning:
        from foedus.node import offline

        events = offline.log_list(common.made_home(), stream, since, limit)
        return EventsPage(events=events, cursor=events[-1].cursor if events else since)


def _row(event: EventView) -> list[Part]:
    return [
        when(event.hlc[0]),
        event.kind,
        verdict(event),
        str(event.seq),
        event.stream,
        short(event.node),
        event.id,
    ]


def verdict(event: EventView) -> Part:
    """Return what this node thinks of an event, with the reason where it is not accepted or not shown."""
    if event.verdict != "accepted":
        return (f"{event.verdict} ({event.reason})", "yellow" if event.verdict == "pending" else "red")
    return (f"withheld ({event.withheld})", "yellow") if event.withheld else "accepted"


@app.command
def verify(*, common: Common = COMMON) -> int:
    """Check every id, digest, signature and chain again, from disk; exit 1 where something is wrong."""
    out = common.output()
    report = _verify(common)
    out.show(report, verify_lines)
    out.next("foedus status" if report.ok else "bring a backup back, then `foedus up`: peers fill what it lacks")
    return 0 if report.ok else FAILED


def _verify(common: Common) -> VerifyReport:
    from foedus.surfaces.cli.client import LONG_S

    try:
        return common.client().post("/verify", VerifyReport, timeout_s=LONG_S)
    except NotRunning:
        from foedus.node import offline

        return offline.verify(common.made_home())


def verify_lines(report: VerifyReport) -> Iterable[Line]:
    """Return the result, problems first."""
    for problem in report.problems:
        yield [(CROSS, "bold red"), f" {problem}"]
    counted = (
        f"{report.events} events in {report.chains} chains: {report.signatures} signatures, {report.bodies} bodies, "
        f"{report.checkpoints} checkpoints and {report.records} identity records checked in {report.seconds:.1f} s"
    )
    mark: Part = (f"{TICK} all holds", "green") if report.ok else (f"{CROSS} not all holds", "bold red")
    yield [mark, f"  {counted}"]
