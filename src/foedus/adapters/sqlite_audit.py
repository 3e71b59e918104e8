"""The audit log in a SQLite file of its own: a full or damaged one stops neither the log of events nor the node.

Write-ahead log with ``synchronous=FULL``: what ``append`` stored is on disk when it returns. One thread writes; each
reader opens a connection of its own for the moment, so exporting never waits on a node that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from foedus.adapters.log_errors import DamagedDatabase, NewerDatabase
from foedus.adapters.sqlite_bulk import BulkInsert, fetch
from foedus.adapters.sqlite_errors import read_from, translated
from foedus.adapters.sqlite_file import make_private, pragma
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.trust.audit.port import End
from foedus.trust.audit.rows import START, Head, Link
from foedus.trust.audit.seals import Seal
from foedus.trust.audit.verify import Stored
from foedus.trust.reputation import Evidence, Kind

VERSION = 1
"""``PRAGMA user_version``. A change of the tables takes the next number and brings a migration."""
APPLICATION_ID = 0x666F6575
"""``foeu``: tells an audit log from the log of events and from any other program's database."""
BUSY_TIMEOUT_MS = 5_000
WAL_PAGES = 1_024
"""Pages (4 MiB) in the write-ahead log before SQLite moves them by itself: rows are only appended."""

_TABLES = """
CREATE TABLE rows (n INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE seals (count INTEGER PRIMARY KEY, statement BLOB NOT NULL, ed25519 BLOB NOT NULL, mldsa65 BLOB NOT NULL);
CREATE TABLE records (number INTEGER PRIMARY KEY, epoch BLOB NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE evidence (
    number INTEGER PRIMARY KEY, row INTEGER NOT NULL, node BLOB NOT NULL, kind TEXT NOT NULL,
    at INTEGER NOT NULL, times INTEGER NOT NULL
);
CREATE INDEX evidence_by_time ON evidence (at);
"""


class NothingWritten(DamagedDatabase):
    """The file is there and empty: its node is just about to make the log, or somebody emptied it."""


class SqliteAudit:
    """``AuditStore`` over the file ``path``, which is made where it does not exist (its folder must).

    With ``is_reader`` nothing is made or written. Raises DamagedDatabase, NewerDatabase, or another Unavailable.
    """

    def __init__(self, path: Path, *, is_reader: bool = False) -> None:
        self._path = path
        with read_from(str(path)):
            self._connection = _open(path, is_reader=is_reader)
        self._rows = BulkInsert("INSERT INTO rows (n, row)", 2)
        self._evidence = BulkInsert("INSERT INTO evidence (row, node, kind, at, times)", 5)

    def end(self) -> End:
        """Return how far the log goes."""
        with read_from(str(self._path)):
            first = fetch(self._connection, "SELECT n FROM rows ORDER BY n LIMIT 1")
            last = fetch(self._connection, "SELECT n, row FROM rows ORDER BY n DESC LIMIT 1")
            seal = fetch(self._connection, f"{_SEALS} ORDER BY count DESC LIMIT 1")
        head = Head(last[0][0], sha256(last[0][1])) if last else START
        return End(first[0][0] if first else 1, head, Seal(*seal[0][1:]) if seal else None)

    def append(self, links: Sequence[Link], evidence: Sequence[Evidence] = ()) -> None:
        """Store rows, and the evidence that follows from them."""
        with self._transaction():
            self._rows.run(self._connection, [(link.n, link.data) for link in links])
            self._evidence.run(
                self._connection, [(each.row, each.node, each.kind, each.at, each.times) for each in evidence]
            )

    def add_seal(self, seal: Seal, count: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Store the seal of row ``count``, and the identity records that it is checked by."""
        with self._transaction():
            values = (count, seal.statement, seal.ed25519, seal.mldsa65)
            self._connection.execute("INSERT INTO seals VALUES (?, ?, ?, ?)", values)
            for record in records:
                self._connection.execute("INSERT OR IGNORE INTO records (epoch, record) VALUES (?, ?)", record)

    def prune(self, count: int) -> None:
        """Let rows up to ``count`` go, and the seals before that of ``count``."""
        with self._transaction():
            self._connection.execute("DELETE FROM rows WHERE n <= ?", (count,))
            self._connection.execute("DELETE FROM seals WHERE count < ?", (count,))

    def rows(self, after: int, limit: int) -> list[Stored]:
        """Return rows with a number > ``after``, in order."""
        found = self._read("SELECT n, row FROM rows WHERE n > ? ORDER BY n LIMIT ?", after, limit)
        return [Stored(n, data) for n, data in found]

    def seals(self, after: int, limit: int) -> list[tuple[int, Seal]]:
        """Return (count, seal) with a count > ``after``, in order."""
        return [
            (row[0], Seal(*row[1:]))
            for row in self._read(f"{_SEALS} WHERE count > ? ORDER BY count LIMIT ?", after, limit)
        ]

    def records(self) -> list[tuple[bytes, bytes]]:
        """Return the kept identity records, oldest first."""
        return [(epoch, record) for epoch, record in self._read("SELECT epoch, record FROM records ORDER BY number")]

    def evidence(self, since: Instant) -> list[Evidence]:
        """Return the evidence that is not older than ``since``, by its row."""
        found = self._read("SELECT row, node, kind, at, times FROM evidence WHERE at >= ? ORDER BY number", since)
        return [Evidence(row, node, Kind(kind), at, times) for row, node, kind, at, times in found]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(str(self._path)), self._connection:
            yield

    def _read(self, statement: str, *values: int) -> list[tuple[Any, ...]]:
        """Read by a connection of its own: the writer's belongs to one thread."""
        with read_from(str(self._path)):
            connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                connection.set_busy_timeout(BUSY_TIMEOUT_MS)
                return connection.execute(statement, values).fetchall()
            finally:
                connection.close()


_SEALS = "SELECT count, statement, ed25519, mldsa65 FROM seals"


def _open(path: Path, *, is_reader: bool) -> apsw.Connection:
    if is_reader:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    else:
        make_private(path)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        _check(connection, path, is_reader=is_reader)
        if not is_reader:
            _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: apsw.Connection, path: Path, *, is_reader: bool) -> None:
    # In this order: a log that is being made gets its tables and its owner at one moment, which may be between the two.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    owner, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    if is_reader and not (tables or owner):
        raise NothingWritten(f"{path} holds nothing")
    if (tables or owner) and owner != APPLICATION_ID:
        raise DamagedDatabase(f"{path} is no audit log")
    if version > VERSION:
        raise NewerDatabase(f"{path} has version {version}; this foedus knows {VERSION}")


def _prepare(connection: apsw.Connection) -> None:
    pragma(connection, "journal_mode = WAL")
    pragma(connection, "synchronous = FULL")
    pragma(connection, f"wal_autocheckpoint = {WAL_PAGES}")
    if pragma(connection, "user_version") == 0:
        with connection:
            connection.execute(_TABLES)
            pragma(connection, f"application_id = {APPLICATION_ID}")
            pragma(connection, f"user_version = {VERSION}")
