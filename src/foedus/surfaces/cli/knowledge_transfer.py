"""`foedus knowledge import` and `export`: packets from files, and to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from foedus.base.errors import UsageError
from foedus.node.knowledge_api import LIST_MAX
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile
from foedus.surfaces.cli.output import Output
from foedus.surfaces.cli.telling import BATCH, As, OnlyDomain, Teller
from foedus.values.knowledge import PacketsPage, PacketView

if TYPE_CHECKING:
    from foedus.node.knowledge_forms import PublishForm
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.knowledge_files import Found

_SHOWN_ERRORS = 20


def import_(
    path: Annotated[Path, Parameter(help="A folder or file: Markdown (.md, front matter is read) or .jsonl.")],
    /,
    *,
    domain: Annotated[str, Parameter(help="The domain of what names none.")] = "",
    skip_bad: Annotated[bool, Parameter(negative="", help="Import the rest where some are no packets.")] = False,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Publish what is in files. All of them are read before anything is published."""
    from foedus.surfaces.cli.knowledge_files import read_all

    out = common.output()
    found = list(read_all(path, domain))
    bad = [each for each in found if each.form is None]
    for each in bad[:_SHOWN_ERRORS]:
        out.words((f"{each.where}: {each.error}", "yellow"))
    if bad and not skip_bad:
        raise UsageError(
            f"{len(bad)} of {len(found)} are no packets; nothing was published",
            code="bad_file",
            remedy="mend them, or go on without them: --skip-bad",
        )
    teller = Teller(common.client(passphrase_file), as_, passphrase_file)
    placed = [one for batch in _with_bar(_batches(found), len(found) - len(bad), out) for one in teller.tell(*batch)]
    out.show(placed, lambda _: [[f"published {len(placed)} packets, left out {len(bad)}"]])
    out.next("foedus knowledge search WORDS")


def _batches(found: Iterable[Found]) -> Iterator[tuple[str, list[PublishForm]]]:
    """Yield (domain, forms) of which each fits one request."""
    forms = (each.form for each in found if each.form is not None)
    for domain, same in groupby(forms, lambda form: form.domain):
        while some := list(islice(same, BATCH)):
            yield domain, some


def _with_bar(
    batches: Iterable[tuple[str, list[PublishForm]]], total: int, out: Output
) -> Iterator[tuple[str, list[PublishForm]]]:
    """Pass batches on, with a bar on a screen's stderr."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=out.as_json or not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("publishing", total=total)
        for domain, forms in batches:
            yield domain, forms
            progress.advance(bar, len(forms))


def export_(*, domain: OnlyDomain = "", common: Common = COMMON) -> None:
    """Write the packets that this node shows as JSON Lines, as they stand now; `import` reads them back."""
    import json

    import msgspec

    from foedus.surfaces.cli.knowledge_files import exported

    for line in exported(_all(common.client(), domain)):
        print(json.dumps(msgspec.to_builtins(line)))  # ASCII: what hides in a foreign text stays an escape


def _all(node: Client, domain: str) -> Iterator[PacketView]:
    after = ""
    while True:
        query: dict[str, str | int] = {"domain": domain, "after": after, "limit": LIST_MAX}
        page = node.get("/knowledge/packets", PacketsPage, query)
        yield from page.packets
        after = page.cursor
        if not after:
            return
