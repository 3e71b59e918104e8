"""What an error of SQLite means, in the words of ``log_errors``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from foedus.adapters.log_errors import (
    BrokenCommit,
    DamagedDatabase,
    DatabaseBusy,
    DiskFailed,
    DiskFull,
    LogClosed,
    ReadOnly,
)
from foedus.base.errors import FoedusError

_FAMILIES: tuple[tuple[type[apsw.Error], type[FoedusError]], ...] = (
    (apsw.FullError, DiskFull),
    (apsw.ReadOnlyError, ReadOnly),
    (apsw.PermissionsError, ReadOnly),
    (apsw.CorruptError, DamagedDatabase),
    (apsw.NotADBError, DamagedDatabase),
    (apsw.FormatError, DamagedDatabase),
    (apsw.SQLError, DamagedDatabase),  # a table is not there: our statements fit the tables of this version
    (apsw.ConstraintError, BrokenCommit),
    (apsw.MismatchError, BrokenCommit),
    (apsw.TooBigError, BrokenCommit),
    (apsw.BusyError, DatabaseBusy),
    (apsw.LockedError, DatabaseBusy),
    (apsw.ConnectionClosedError, LogClosed),
)


def translate(error: apsw.Error, path: str) -> FoedusError:
    """Return the error of our families that says what ``error`` means for the database at ``path``."""
    if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return DiskFull(f"{path}: {error}")  # the shared index of the write-ahead log found no room to grow
    for kind, family in _FAMILIES:
        if isinstance(error, kind):
            return family(f"{path}: {error}")
    return DiskFailed(f"{path}: {error}")


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Let no error of SQLite pass untranslated."""
    try:
        yield
    except apsw.Error as error:
        raise translate(error, path) from error


@contextmanager
def read_from(path: str) -> Iterator[None]:
    """As ``translated``, for reading: SQLite keeps types loosely, so a damaged page may hold values of any."""
    try:
        with translated(path):
            yield
    except (UnicodeDecodeError, LookupError, TypeError) as error:
        raise DamagedDatabase(f"{path}: a row does not fit its table: {error}") from error
