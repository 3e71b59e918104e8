"""Packets as a person reads them: who, what, and where it comes from. Foreign text is inert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from foedus.surfaces.cli.messages import INDENT, wrapped
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.text import CROSS, TICK, millionths, named, paragraphs, short, when
from foedus.values.knowledge import HistoryView, PacketView, ToldView, WhoView


def found_lines(found: list[PacketView], width: int) -> Iterator[Line]:
    """Return what was found, the best first."""
    for packet in found:
        yield [(short(packet.id), "dim"), "  ", (packet.title, "bold"), f"  {packet.domain}, {who_told(packet.who)}"]
        first = next((line for line in paragraphs(packet.content) if line.strip()), "")
        yield [INDENT, (wrapped(first, max(width - len(INDENT), len(INDENT)))[0], "")]
    if not found:
        yield ["nothing was found"]


def packet_lines(packet: PacketView, width: int) -> Iterator[Line]:
    """Return a packet as it stands."""
    rows: list[tuple[str, Any]] = [
        ("packet", packet.id),
        ("domain", packet.domain),
        ("by", who_told(packet.who)),
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


def who_told(who: WhoView) -> str:
    """Return who told something, and at which node."""
    name = named(who.author_known_as, who.author_name, who.author)
    return name if who.author_kind == "node" else f"{name} at {named(who.node_known_as, who.node_name, who.node)}"


def history_lines(history: HistoryView) -> Iterator[Line]:
    """Return who told what of a packet, and what it stands on."""
    for told in history.told:
        yield _told_line(told)
    for event in history.ground:
        yield [("stands on  ", "dim"), event]
    for event in history.missing:
        yield [("stands on  ", "dim"), (f"{event}  not here", "yellow")]
    if not history.is_whole:
        yield [("what it stands on goes on; it was not followed to the end", "yellow")]


def _told_line(told: ToldView) -> Line:
    return [(when(told.at), "dim"), f"  {told.kind.partition('.')[2]}  {who_told(told.who)}  ", (told.says, "bold")]
