"""Whether a SQLite log is whole: SQLite's own checks, and what must hold between our tables."""

from __future__ import annotations

import apsw

from foedus.adapters.sqlite_bulk import fetch
from foedus.adapters.sqlite_schema import APPLICATION_ID

_FAULTS_SHOWN = 20
"""Of each kind: enough to see a pattern."""

_INVARIANTS = {
    "chain {0} has {1} events up to seq {2}, but its head is {3}": """
        SELECT number, sum(places), max(last), head FROM (
            SELECT number, count(local) AS places, coalesce(max(events.seq), 0) AS last, chains.seq AS head
            FROM chains LEFT JOIN events ON events.chain = number GROUP BY number
            UNION ALL
            SELECT number, gaps.seq - after, gaps.seq, chains.seq FROM chains JOIN gaps ON gaps.chain = number
        ) GROUP BY number HAVING sum(places) != head OR max(last) != head
    """,
    "chain {0} has the event {1}, which lies in a gap": """
        SELECT events.chain, events.seq FROM events JOIN gaps
        ON gaps.chain = events.chain AND events.seq > after AND events.seq <= gaps.seq
    """,
    "the head of chain {0} names another event than the last": """
        SELECT number FROM chains JOIN events ON events.chain = number AND events.seq = chains.seq
        WHERE events.id != chains.id
    """,
    "event {0} belongs to chain {1}, which is not there": """
        SELECT local, chain FROM events WHERE chain NOT IN (SELECT number FROM chains)
    """,
    "chain {0} belongs to an epoch or a stream that is not there": """
        SELECT number FROM chains
        WHERE epoch NOT IN (SELECT number FROM epochs) OR stream NOT IN (SELECT number FROM streams)
    """,
    "in chain {0} local numbers do not grow with seq, at {1}": """
        SELECT one.chain, one.seq FROM events one JOIN events next
        ON next.chain = one.chain AND next.seq = one.seq + 1 WHERE next.local <= one.local
    """,
}


def faults(connection: apsw.Connection) -> list[str]:
    """Return what is wrong, in words; reads the whole database. Damage that stops the reading is a fault, too."""
    found: list[str] = []
    try:
        rows = fetch(connection, f"PRAGMA integrity_check({_FAULTS_SHOWN})")
        found += [str(text) for (text,) in rows if text != "ok"]
        for words, query in _INVARIANTS.items():
            bad = fetch(connection, f"{query} LIMIT {_FAULTS_SHOWN}")
            found += [words.format(*row) for row in bad]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        found.append(f"the database cannot be read to its end: {error}")
    return found


def quick_faults(connection: apsw.Connection) -> list[str]:
    """Return what is wrong with the pages and records, in words; skips the indexes and what holds between tables."""
    try:
        if fetch(connection, "PRAGMA application_id") != [(APPLICATION_ID,)]:
            return ["it is empty, or no database of foedus"]
        return [str(text) for (text,) in fetch(connection, f"PRAGMA quick_check({_FAULTS_SHOWN})") if text != "ok"]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [f"the database cannot be read to its end: {error}"]
