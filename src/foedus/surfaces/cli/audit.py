"""The audit log: check it, write it to a file, watch it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foedus.base.ids import parse_id
from foedus.surfaces.cli.errors import FAILED
from foedus.surfaces.cli.options import COMMON, Common, Limit
from foedus.surfaces.cli.output import Line, Part
from foedus.surfaces.cli.text import CROSS, TICK, short, when
from foedus.values.audit import AuditPage, AuditReport, AuditRowView

if TYPE_CHECKING:
    from foedus.surfaces.cli.output import Output

app = App(name="audit", help="The audit log of what this node decided: check it, write it to a file, watch it.")


@app.command
def verify(
    file: Annotated[
        Path | None, Parameter(metavar="FILE", help="An exported audit log, or an audit.db. Default: this node's own.")
    ] = None,
    /,
    *,
    node: Annotated[str, Parameter(help="The whole id of the node whose log it must be.")] = "",
    common: Common = COMMON,
) -> int:
    """Check every row against the seals, and against what peers countersigned; exit 1 where something is wrong.

    Needs no running node, and for an exported FILE no node at all. Where there is one, the heads that its own log
    remembers of that node are compared, too: so a peer checks what an operator shows.
    """
    from foedus.node import audit_files

    out = common.output()
    home = common.folder()
    memory = audit_files.recall(home)
    expected = parse_id(node) if node else memory.node if memory is not None and file is None else None
    report = audit_files.verify(file or home.audit, memory, expected)
    out.show(report, report_lines)
    if file is None:
        out.next("foedus audit tail" if report.ok else "foedus audit export > FILE, and ask your peers to verify it")
    return 0 if report.ok else FAILED


def report_lines(report: AuditReport) -> Iterable[Line]:
    """Return the result, problems first."""
    for problem in report.problems:
        yield [(CROSS, "bold red"), f" {problem}"]
    counted = (
        f"{report.rows} rows up to row {report.count}, {report.seals} seals, {report.claims} heads remembered by the "
        f"log and by peers; {report.unsealed} rows are not yet sealed"
    )
    mark: Part = (f"{TICK} all holds", "green") if report.ok else (f"{CROSS} not all holds", "bold red")
    yield [mark, f"  {counted}"]
    yield [("node  ", "dim"), report.node]
    yield [("head  ", "dim"), report.head]


@app.command
def export(*, common: Common = COMMON) -> None:
    """Write the audit log to stdout as JSON Lines: identities, rows, seals, and the witnesses of peers."""
    from foedus.node import audit_files

    for line in audit_files.export(common.made_home()):
        print(line)
    common.output().next("foedus audit verify FILE")


@app.command
def tail(
    *,
    follow: Annotated[bool, Parameter(alias="-f", negative="", help="Go on with what is decided from now on.")] = False,
    limit: Limit = 20,
    common: Common = COMMON,
) -> None:
    """Show the newest rows, whether the node runs or not; -f needs it running."""
    out = common.output()
    rows = _newest(common, limit)
    for row in rows:
        _show(out, row)
    if not follow:
        out.next("foedus audit verify")
        return
    for row in _followed(common, str(rows[-1].n) if rows else "0"):
        _show(out, row)


def _newest(common: Common, limit: int) -> list[AuditRowView]:
    from foedus.node import audit_files

    path = common.made_home().audit
    return [audit_files.row_view(row) for row in audit_files.newest(path, limit)]


def _followed(common: Common, after: str) -> Iterator[AuditRowView]:
    import msgspec

    from foedus.surfaces.cli.client import StreamLost

    node = common.client()
    while True:
        try:
            for followed in node.follow("/audit", {}, after):
                yield msgspec.json.decode(followed.data, type=AuditRowView)
                after = followed.cursor
        except StreamLost:
            node.get("/audit", AuditPage, {"after": after, "limit": 1})  # raises NotRunning where the node has ended


def _show(out: Output, row: AuditRowView) -> None:
    out.show(row, lambda _: [row_line(row)])


def row_line(row: AuditRowView) -> Line:
    """Return a row as one line: when, who, what, by which rule, and how it ended."""
    times = f" {row.times} times" if row.times > 1 else ""
    span = f" {row.first}-{row.last}" if row.last > row.first else f" {row.first}" if row.first else ""
    refused = row.outcome in {"refused", "rejected", "withheld", "contested"}
    return [
        (f"{row.n:>6}  {when(row.at)}  ", "dim"),
        (row.outcome, "red" if refused else ""),
        f"{f' ({row.rule})' if row.rule else ''}  {row.act}{times}  ",
        short(row.actor) if len(row.actor) == _ID_DIGITS else row.actor,
        f"  {row.subject}{span}" if row.subject else "",
        (" (aggregated)", "dim") if row.aggregated else "",
        (f"  {row.why}", "dim") if row.why else "",
    ]


_ID_DIGITS = 64
