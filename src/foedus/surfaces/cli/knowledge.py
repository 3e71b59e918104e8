"""`foedus knowledge`: publish, find, and follow where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators

from foedus.base.errors import UsageError
from foedus.log.knowledge import MILLION
from foedus.node.knowledge_api import SEARCH_MAX
from foedus.surfaces.cli.knowledge_shown import found_lines, history_lines, packet_lines
from foedus.surfaces.cli.knowledge_transfer import export_, import_
from foedus.surfaces.cli.options import COMMON, Common, File, PassphraseFile, Wait, Yes
from foedus.surfaces.cli.prompts import confirm, read_text
from foedus.surfaces.cli.telling import As, OnlyDomain, Teller, packet_of, show_placed
from foedus.surfaces.cli.text import short
from foedus.values.knowledge import EnvelopeView, HistoryView, PacketView

if TYPE_CHECKING:
    from foedus.node.knowledge_forms import DataForm
    from foedus.surfaces.cli.client import Client

app = App(name="knowledge", help="Knowledge: publish, find, and follow where it comes from.")

app.command(import_, name="import")
app.command(export_, name="export")

Domain = Annotated[str, Parameter(help="The domain, such as `lab.results`: small letters, digits, dots, hyphens.")]
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
    wait: Wait = 0,
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
    placed = Teller(node, as_, passphrase_file).one(domain, form, wait)
    show_placed(out, placed, "published", f"foedus knowledge show {short(placed.id)}")


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
    wait: Wait = 0,
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
    placed = Teller(node, as_, passphrase_file).one(held.domain, form, wait)
    show_placed(out, placed, "revised", f"foedus knowledge history {short(held.id)}")


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
def retract(  # noqa: PLR0913  # each is an option of the command
    packet: Packet,
    reason: str = "",
    /,
    *,
    as_: As = "",
    wait: Wait = 0,
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
    placed = Teller(node, as_, passphrase_file).one(held.domain, RetractForm(packet=held.id, reason=reason), wait)
    show_placed(out, placed, "retracted", f"foedus knowledge history {short(held.id)}")


@app.command
def republish(
    packet: Packet,
    domain: Domain,
    /,
    *,
    as_: As = "",
    wait: Wait = 0,
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
    placed = Teller(node, as_, passphrase_file).one(domain, form, wait)
    show_placed(out, placed, "passed on", f"foedus knowledge show {short(placed.id)}")


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
    out.show(found, lambda _: found_lines(found, out.width))
    out.next(f"foedus knowledge show {short(found[0].id)}" if found else "foedus knowledge publish DOMAIN TITLE TEXT")


@app.command
def show(packet: Packet, /, *, common: Common = COMMON) -> None:
    """Show a packet, who wrote it, and what it stands on."""
    out = common.output()
    held = packet_of(common.client(), packet)
    out.show(held, lambda _: packet_lines(held, out.width))
    out.next(f"foedus knowledge history {short(held.id)}")


@app.command
def history(packet: Packet, /, *, common: Common = COMMON) -> None:
    """Show who told what about a packet, and everything that it stands on."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    told = common.client().get(path_of("knowledge", "packets", packet, "history"), HistoryView)
    out.show(told, lambda _: history_lines(told))
    out.next(f"foedus knowledge show {short(told.packet)}")
