"""Evidence files: what proves to a third party that an act crossed, or that a member of a council lied."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from foedus.base.ids import parse_id
from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.text import TICK, when

app = App(
    name="proof", help="Evidence files: proof to a third party that an act crossed, or that a member of a council lied."
)


@app.command
def export(
    event: Annotated[str, Parameter(help="The whole id of the event, as `foedus log list` shows it.")],
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Write the evidence file of EVENT to stdout. It holds what the event says: give it to whom may read that."""
    from foedus.node.proofs import prove

    data = prove(common.made_home(), parse_id(event))
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    common.output().next("foedus proof verify FILE")


@app.command
def council(
    council: Annotated[str, Parameter(help="A council's name or id.")],
    member: Annotated[str, Parameter(help="The id of a member that contradicted itself, or 8 digits of it.")],
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Write the file that convicts a member of a council to stdout: two words of one place that it signed."""
    from foedus.node.council_misconduct import prove_misconduct

    sys.stdout.buffer.write(prove_misconduct(common.made_home(), council, member))
    sys.stdout.buffer.flush()
    common.output().next("foedus proof verify FILE")


@app.command
def verify(
    file: Annotated[Path, Parameter(metavar="FILE", help="An evidence file.")], /, *, common: Common = COMMON
) -> None:
    """Check an evidence file and say what it proves. Needs no node and no network; exit 1 where a part is wrong."""
    from foedus.node import council_misconduct
    from foedus.node.proofs import check
    from foedus.trust.proof.words import told

    out = common.output()
    convicted = council_misconduct.convicted_by(file)
    sentences = list(told(check(file), when)) if convicted is None else council_misconduct.told(convicted)
    out.show({"proved": sentences}, lambda _: [[(TICK, "bold green"), f" {sentence}"] for sentence in sentences])
