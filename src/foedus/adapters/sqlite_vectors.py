"""The vectors of packets, beside the index of words in the same file, and in memory to be searched.

A packet waits for a vector from the step in which its words changed; what it had goes in that same step. What memory
finds is looked up in the file, so what is gone there is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import apsw

from foedus.adapters.sqlite_bulk import fetch, key_pages
from foedus.adapters.vector_indexes import GrowingVectors
from foedus.base.vectors import VectorIndex, dimension_of
from foedus.state.knowledge.port import Awaiting, Held, Hit

TABLES = """
CREATE TABLE embedder (name TEXT NOT NULL, dimension INTEGER NOT NULL);
CREATE TABLE vectors (number INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE awaiting (number INTEGER PRIMARY KEY);
"""
NAMES = ("embedder", "vectors", "awaiting")
_PAGE = 1_024
_AWAITING = """
SELECT awaiting.number, subject, event FROM awaiting JOIN subjects USING (number)
WHERE awaiting.number > ? AND event IS NOT NULL ORDER BY awaiting.number LIMIT ?
"""
_FOUND = """
SELECT number, subject, event FROM subjects JOIN vectors USING (number)
WHERE event IS NOT NULL AND (? = '' OR domain = ?) AND number IN
"""

_OF = "SELECT vector FROM subjects JOIN vectors USING (number) WHERE event IS NOT NULL AND subject IN"


class SqliteVectors:
    """``KnowledgeVectors``. ``using`` lends the connection to one thread at a time."""

    def __init__(
        self,
        using: Callable[[], AbstractContextManager[apsw.Connection]],
        make: Callable[[int], VectorIndex] = GrowingVectors,
    ) -> None:
        self._using = using
        self._make = make
        self._memory: VectorIndex | None = None
        self._embedder = ""
        self.dimension = 0

    def use(self, embedder: str, dimension: int) -> None:
        """Bring the vectors of an embedder to memory."""
        with self._using() as connection, connection:
            rows = fetch(connection, "SELECT name, dimension FROM embedder")
            if not (rows and rows[0][0] == embedder and dimension in {0, rows[0][1]}):
                _forget(connection)
                rows = []
        self._embedder, self.dimension = embedder, rows[0][1] if rows else dimension
        self._memory = self._read() if self.dimension else None

    def _read(self) -> VectorIndex:
        memory, after = self._make(self.dimension), 0
        while True:
            with self._using() as connection:
                page = fetch(
                    connection, "SELECT number, vector FROM vectors WHERE number > ? ORDER BY 1 LIMIT ?", (after, _PAGE)
                )
            if not page:
                return memory
            memory.put(dict(page))
            after = page[-1][0]

    def held(self) -> Held:
        """Count."""
        statement = "SELECT (SELECT count(*) FROM vectors), (SELECT count(*) FROM awaiting)"
        with self._using() as connection:
            return Held(*fetch(connection, statement)[0])

    def awaiting(self, after: int, limit: int) -> list[Awaiting]:
        """Return packets without a vector."""
        with self._using() as connection:
            return [Awaiting(*row) for row in fetch(connection, _AWAITING, (after, limit))]

    def put(self, made: Sequence[tuple[Awaiting, bytes]]) -> None:
        """Store vectors."""
        stored: dict[int, bytes] = {}
        if not made:
            return
        if not self.dimension:
            self.dimension = dimension_of(made[0][1])
        if self._memory is None:
            self._memory = self._make(self.dimension)
        with self._using() as connection, connection:
            connection.execute("DELETE FROM embedder")
            connection.execute("INSERT INTO embedder VALUES (?, ?)", (self._embedder, self.dimension))
            for packet, vector in made:
                if _stands(connection, packet):
                    connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (packet.number, vector))
                    connection.execute("DELETE FROM awaiting WHERE number = ?", (packet.number,))
                    stored[packet.number] = vector
        self._memory.put(stored)  # a graph may be built now, for seconds: nobody waits for the connection meanwhile

    def of(self, subjects: Sequence[bytes]) -> list[bytes]:
        """Return the vectors of these packets."""
        found: list[bytes] = []
        for page in key_pages(list(subjects)):
            with self._using() as connection:
                rows = fetch(connection, f"{_OF} ({','.join('?' * len(page))})", tuple(page))
            found += [vector for (vector,) in rows]
        return found

    def nearest(self, vector: bytes, domain: str, limit: int) -> list[Hit]:
        """Return the nearest packets."""
        if self._memory is None or dimension_of(vector) != self.dimension:
            return []
        near = {each.key: each.similarity for each in self._memory.nearest(vector, limit)}
        rows = []
        for page in key_pages(list(near)):
            with self._using() as connection:
                rows += fetch(connection, f"{_FOUND} ({','.join('?' * len(page))})", (domain, domain, *page))
        hits = [Hit(subject, event, near[number]) for number, subject, event in rows]
        return sorted(hits, key=lambda hit: (-hit.score, hit.subject))

    def drop(self, numbers: Iterable[int]) -> None:
        """Let go in memory of what is gone in the file. Called by who has the connection."""
        if self._memory is not None:
            self._memory.drop(numbers)

    def clear(self) -> None:
        """Let go of everything in memory; the tables were made anew."""
        self._memory = self._make(self.dimension) if self.dimension else None


def change(connection: apsw.Connection, number: int, *, has_words: bool) -> None:
    """Drop the vector of a packet whose words changed; it waits for another if it has any."""
    connection.execute("DELETE FROM vectors WHERE number = ?", (number,))
    connection.execute("DELETE FROM awaiting WHERE number = ?", (number,))
    if has_words:
        connection.execute("INSERT INTO awaiting VALUES (?)", (number,))


def _stands(connection: apsw.Connection, packet: Awaiting) -> bool:
    return fetch(connection, "SELECT event FROM subjects WHERE number = ?", (packet.number,)) == [(packet.event,)]


def _forget(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM embedder")
    connection.execute("DELETE FROM vectors")
    connection.execute("INSERT OR IGNORE INTO awaiting SELECT number FROM subjects WHERE event IS NOT NULL")
