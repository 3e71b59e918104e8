"""Evidence files: what proves to a third party that an act crossed from one node to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from foedus.base.ids import parse_id
from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.text import TICK, when

app = App(name="proof", help="Evidence files: proof to a third party that an act crossed from one node to another.")


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
def verify(
    file: Annotated[Path, Parameter(metavar="FILE", help="An evidence file.")], /, *, common: Common = COMMON
) -> None:
    """Check an evidence file and say what it proves. Needs no node and no network; exit 1 where a part is wrong."""
    from foedus.node.proofs import check
    from foedus.trust.proof.words import told

    out = common.output()
    sentences = list(told(check(file), when))
    out.show({"proved": sentences}, lambda _: [[(TICK, "bold green"), f" {sentence}"] for sentence in sentences])
