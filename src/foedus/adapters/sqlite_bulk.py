"""Many rows in one step of SQLite.

apsw releases the GIL around every step and must take it again after: beside a busy thread each step may wait for
the interpreter's whole switch interval (5 ms; measured: 1.2 ms per event with 16 rows a step). So a commit is written
in a handful of steps, each of up to ``_SIZES[0]`` rows, by ``INSERT … VALUES (…), (…), …``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias

import apsw

SqlValue: TypeAlias = int | bytes | str | None

_SIZES = (256, 32, 4, 1)
"""Rows per statement: 256 is a frame of events; the others take the rest in few steps. Each is prepared once."""


class BulkInsert:
    """An INSERT of ``width`` columns, written for several row counts. ``suffix`` is an ON CONFLICT clause."""

    def __init__(self, prefix: str, width: int, suffix: str = "") -> None:
        row = "(" + ",".join("?" * width) + ")"
        self._statements = [(size, f"{prefix} VALUES {','.join([row] * size)} {suffix}") for size in _SIZES]

    def run(self, connection: apsw.Connection, rows: Sequence[Sequence[SqlValue]]) -> int:
        """Insert the rows in order; return how many were changed."""
        before = connection.total_changes()
        position, end = 0, len(rows)
        for size, statement in self._statements:
            while end - position >= size:
                part = rows[position : position + size]
                connection.execute(statement, tuple(chain.from_iterable(part)))
                position += size
        return connection.total_changes() - before


def fetch(connection: apsw.Connection, statement: str, values: Sequence[SqlValue] = ()) -> list[tuple[Any, ...]]:
    """Run a query to its end and return its rows, whose types the tables guarantee."""
    return connection.execute(statement, tuple(values)).fetchall()


KEY_SIZES = (256, 16, 1)


def key_pages(keys: Sequence[SqlValue]) -> list[list[SqlValue]]:
    """Split keys into pages of a few fixed sizes, filled up with None, so that few statements are prepared."""
    pages: list[list[SqlValue]] = []
    position, end = 0, len(keys)
    while position < end:
        size = next((s for s in reversed(KEY_SIZES) if s >= end - position), KEY_SIZES[0])
        page = list(keys[position : position + size])
        pages.append(page + [None] * (size - len(page)))
        position += size
    return pages
