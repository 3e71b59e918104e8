"""Packets in files: Markdown with front matter, and JSON Lines. Pure but for reading the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from foedus.base.cbor import encode
from foedus.base.errors import FoedusError, UsageError
from foedus.base.limits import BODY_MAX
from foedus.log.knowledge import MILLION, TITLE_MAX, read_knowledge
from foedus.node.knowledge_forms import DataForm, PublishForm
from foedus.values.knowledge import PacketView

FILE_MAX = 1_048_576
"""Bytes of a Markdown file that are read; a packet takes 64 KiB, so what is larger is told and left out."""
_MARKDOWN = frozenset({".md", ".markdown"})
_LINES = frozenset({".jsonl", ".ndjson"})
_FENCE = "---"


class PacketLine(Struct, kw_only=True):
    """One line of JSON. ``id``, ``author``, ``node`` and ``at`` say whence an export came; an import ignores them."""

    title: str
    domain: str = ""
    type: str = "note"
    content: str = ""
    data: DataForm | None = None
    confidence: int = MILLION
    tags: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    id: str = ""
    author: str = ""
    node: str = ""
    at: Annotated[int, Meta(ge=0)] = 0


class Found(NamedTuple):
    """A packet in a file, or why it is none. ``where``: file, and line where it is one of several."""

    where: str
    form: PublishForm | None
    error: str = ""


def read_all(path: Path, domain: str) -> Iterator[Found]:
    """Yield the packets of a file, or of a folder and those in it, in the order of their names.

    ``domain``: of what names none. Raises UsageError where there is nothing to read.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}", code="no_file", remedy="name a file or a folder")
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for file in files:
        if file.suffix.lower() in _MARKDOWN:
            yield _markdown(file, domain)
        elif file.suffix.lower() in _LINES:
            yield from _lines(file, domain)
        elif not path.is_dir():
            raise UsageError(f"{file} is neither Markdown (.md) nor JSON Lines (.jsonl)", code="bad_file")


def _markdown(file: Path, domain: str) -> Found:
    try:
        if file.stat().st_size > FILE_MAX:
            return Found(str(file), None, f"more than {FILE_MAX} bytes")
        head, content = front_matter(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return Found(str(file), None, str(error))
    title = head.get("title") or _heading(content) or file.stem
    plain: dict[str, Any] = {"title": title[:TITLE_MAX], "content": content, "domain": head.get("domain", "")}
    plain |= {name: head[name] for name in ("type",) if name in head}
    plain |= {name: _listed(head[name]) for name in ("tags", "dependencies") if name in head}
    if "confidence" in head:
        plain["confidence"] = _ratio(head["confidence"])
    return _found(str(file), plain, domain)


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the lines ``name: value`` between two fences at the beginning, and what follows them."""
    lines = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    if not lines or lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        return {}, text
    end = next(place for place, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    pairs = (line.partition(":") for line in lines[1:end] if ":" in line)
    return {name.strip().lower(): value.strip().strip("\"'") for name, _, value in pairs}, "\n".join(lines[end + 1 :])


def _heading(content: str) -> str:
    first = next((line for line in content.splitlines() if line.startswith("# ")), "")
    return first.removeprefix("# ").strip()


def _listed(text: str) -> list[str]:
    return [part for each in text.strip("[]").split(",") if (part := each.strip().strip("\"'"))]


def _ratio(text: str) -> int:
    """Return millionths of a ratio like 0.9; -1, which no packet has, where it is none."""
    try:
        return round(float(text) * MILLION)
    except (ValueError, OverflowError):
        return -1


def _lines(file: Path, domain: str) -> Iterator[Found]:
    with file.open("rb") as stream:
        number = 0
        while line := stream.readline(4 * BODY_MAX + 1):
            number += 1
            where = f"{file}:{number}"
            if len(line) > 4 * BODY_MAX:
                yield Found(where, None, f"a line of more than {4 * BODY_MAX} bytes; the rest of the file is left out")
                return
            if line.strip():
                yield _line(where, line, domain)


def _line(where: str, line: bytes, domain: str) -> Found:
    try:
        told = msgspec.json.decode(line, type=PacketLine)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Found(where, None, str(error))
    plain = {name: getattr(told, name) for name in ("title", "domain", "type", "content", "confidence")}
    data = msgspec.to_builtins(told.data) if told.data is not None else None
    return _found(where, plain | {"tags": told.tags, "dependencies": told.dependencies, "data": data}, domain)


def _found(where: str, plain: dict[str, Any], domain: str) -> Found:
    """Return the form, checked as the node will check it."""
    try:
        form = msgspec.convert(plain | {"kind": "knowledge.publish", "domain": plain["domain"] or domain}, PublishForm)
        body = encode(form.body())
        read_knowledge(form.kind, body)
    except (msgspec.ValidationError, FoedusError) as error:
        return Found(where, None, str(error))
    if len(body) > BODY_MAX:
        return Found(where, None, f"a packet has at most {BODY_MAX} bytes, this one {len(body)}")
    if not form.domain:
        return Found(where, None, "it names no domain: give one with --domain")
    return Found(where, form)


def exported(packets: Iterable[PacketView]) -> Iterator[PacketLine]:
    """Yield lines that ``read_all`` reads back."""
    for packet in packets:
        if packet.state == "current":
            data = DataForm(media_type=packet.data.media_type, data=packet.data.data) if packet.data else None
            yield PacketLine(
                title=packet.title,
                domain=packet.domain,
                type=packet.type,
                content=packet.content,
                data=data,
                confidence=packet.confidence,
                tags=packet.tags,
                dependencies=packet.dependencies,
                id=packet.id,
                author=packet.who.author,
                node=packet.who.node,
                at=packet.at,
            )
