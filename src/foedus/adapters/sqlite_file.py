"""What every SQLite file of a node needs before it has tables: it is private, and its settings take effect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw

_PRIVATE = 0o600


def pragma(connection: apsw.Connection, what: str) -> Any:
    """Read or set a PRAGMA and drain its rows, without which it may have no effect; return the first value."""
    rows = connection.execute(f"PRAGMA {what}").fetchall()
    return rows[0][0] if rows else None


def make_private(path: Path) -> None:
    """Make an empty file that only its owner reads, where there is none: SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, _PRIVATE))
    except OSError as error:
        raise apsw.CantOpenError(str(error)) from error
