"""What a run found: one JSON object, or a table."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.options import Figures
from bench.targets import TARGETS


def as_json(figures: Figures) -> str:
    """Return one object: the figures, and the verdict on each target."""
    targets = {
        target.figure: {"target": target.words, "met": target.met(figures)}
        for target in TARGETS
        if target.can_judge(figures)
    }
    shown: dict[str, Any] = {name: round(value, 4) for name, value in figures.items()}
    return msgspec.json.encode(shown | {"targets": targets}).decode()


def show(figures: Figures) -> None:
    """Print the table."""
    table = Table("figure", "value", "of its bound", "target", "met")
    judged = {target.figure: target for target in TARGETS if target.can_judge(figures)}
    for name, value in figures.items():
        target = judged.get(name)
        if target is None:
            table.add_row(name, _number(value), "", "", "")
            continue
        ratio = f"{value / target.bound(figures):.2f}"
        table.add_row(name, _number(value), ratio, target.words, "yes" if target.met(figures) else "[bold red]no[/]")
    Console().print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.3g}"
