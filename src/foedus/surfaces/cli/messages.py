"""A message as a person reads it: who, where from, whether proved; then what was said, inert. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.surfaces.cli.output import Line, Part
from foedus.surfaces.cli.text import CROSS, TICK, named, paragraphs, short, when
from foedus.values.rooms import MessageView

INDENT = "    "
"""What was said stands apart from who said it: no text can begin a line that looks like a message's head."""
_NARROW = 20
"""The least columns for text, on however narrow a screen."""


def message_lines(message: MessageView, width: int) -> Iterable[Line]:
    """Return the head and the text, wrapped to ``width`` columns."""
    yield [
        (when(message.at), "dim"),
        "  ",
        (named(message.author_known_as, message.author_name, message.author), "bold"),
        f", {message.author_kind}, at {named(message.node_known_as, message.node_name, message.node)}",
        ("  ", ""),
        _proof(message),
    ]
    if message.author_looks_like:
        yield [INDENT, (f"looks like a name that you know: {', '.join(message.author_looks_like)}", "bold yellow")]
    if message.erased is not None:
        who = message.erased.by_name or short(message.erased.by)
        yield [INDENT, (f"(erased by {who}, {message.erased.reason}, {when(message.erased.at)})", "dim")]
        return
    if message.text is None:
        yield [INDENT, ("(the text is not held here)", "dim")]
        return
    for paragraph in paragraphs(message.text):
        for line in wrapped(paragraph, max(width - len(INDENT), _NARROW)):
            yield [INDENT, line]


def _proof(message: MessageView) -> Part:
    if message.verified:
        return (f"{TICK} verified", "green")
    return (f"{CROSS} not verified: {message.why_not}", "bold red")


def wrapped(text: str, width: int) -> list[str]:
    """Break a line at spaces so that each part fits ``width`` columns (wide characters take two)."""
    if len(text) * 2 <= width:
        return [text]
    from rich.console import Console
    from rich.text import Text

    console = Console(width=width)
    return [line.plain.rstrip() for line in Text(text).wrap(console, width)] or [""]
