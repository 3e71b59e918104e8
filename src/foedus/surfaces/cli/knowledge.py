"""`foedus knowledge`: publish, find, and follow where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators

from foedus.base.errors import UsageError
from foedus.log.knowledge import MILLION
from foedus.node.knowledge_values import (
    LIST_MAX,
    SEARCH_MAX,
    EnvelopeView,
    HistoryView,
    PacketsPage,
    PacketView,
    ToldView,
    WhoView,
)
from foedus.surfaces.cli.messages import INDENT, wrapped
from foedus.surfaces.cli.options import COMMON, Common, File, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, Output, pairs
from foedus.surfaces.cli.prompts import confirm, read_text
from foedus.surfaces.cli.telling import BATCH, As, Teller, packet_of, show_placed
from foedus.surfaces.cli.text import CROSS, TICK, millionths, named, paragraphs, short, when

if TYPE_CHECKING:
    from foedus.node.knowledge_forms import DataForm, PublishForm
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.knowledge_files import Found

app = App(name="knowledge", help="Knowledge: publish, find, and follow where it comes from.")

Domain = Annotated[str, Parameter(help="The domain, such as `lab.results`: small letters, digits, dots, hyphens.")]
OnlyDomain = Annotated[str, Parameter(help="Of this domain alone.")]
Packet = Annotated[str, Parameter(help="The packet's whole id, or its first digits (8 or more).")]
Confidence = Annotated[
    float, Parameter(validator=validators.Number(gte=0, lte=1), help="How sure its author is, from 0 to 1.")
]
Tag = Annotated[list[str] | None, Parameter(help="A tag; may be given several times.", negative="")]
Depends = Annotated[
    list[str] | None, Parameter(help="A packet that this one stands on; may be given several times.", negative="")
]
Type = Annotated[str, Parameter(name="--type", help="What it is: note, fact, measurement, …")]
Data = Annotated[
    Path | None, Parameter(metavar="FILE", help="A file that goes along as it is, with the text at most 64 KiB.")
]
MediaType = Annotated[str, Parameter(help="What --data is, such as application/json.")]
_SHOWN_ERRORS = 20


@app.command
def publish(  # noqa: PLR0913  # each is an option of the command
    domain: Domain,
    title: str,
    text: str = "",
    /,
    *,
    type_: Type = "note",
    confidence: Confidence = 1.0,
    tag: Tag = None,
    depends: Depends = None,
    data: Data = None,
    media_type: MediaType = "application/octet-stream",
    file: File = None,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Publish a packet: to all peers that take knowledge from this node. An agent needs a person's grant for that."""
    from foedus.node.knowledge_forms import PublishForm

    out = common.output()
    node = common.client(passphrase_file)
    says = _says(node, title, (text, file), depends)
    form = PublishForm(
        domain=domain,
        type=type_,
        confidence=round(confidence * MILLION),
        tags=tag or [],
        data=_data(data, media_type),
        **says,
    )
    (placed,) = Teller(node, as_, passphrase_file).tell(domain, [form])
    show_placed(out, placed, "published")
    out.next(f"foedus knowledge show {short(placed.id)}")


@app.command
def revise(  # noqa: PLR0913  # each is an option of the command
    packet: Packet,
    title: str = "",
    text: str = "",
    /,
    *,
    confidence: Annotated[float | None, Parameter(validator=validators.Number(gte=0, lte=1))] = None,
    tag: Tag = None,
    depends: Depends = None,
    file: File = None,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Say a packet of your own anew; what is not given stays as it is."""
    from foedus.node.knowledge_forms import DataForm, ReviseForm

    out = common.output()
    node = common.client(passphrase_file)
    held = packet_of(node, packet)
    says = _says(node, title or held.title, (text, file), depends)
    form = ReviseForm(
        packet=held.id,
        type=held.type,
        title=says["title"],
        content=says["content"] or held.content,
        data=DataForm(media_type=held.data.media_type, data=held.data.data) if held.data else None,
        confidence=held.confidence if confidence is None else round(confidence * MILLION),
        tags=held.tags if tag is None else tag,
        dependencies=held.dependencies if depends is None else says["dependencies"],
    )
    (placed,) = Teller(node, as_, passphrase_file).tell(held.domain, [form])
    show_placed(out, placed, "revised")
    out.next(f"foedus knowledge history {short(held.id)}")


def _says(node: Client, title: str, text: tuple[str, Path | None], depends: list[str] | None) -> dict[str, Any]:
    words, file = text
    if words and file is not None:
        raise UsageError("the text is given twice", code="malformed_request", remedy="give TEXT or --file")
    content = words if file is None else read_text(file)
    return {"title": title, "content": content, "dependencies": [packet_of(node, one).id for one in depends or []]}


def _data(file: Path | None, media_type: str) -> DataForm | None:
    from foedus.base.base64url import to_base64url
    from foedus.node.knowledge_forms import DataForm

    if file is None:
        return None
    try:
        return DataForm(media_type=media_type, data=to_base64url(file.read_bytes()))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}", code="no_file") from None


@app.command
def retract(
    packet: Packet,
    reason: str = "",
    /,
    *,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Take a packet of your own back, for good. Its text stays in the log; `foedus erase` takes that, too."""
    from foedus.node.knowledge_forms import RetractForm

    out = common.output()
    node = common.client(passphrase_file)
    held = packet_of(node, packet)
    confirm(f"Retract {held.title!r} for good?", yes=yes)
    (placed,) = Teller(node, as_, passphrase_file).tell(held.domain, [RetractForm(packet=held.id, reason=reason)])
    show_placed(out, placed, "retracted")
    out.next(f"foedus knowledge history {short(held.id)}")


@app.command
def republish(
    packet: Packet,
    domain: Domain,
    /,
    *,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Pass another's packet on in a domain of this node, with its author's signatures inside."""
    from foedus.node.knowledge_forms import RepublishForm
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client(passphrase_file)
    held = node.get(path_of("knowledge", "packets", packet, "envelope"), EnvelopeView)
    form = RepublishForm(domain=domain, source=held.envelope)
    (placed,) = Teller(node, as_, passphrase_file).tell(domain, [form])
    show_placed(out, placed, "passed on")
    out.next(f"foedus knowledge show {short(placed.id)}")


# --- finding -----------------------------------------------------------------------------------------


@app.command
def search(
    *words: Annotated[str, Parameter(help="Words that are looked for.")],
    domain: OnlyDomain = "",
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=SEARCH_MAX), help="How many at most.")] = 10,
    common: Common = COMMON,
) -> None:
    """Find packets that this node holds, the best first."""
    out = common.output()
    query: dict[str, str | int] = {"q": " ".join(words), "domain": domain, "limit": limit}
    found = common.client().get("/knowledge/search", list[PacketView], query)
    out.show(found, lambda _: _found_lines(found, out.width))
    out.next(f"foedus knowledge show {short(found[0].id)}" if found else "foedus knowledge publish DOMAIN TITLE TEXT")


def _found_lines(found: list[PacketView], width: int) -> Iterator[Line]:
    for packet in found:
        yield [(short(packet.id), "dim"), "  ", (packet.title, "bold"), f"  {packet.domain}, {_who(packet.who)}"]
        first = next((line for line in paragraphs(packet.content) if line.strip()), "")
        yield [INDENT, (wrapped(first, max(width - len(INDENT), len(INDENT)))[0], "")]
    if not found:
        yield ["nothing was found"]


@app.command
def show(packet: Packet, /, *, common: Common = COMMON) -> None:
    """Show a packet, who wrote it, and what it stands on."""
    out = common.output()
    held = packet_of(common.client(), packet)
    out.show(held, lambda _: _packet_lines(held, out.width))
    out.next(f"foedus knowledge history {short(held.id)}")


def _packet_lines(packet: PacketView, width: int) -> Iterator[Line]:
    rows: list[tuple[str, Any]] = [
        ("packet", packet.id),
        ("domain", packet.domain),
        ("by", _who(packet.who)),
        ("at", when(packet.at)),
    ]
    if packet.state != "current":
        yield from pairs([*rows, ("state", (f"{packet.state}  {packet.reason}", "yellow"))])
        return
    rows += [("title", (packet.title, "bold")), ("type", packet.type), ("confidence", millionths(packet.confidence))]
    rows += [("tags", ", ".join(packet.tags))] if packet.tags else []
    rows += [("revised", f"{packet.revision} times")] if packet.revision else []
    rows += [("data", f"{packet.data.media_type}, {len(packet.data.data) * 3 // 4} bytes")] if packet.data else []
    rows += [("passed on", _source(packet))] if packet.source else []
    for event in packet.dependencies:
        is_missing = event in packet.missing
        rows.append(("stands on", (f"{event}{'  not here' if is_missing else ''}", "yellow" if is_missing else "")))
    yield from pairs(rows)
    for paragraph in paragraphs(packet.content):
        for line in wrapped(paragraph, max(width - len(INDENT), len(INDENT))):
            yield [INDENT, line]


def _source(packet: PacketView) -> tuple[str, str]:
    source = packet.source
    if source is None:
        return "", ""
    words = {"proved": f"{TICK} signatures hold", "unknown": "not proved: a key is not held here"}
    told = words.get(source.proved, f"{CROSS} forged")
    who = f"{source.author} at {short(source.node)}" if source.node else source.author
    return f"{source.event} of {who}, {source.domain}: {told}", "" if source.proved == "proved" else "bold red"


def _who(who: WhoView) -> str:
    name = named(who.author_known_as, who.author_name, who.author)
    return name if who.author_kind == "node" else f"{name} at {named(who.node_known_as, who.node_name, who.node)}"


@app.command
def history(packet: Packet, /, *, common: Common = COMMON) -> None:
    """Show who told what about a packet, and everything that it stands on."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    told = common.client().get(path_of("knowledge", "packets", packet, "history"), HistoryView)
    out.show(told, lambda _: _history_lines(told))
    out.next(f"foedus knowledge show {short(told.packet)}")


def _history_lines(history: HistoryView) -> Iterator[Line]:
    for told in history.told:
        yield _told_line(told)
    for event in history.ground:
        yield [("stands on  ", "dim"), event]
    for event in history.missing:
        yield [("stands on  ", "dim"), (f"{event}  not here", "yellow")]
    if not history.is_whole:
        yield [("what it stands on goes on; it was not followed to the end", "yellow")]


def _told_line(told: ToldView) -> Line:
    return [(when(told.at), "dim"), f"  {told.kind.partition('.')[2]}  {_who(told.who)}  ", (told.says, "bold")]


# --- files -------------------------------------------------------------------------------------------


@app.command(name="import")
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


@app.command(name="export")
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
