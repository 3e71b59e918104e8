"""The index of knowledge in a SQLite file of its own, with FTS5 for words. It is derived: a damaged one is made anew.

The words table keeps no text, only which words are where. What goes is marked as gone; ``scrub`` writes the table anew
without it, and ``secure_delete`` overwrites the pages. No commit waits for the disk: what a crash loses is read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import apsw

from foedus.adapters import sqlite_vectors
from foedus.adapters.log_errors import DamagedDatabase
from foedus.adapters.sqlite_bulk import BulkInsert, fetch, key_pages
from foedus.adapters.sqlite_errors import read_from, translated
from foedus.adapters.sqlite_vectors import SqliteVectors
from foedus.adapters.sqlite_words import TOKENIZER, Frequencies
from foedus.log.chains import ChainKey
from foedus.state.knowledge.port import Change, Entry, Hit, Listed, Reached

VERSION = 2
"""``PRAGMA user_version``. Another version is not migrated: the index is made anew."""
APPLICATION_ID = 0x666F656B
"""``foek``: tells the index from any other program's database."""
BUSY_TIMEOUT_MS = 5_000
_PRIVATE = 0o600
_SCORE = 1_000_000
"""Scores of FTS5 are small negative numbers; in millionths of them three digits differ between close finds."""

_TABLES = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('open', 0);
CREATE TABLE reached (
    epoch BLOB NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (epoch, stream)
) WITHOUT ROWID;
CREATE TABLE mentions (event BLOB PRIMARY KEY, subject BLOB) WITHOUT ROWID;
CREATE INDEX mentions_by_subject ON mentions (subject);
CREATE TABLE subjects (
    number INTEGER PRIMARY KEY, subject BLOB NOT NULL UNIQUE, domain TEXT NOT NULL, is_task INTEGER NOT NULL, event BLOB
);
CREATE INDEX subjects_by_kind ON subjects (is_task, domain, number);
CREATE VIRTUAL TABLE words USING fts5(
    title, content, tags, content='', contentless_delete=1, tokenize='TOKENIZER'
);
INSERT INTO words (words, rank) VALUES ('rank', 'bm25(4.0, 1.0, 3.0)');
""".replace("TOKENIZER", " ".join(TOKENIZER))
    + sqlite_vectors.TABLES
)
_DROPPED = ("meta", "reached", "mentions", "subjects", "words", *sqlite_vectors.NAMES)
_SEARCH = """
SELECT subjects.subject, subjects.event, found.rank FROM
    (SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?) AS found
    JOIN subjects ON subjects.number = found.rowid
ORDER BY found.rank, subjects.subject
"""
_SEARCH_DOMAIN = """
SELECT subject, event, rank FROM
    (SELECT subject, event, rank FROM words CROSS JOIN subjects ON subjects.number = words.rowid
        WHERE words MATCH ? AND subjects.domain = ? ORDER BY rank LIMIT ?)
ORDER BY rank, subject
"""
"""The finds are put in order before they are sifted: else the best of all domains leave no room for those of one."""

_HOLDING = """
SELECT subjects.subject FROM subjects CROSS JOIN words ON words.rowid = subjects.number
    WHERE words MATCH ? AND subjects.subject IN ({})
"""


class SqliteKnowledge:
    """``KnowledgeIndex`` over the file ``path``; None: in memory, for nodes that keep nothing. Made where it is not."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = Lock()
        try:
            self._connection = self._open()
        except (DamagedDatabase, apsw.Error):
            self._remove()
            self._connection = self._open()
        self.is_stale = self._note_open()
        self._frequencies = Frequencies(self._connection)
        self.vectors = SqliteVectors(self._using)
        self._mentions = BulkInsert(
            "INSERT INTO mentions (event, subject)", 2, "ON CONFLICT (event) DO UPDATE SET subject = excluded.subject"
        )

    # --- the file ----------------------------------------------------------------------------

    def _open(self) -> apsw.Connection:
        with read_from(self._name):
            if self._path is not None and not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
            connection = apsw.Connection(":memory:" if self._path is None else str(self._path))
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _prepare(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        fetch(connection, "PRAGMA journal_mode = WAL")
        fetch(connection, "PRAGMA synchronous = NORMAL")
        fetch(connection, "PRAGMA secure_delete = ON")
        version = fetch(connection, "PRAGMA user_version")[0][0]
        owner = fetch(connection, "PRAGMA application_id")[0][0]
        if version == 0 and owner == 0:
            self._create(connection)
        elif (version, owner) != (VERSION, APPLICATION_ID):
            raise DamagedDatabase(f"{self._name} is not an index of this version")

    @staticmethod
    def _create(connection: apsw.Connection) -> None:
        with connection:
            connection.execute(_TABLES)
            fetch(connection, f"PRAGMA application_id = {APPLICATION_ID}")
            fetch(connection, f"PRAGMA user_version = {VERSION}")

    @property
    def _name(self) -> str:
        return str(self._path or "the index of knowledge")

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm") if self._path is not None else ():
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")  # noqa: PTH108  # the names of SQLite's side files are no paths of ours

    def _note_open(self) -> bool:
        with self._using() as connection, connection:
            was_open = fetch(connection, "SELECT value FROM meta WHERE key = 'open'") != [(0,)]
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('open', 1)")
        return was_open

    @contextmanager
    def _using(self) -> Iterator[apsw.Connection]:
        """Let one thread at a time use the connection."""
        with self._lock, translated(self._name):
            yield self._connection

    # --- writing -----------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Store a step."""
        with self._using() as connection:
            with connection:
                self._mentions.run(connection, [(mention.event, mention.subject) for mention in change.mentions])
                changed = [_put(connection, entry) for entry in change.entries]
                for (epoch, stream), reached in change.reached.items():
                    connection.execute("INSERT OR REPLACE INTO reached VALUES (?, ?, ?, ?)", (epoch, stream, *reached))
            self.vectors.drop(number for number in changed if number is not None)

    def clear(self) -> None:
        """Forget everything."""
        with self._using() as connection, connection:
            for table in _DROPPED:
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(_TABLES)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('open', 1)")
            self.vectors.clear()
        self.is_stale = False

    def scrub(self) -> None:
        """Let nothing of what was taken out remain in the files."""
        with self._using() as connection:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            fetch(connection, "PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self, *, is_whole: bool) -> None:
        """Release the file, noting whether nothing was missed."""
        with self._using() as connection:
            with suppress(apsw.Error), connection:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'open'", (int(not is_whole),))
            connection.close()

    # --- reading -----------------------------------------------------------------------------

    def reached(self) -> dict[ChainKey, Reached]:
        """Return how far each chain was read."""
        with self._using() as connection:
            rows = fetch(connection, "SELECT epoch, stream, seq, id FROM reached")
        return {(epoch, stream): Reached(seq, event_id) for epoch, stream, seq, event_id in rows}

    def mentions(self, subjects: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return the events that speak of these subjects."""
        found: dict[bytes, list[bytes]] = {}
        for event, subject in self._by_keys("SELECT event, subject FROM mentions WHERE subject IN", subjects):
            found.setdefault(subject, []).append(event)
        return found

    def subjects_of(self, events: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return of which subject these events speak."""
        return dict(self._by_keys("SELECT event, subject FROM mentions WHERE event IN", events))

    def _by_keys(self, statement: str, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, bytes]] = []
        for page in key_pages(keys):
            with self._using() as connection:
                rows += fetch(connection, f"{statement} ({','.join('?' * len(page))})", page)
        return rows

    def bodiless(self) -> list[bytes]:
        """Return the events whose body was not here as they were read."""
        with self._using() as connection:
            return [event for (event,) in fetch(connection, "SELECT event FROM mentions WHERE subject IS NULL")]

    def listed(self, *, is_task: bool, domain: str, after: int, limit: int) -> list[Listed]:
        """Return subjects after a place."""
        where = "AND domain = ?" if domain else "AND ? = ''"
        statement = f"SELECT number, subject FROM subjects WHERE is_task = ? {where} AND number > ?"  # noqa: S608  # ours
        values = (int(is_task), domain, after, limit)
        with self._using() as connection:
            return [Listed(*row) for row in fetch(connection, f"{statement} ORDER BY number LIMIT ?", values)]

    def between(self, low: bytes, high: bytes) -> list[bytes]:
        """Return at most two packets and tasks whose id is from ``low`` to ``high``."""
        with self._using() as connection:
            rows = fetch(
                connection, "SELECT subject FROM subjects WHERE subject BETWEEN ? AND ? ORDER BY 1 LIMIT 2", (low, high)
            )
        return [subject for (subject,) in rows]

    def search(self, terms: Sequence[str], domain: str, limit: int) -> list[Hit]:
        """Return packets that hold any of the words, the best first."""
        if not terms:
            return []
        with self._using() as connection:
            asked = " OR ".join(map(_quoted, self._frequencies.telling(terms)))
            rows = fetch(
                connection,
                _SEARCH_DOMAIN if domain else _SEARCH,
                (asked, domain, limit) if domain else (asked, limit),
            )
        return [Hit(subject, event, round(-rank * _SCORE)) for subject, event, rank in rows]

    def shares(self, terms: Sequence[str], subjects: Sequence[bytes]) -> dict[bytes, int]:
        """Return what part of the words each packet holds, in millionths; a rare word counts more."""
        if not terms or not subjects:
            return {}
        marks = ", ".join("?" * len(subjects))
        held = dict.fromkeys(subjects, 0.0)
        with self._using() as connection:
            rarities = self._frequencies.rarities(self._frequencies.telling(terms))
            for term, rarity in rarities.items():
                rows = fetch(connection, _HOLDING.format(marks), (_quoted(term), *subjects))
                for (subject,) in rows:
                    held[subject] += rarity
        whole = sum(rarities.values()) or 1.0
        return {subject: round(part / whole * _SCORE) for subject, part in held.items()}


def _quoted(term: str) -> str:
    """Return a word as a string of FTS5, in which nothing is syntax but the quote, which is doubled."""
    return '"' + term.replace("\0", "").replace('"', '""') + '"'


def _put(connection: apsw.Connection, entry: Entry) -> int | None:
    """Store a subject, and the words by which it is found from now on; return its number where they are others."""
    held = fetch(connection, "SELECT number, event FROM subjects WHERE subject = ?", (entry.subject,))
    if held and held[0][1] == entry.event:
        return None  # what an event says never changes
    if held:
        number = held[0][0]
        connection.execute("UPDATE subjects SET event = ? WHERE number = ?", (entry.event, number))
        connection.execute("DELETE FROM words WHERE rowid = ?", (number,))
    else:
        values = (entry.subject, entry.domain, int(entry.is_task), entry.event)
        insert = "INSERT INTO subjects (subject, domain, is_task, event) VALUES (?, ?, ?, ?) RETURNING number"
        ((number,),) = fetch(connection, insert, values)
    if entry.event is not None:
        texts = (number, *entry.words)
        connection.execute("INSERT INTO words (rowid, title, content, tags) VALUES (?, ?, ?, ?)", texts)
    if held or entry.event is not None:
        sqlite_vectors.change(connection, number, has_words=entry.event is not None)
    return int(number)
