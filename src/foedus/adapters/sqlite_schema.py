"""The tables of the SQLite log, and how a connection to them is opened.

Epochs, streams and devices are interned into small integers, so a row and its index entries stay short.
Rows of ``events`` are only ever appended (by ``local``) save for late bodies and new verdicts; what an owner's
new branch leaves behind moves to ``branches``. A chain's head lives in ``chains`` and moves in the same transaction.

PITFALL: a PRAGMA whose rows are not drained keeps its statement open, and apsw then skips the next DDL silently;
``sqlite_file.pragma`` drains them.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from foedus.adapters.log_errors import DamagedDatabase, NewerDatabase
from foedus.adapters.sqlite_file import pragma

VERSION = 3
"""``PRAGMA user_version``. A change of the tables takes the next number and brings a migration."""
APPLICATION_ID = 0x666F6564
"""``foed``: tells our database from any other program's."""
WRITER_CACHE_KIB = 12 * 1024
"""Page cache of the writer: holds the upper levels of every index, and stays within the memory of an idle node."""
READER_CACHE_KIB = 2 * 1024
"""Page cache of each reader: reads are ranges; the system's own cache serves the rest."""
BUSY_TIMEOUT_MS = 5_000
"""Our own checkpoint or a backup tool holds the file for moments; a program that holds it longer is reported."""
STATEMENTS_CACHED = 64
WAL_KEPT_BYTES = 64 * 1_048_576
"""A write-ahead log that a long reader made grow is cut back to this."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE epochs (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE);
CREATE TABLE streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, control INTEGER NOT NULL);
CREATE TABLE devices (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE chains (
    number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, stream INTEGER NOT NULL,
    seq INTEGER NOT NULL, id BLOB NOT NULL, hlc_us INTEGER NOT NULL, hlc_counter INTEGER NOT NULL,
    contested INTEGER NOT NULL
);
CREATE UNIQUE INDEX chains_by_name ON chains (stream, epoch);
CREATE TABLE events (
    local INTEGER PRIMARY KEY, chain INTEGER NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
    hlc_us INTEGER NOT NULL, hlc_counter INTEGER NOT NULL, kind TEXT NOT NULL,
    event BLOB NOT NULL, sig BLOB NOT NULL, salt BLOB, body BLOB,
    verdict INTEGER NOT NULL, reason TEXT NOT NULL, withheld TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE UNIQUE INDEX events_by_chain ON events (chain, seq);
CREATE INDEX events_pending ON events (verdict) WHERE verdict = 1;
CREATE TABLE branches (
    id BLOB PRIMARY KEY, chain INTEGER NOT NULL, seq INTEGER NOT NULL,
    hlc_us INTEGER NOT NULL, hlc_counter INTEGER NOT NULL, kind TEXT NOT NULL,
    event BLOB NOT NULL, sig BLOB NOT NULL, salt BLOB, body BLOB,
    verdict INTEGER NOT NULL, reason TEXT NOT NULL, withheld TEXT NOT NULL
);
CREATE TABLE nonces (
    chain INTEGER NOT NULL, nonce BLOB NOT NULL, device INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (chain, nonce, device)
) WITHOUT ROWID;
CREATE TABLE proofs (
    chain INTEGER PRIMARY KEY, seq INTEGER NOT NULL,
    one BLOB NOT NULL, one_sig BLOB NOT NULL, other BLOB NOT NULL, other_sig BLOB NOT NULL
);
CREATE TABLE records (number INTEGER PRIMARY KEY, epoch BLOB NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE node_values (
    space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (space, key)
) WITHOUT ROWID;
"""

_ERASURE_TABLES = """
CREATE INDEX events_erasing ON events (local) WHERE kind = 'event.erase';
CREATE TABLE gaps (
    chain INTEGER NOT NULL, seq INTEGER NOT NULL, after INTEGER NOT NULL, id BLOB NOT NULL,
    hlc_us INTEGER NOT NULL, hlc_counter INTEGER NOT NULL, checkpoint BLOB NOT NULL, PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
"""
"""What version 2 added: erasures are found without reading the log, and chains know what they dropped."""

_BODY_INDEXES = """
CREATE INDEX events_bodiless ON events (local) WHERE body IS NULL;
CREATE INDEX events_sealed ON events (local) WHERE verdict = 2 AND body IS NOT NULL;
"""
"""What version 3 added: bodies that are missing, and those of rejected events, are found without reading the log."""

_STORE_ID_BYTES = 16
_PRIVATE = 0o600
_READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


def open_writer(path: Path) -> apsw.Connection:
    """Open the one connection that writes, making the tables where there are none.

    Raises NewerDatabase, DamagedDatabase, or an apsw error that the caller translates.
    """
    fresh = not path.exists()
    if fresh:
        _create_private(path)
    connection = apsw.Connection(str(path), flags=_READ_WRITE, statementcachesize=STATEMENTS_CACHED)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        _check_version(connection, path)
        pragma(connection, "journal_mode = WAL")
        pragma(connection, "synchronous = FULL")
        pragma(connection, "secure_delete = ON")
        # By which an INSERT of many rows could be undone alone: as a file of /var/tmp it costs a fifth of the writer's
        # time, and leaves pages with bodies on a disk that nobody scrubs.
        pragma(connection, "temp_store = MEMORY")
        pragma(connection, f"cache_size = {-WRITER_CACHE_KIB}")
        pragma(connection, f"journal_size_limit = {WAL_KEPT_BYTES}")
        pragma(connection, "wal_autocheckpoint = 0")
        version = pragma(connection, "user_version")
        if version == 0:
            _create_tables(connection)
        else:
            _migrate(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open a connection that only reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=STATEMENTS_CACHED)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    pragma(connection, "query_only = 1")
    pragma(connection, f"cache_size = {-READER_CACHE_KIB}")
    return connection


def open_checkpointer(path: Path) -> apsw.Connection:
    """Open a connection that moves the write-ahead log into the database, and reads and writes nothing else."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    pragma(connection, "synchronous = FULL")
    return connection


def _check_version(connection: apsw.Connection, path: Path) -> None:
    version = pragma(connection, "user_version")
    owner = pragma(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    if (version or owner or tables) and owner != APPLICATION_ID:
        raise DamagedDatabase(f"{path} is a database, but not one of foedus")
    if type(version) is int and version > VERSION:
        raise NewerDatabase(f"{path} has version {version}; this foedus knows {VERSION}")


def _create_tables(connection: apsw.Connection) -> None:
    with connection:
        connection.execute(_TABLES + _ERASURE_TABLES + _BODY_INDEXES)
        connection.execute("INSERT INTO meta VALUES ('store_id', ?)", (os.urandom(_STORE_ID_BYTES),))
        connection.execute("INSERT INTO meta VALUES ('last_local', 0)")
        pragma(connection, f"application_id = {APPLICATION_ID}")
        pragma(connection, f"user_version = {VERSION}")


def _migrate(connection: apsw.Connection, version: int) -> None:
    """Bring the tables of an older version up to this one. A new index is made by reading every event, once."""
    later = {1: _ERASURE_TABLES + _BODY_INDEXES, 2: _BODY_INDEXES}.get(version)
    if later is None:
        return
    with connection:
        connection.execute(later)
        pragma(connection, f"user_version = {VERSION}")


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner reads (SQLite gives its side files the same mode), durably."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise apsw.CantOpenError(str(error)) from error
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
