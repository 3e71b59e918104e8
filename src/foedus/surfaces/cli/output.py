"""Where output goes: data to stdout, as lines for people or JSON for programs; words to stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from foedus.surfaces.cli.text import ARROW, inert

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

T = TypeVar("T")
Part: TypeAlias = str | tuple[str, str]
"""Text, or (text, style): a style of rich, such as "bold red"."""
Line: TypeAlias = Sequence[Part]
"""One line. Its parts are made inert when it is printed, so no command can forget to."""

_PIPED_WIDTH = 1_000_000
"""Columns where nobody looks: a program that reads lines wants each whole."""


class Output:
    """What a command shows. With ``as_json`` only data, one JSON value for each ``show``."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, value: T, render: Callable[[T], Iterable[Line]]) -> None:
        """Print ``value``: a view, or lists and maps of views. Its fields are the JSON schema."""
        if self.as_json:
            self._print_json(value)
        else:
            self.lines(render(value))

    def lines(self, lines: Iterable[Line]) -> None:
        """Print lines to stdout."""
        for line in lines:
            self._stdout.print(_text(line), soft_wrap=True)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
        """Print rows under their heads to stdout; cells are never cut."""
        from rich.table import Table

        table = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(_text([cell]) for cell in row))
        self._stdout.print(table)

    def words(self, *parts: Part) -> None:
        """Print one line for the person to stderr."""
        self._stderr.print(_text(parts), soft_wrap=True)

    def next(self, command: str, *names: str) -> None:
        """Name the command that one would run next; ``names`` fill its places, quoted for the shell."""
        if not self.as_json:
            self.words((f"{ARROW} next: ", "dim"), command.format(*map(shlex.quote, names)))

    @property
    def width(self) -> int:
        """Columns of the screen; very many where stdout is no screen."""
        return self._stdout.width

    @cached_property
    def _stdout(self) -> Console:
        return _console(stderr=False)

    @cached_property
    def _stderr(self) -> Console:
        return _console(stderr=True)

    def _print_json(self, value: Any) -> None:
        import msgspec

        # ASCII: what hides in a foreign text stays an escape on the screen, too.
        print(json.dumps(msgspec.to_builtins(value)))
        sys.stdout.flush()


def _console(*, stderr: bool) -> Console:
    """Return a console that takes text as it is, and colours only a screen (rich honours NO_COLOR)."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, force_terminal=stream.isatty())


def _text(line: Line) -> Text:
    from rich.text import Text

    parts = [(part, "") if isinstance(part, str) else part for part in line]
    return Text.assemble(*((inert(text), style) for text, style in parts))


def pairs(rows: Iterable[tuple[str, Part]]) -> Iterable[Line]:
    """Return lines "name  value" with the values in one column."""
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    return [[(f"{name:<{width}}  ", "dim"), value] for name, value in listed]
