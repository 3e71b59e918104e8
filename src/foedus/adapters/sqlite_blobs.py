"""Blobs in a SQLite file of their own: large content neither swells the log nor holds up its writer.

Write-ahead log with ``synchronous=FULL``: what a method stored is on disk when it returns. ``secure_delete`` overwrites
what goes. Two connections, each behind a lock: one thread writes while another reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import apsw

from foedus.adapters.log_errors import DamagedDatabase, NewerDatabase
from foedus.adapters.sqlite_bulk import SqlValue, fetch
from foedus.adapters.sqlite_errors import read_from
from foedus.adapters.sqlite_file import make_private, pragma
from foedus.base.blobs import Blob, Named

VERSION = 1
"""``PRAGMA user_version``. A change of the tables takes the next number and brings a migration."""
APPLICATION_ID = 0x666F6562
"""``foeb``: tells a store of blobs from any other database."""
BUSY_TIMEOUT_MS = 5_000

_TABLES = """
CREATE TABLE names (
    event BLOB PRIMARY KEY, stream TEXT NOT NULL, node BLOB NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE parts (
    event BLOB NOT NULL, number INTEGER NOT NULL, chunk BLOB NOT NULL, PRIMARY KEY (event, number)
) WITHOUT ROWID;
CREATE INDEX parts_by_chunk ON parts (chunk);
CREATE TABLE chunks (number INTEGER PRIMARY KEY, stream TEXT NOT NULL, chunk BLOB NOT NULL, data BLOB NOT NULL);
CREATE UNIQUE INDEX chunks_by_name ON chunks (stream, chunk);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_UNNAMED = """
DELETE FROM chunks WHERE stream = ?1 AND chunk = ?2 AND NOT EXISTS (
    SELECT 1 FROM parts JOIN names USING (event) WHERE parts.chunk = ?2 AND names.stream = ?1
)
"""


class SqliteBlobs:
    """``BlobStore`` over the file ``path``, which is made where it does not exist (its folder must).

    Raises DamagedDatabase, NewerDatabase, or another Unavailable.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._writing, self._reading = Lock(), Lock()
        with read_from(self._path):
            make_private(path)
            self._writer = _open(self._path)
            self._reader = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READONLY)
            self._reader.set_busy_timeout(BUSY_TIMEOUT_MS)

    def name(self, named: Sequence[Named]) -> None:
        """Note that events name blobs."""
        with self._transaction() as connection:
            for event, stream, node, blob in named:
                connection.execute("INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?)", (event, stream, node, blob.size))
                connection.executemany(
                    "INSERT OR IGNORE INTO parts VALUES (?, ?, ?)",
                    [(event, number, chunk) for number, chunk in enumerate(blob.chunks)],
                )

    def put(self, stream: str, chunks: Mapping[bytes, bytes]) -> None:
        """Keep chunks."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO chunks (stream, chunk, data) VALUES (?, ?, ?)",
                [(stream, chunk, data) for chunk, data in chunks.items()],
            )

    def chunk(self, stream: str, chunk: bytes) -> bytes | None:
        """Return a chunk."""
        found = self._read("SELECT data FROM chunks WHERE stream = ? AND chunk = ?", stream, chunk)
        return found[0][0] if found else None

    def missing(self, stream: str, blob: Blob) -> list[int]:
        """Return the numbers of what is not here."""
        found = "SELECT 1 FROM chunks WHERE stream = ? AND chunk = ?"
        return [number for number, chunk in enumerate(blob.chunks) if not self._read(found, stream, chunk)]

    def read(self, stream: str, blob: Blob) -> bytes | None:
        """Return a whole blob."""
        pieces: list[bytes] = []
        for chunk in blob.chunks:
            data = self.chunk(stream, chunk)
            if data is None:
                return None
            pieces.append(data)
        return b"".join(pieces)

    def forget(self, events: Sequence[bytes]) -> None:
        """Let names go, and what nobody names any more."""
        with self._transaction() as connection:
            for event in events:
                parts = "SELECT names.stream, parts.chunk FROM names JOIN parts USING (event) WHERE event = ?"
                named = fetch(connection, parts, (event,))
                connection.execute("DELETE FROM parts WHERE event = ?", (event,))
                connection.execute("DELETE FROM names WHERE event = ?", (event,))
                connection.executemany(_UNNAMED, named)
        with self._writing, read_from(self._path), suppress(apsw.BusyError):
            fetch(self._writer, "PRAGMA wal_checkpoint(TRUNCATE)")

    def named(self) -> Iterator[Named]:
        """Yield what is noted."""
        after = b""
        while page := self._read("SELECT * FROM names WHERE event > ? ORDER BY event LIMIT 256", after):
            for event, stream, node, size in page:
                parts = self._read("SELECT chunk FROM parts WHERE event = ? ORDER BY number", event)
                yield Named(event, stream, node, Blob(size, tuple(chunk for (chunk,) in parts)))
            after = page[-1][0]

    def reached(self) -> int:
        """Return how far the log was read."""
        found = self._read("SELECT value FROM meta WHERE key = 'reached'")
        return int(found[0][0]) if found else 0

    def reach(self, local: int) -> None:
        """Note how far the log was read."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('reached', ?)", (local,))

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._writing, read_from(self._path), self._writer:
            yield self._writer

    def _read(self, statement: str, *values: SqlValue) -> list[tuple[Any, ...]]:
        with self._reading, read_from(self._path):
            return fetch(self._reader, statement, values)


def _open(path: str) -> apsw.Connection:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: apsw.Connection, path: str) -> None:
    owner, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    tables = fetch(connection, "SELECT count(*) FROM sqlite_schema")[0][0]
    if (tables or owner) and owner != APPLICATION_ID:
        raise DamagedDatabase(f"{path} is no store of blobs")
    if version > VERSION:
        raise NewerDatabase(f"{path} has version {version}; this foedus knows {VERSION}")
    pragma(connection, "journal_mode = WAL")
    pragma(connection, "synchronous = FULL")
    pragma(connection, "secure_delete = ON")
    if not version:
        with connection:
            connection.execute(_TABLES)
            pragma(connection, f"application_id = {APPLICATION_ID}")
            pragma(connection, f"user_version = {VERSION}")
