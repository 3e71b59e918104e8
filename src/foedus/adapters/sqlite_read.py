"""What is read from the SQLite log: a bounded pool of connections, and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any, TypeAlias

import apsw

from foedus.adapters.log_errors import LogClosed
from foedus.adapters.sqlite_bulk import KEY_SIZES, SqlValue, fetch, key_pages
from foedus.adapters.sqlite_errors import read_from
from foedus.adapters.sqlite_schema import open_reader
from foedus.base.clock import Hlc
from foedus.log.event import Envelope
from foedus.log.port import Gap, Head, Proof, Row, Verdict

READERS_MAX = 8
"""Connections that read at once: more threads than that wait; each holds at most READER_CACHE_KIB."""
PAGE = 256
"""Rows that an iterator reads at a time: no read transaction outlives a page, so the log can be checkpointed."""
NAMES_CACHED = 65_536
"""Chains whose names are remembered: beyond, all are forgotten and read again."""

_Raw: TypeAlias = tuple[Any, ...]
_Names: TypeAlias = tuple[bytes, str]

_REST = "chain, seq, id, hlc_us, hlc_counter, kind, event, sig, salt, body, verdict, reason, withheld"
_SELECT = f"SELECT local, {_REST} FROM events"  # noqa: S608  # names of ours
_VERDICTS = tuple(Verdict)


class ReadPool:
    """Connections lent to one caller at a time, opened as they are needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free = Semaphore(READERS_MAX)
        self._lock = Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[apsw.Connection]:
        """Lend a connection; errors of SQLite leave as ours. Raises LogClosed after ``close``."""
        with self._free, read_from(str(self._path)):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close idle connections now, lent ones when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> apsw.Connection:
        with self._lock:
            if self._closed:
                raise LogClosed("the log is closed")
            if self._idle:
                return self._idle.pop()
        return open_reader(self._path)

    def _give_back(self, connection: apsw.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


class LogReader:
    """The queries of the port."""

    def __init__(self, path: Path) -> None:
        self._pool = ReadPool(path)
        self._names: dict[int, _Names] = {}
        self._numbers: dict[_Names, int] = {}

    def close(self) -> None:
        """Give up the connections; later calls raise LogClosed."""
        self._pool.close()

    # --- rows -------------------------------------------------------------------------------------

    def chain(self, epoch: bytes, stream: str, after_seq: int, limit: int, max_bytes: int) -> list[Row]:
        """Rows with seq > ``after_seq``; the one that reaches ``max_bytes`` is the last."""
        with self._pool.connection() as connection:
            number = self._number(connection, epoch, stream)
            raws = connection.execute(
                f"{_SELECT} WHERE chain = ? AND seq > ? ORDER BY seq LIMIT ?", (number, after_seq, limit)
            )
            return _until(raws, epoch, stream, max_bytes)

    def chain_backwards(self, epoch: bytes, stream: str, before_seq: int, limit: int) -> list[Row]:
        """Rows with seq < ``before_seq``, newest first."""
        with self._pool.connection() as connection:
            number = self._number(connection, epoch, stream)
            raws = fetch(
                connection,
                f"{_SELECT} WHERE chain = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
                (number, before_seq, limit),
            )
        return [_row(raw, epoch, stream) for raw in raws]

    def since(self, local: int, limit: int, stream: str) -> list[Row]:
        """Rows with a greater local number, of one stream where it is named."""
        with self._pool.connection() as connection:
            if stream:
                return self._since_in(connection, local, limit, stream)
            raws = fetch(connection, f"{_SELECT} WHERE local > ? ORDER BY local LIMIT ?", (local, limit))
            return self._rows(connection, raws)

    def by_ids(self, ids: Iterable[bytes]) -> dict[bytes, Row]:
        """Rows by id; what left its chain has the local number 0."""
        wanted = list(ids)
        with self._pool.connection() as connection:
            found = self._select_in(connection, _SELECT, "id", wanted)
            rows = {row.id: row for row in found}
            missing = [id_ for id_ in wanted if id_ not in rows]
            if missing:
                aside = self._select_in(connection, f"SELECT 0, {_REST} FROM branches", "id", missing)  # noqa: S608
                rows |= {row.id: row for row in aside}
        return rows

    def nonce_seq(self, epoch: bytes, stream: str, device: bytes, nonce: bytes) -> int:
        """Return where in a chain a (device, nonce) stands, 0 where none has it."""
        with self._pool.connection() as connection:
            raws = fetch(
                connection,
                "SELECT seq FROM nonces JOIN devices ON devices.number = device"
                " WHERE chain = ? AND nonce = ? AND key = ?",
                (self._number(connection, epoch, stream), nonce, device),
            )
        return int(raws[0][0]) if raws else 0

    def control_rows(self) -> Iterator[Row]:
        """Return the events of control streams, by local number."""
        with self._pool.connection() as connection:
            chains = fetch(
                connection,
                "SELECT chains.number FROM chains JOIN streams ON streams.number = chains.stream WHERE control",
            )
            locals_ = sorted(self._locals(connection, [number for (number,) in chains], 0))
        return self._paged_by_local(locals_)

    def pending_rows(self) -> Iterator[Row]:
        """Return the events that wait for something."""
        with self._pool.connection() as connection:
            raws = fetch(connection, "SELECT local FROM events WHERE verdict = 1 ORDER BY local")
        return self._paged_by_local([local for (local,) in raws])

    def erase_rows(self) -> Iterator[Row]:
        """Return the erasures that stand in their chains, by local number."""
        with self._pool.connection() as connection:
            raws = fetch(connection, "SELECT local FROM events WHERE kind = 'event.erase' ORDER BY local")
        return self._paged_by_local([local for (local,) in raws])

    def bodiless_rows(self, local: int, limit: int) -> list[Row]:
        """Rows without a body after a local number."""
        return self._where("INDEXED BY events_bodiless WHERE body IS NULL", local, limit)

    def rejected_rows(self, local: int, limit: int) -> list[Row]:
        """Rejected rows with a body after a local number."""
        return self._where("INDEXED BY events_sealed WHERE verdict = 2 AND body IS NOT NULL", local, limit)

    def _where(self, rows: str, local: int, limit: int) -> list[Row]:
        """Rows by an index of their own, which is named since the planner would rather walk through all."""
        statement = f"{_SELECT} {rows} AND local > ? ORDER BY local LIMIT ?"
        with self._pool.connection() as connection:
            return self._rows(connection, fetch(connection, statement, (local, limit)))

    # --- small state --------------------------------------------------------------------------------

    def heads(self) -> Iterator[Head]:
        """Every chain's head."""
        after = 0
        while True:
            with self._pool.connection() as connection:
                raws = fetch(
                    connection,
                    "SELECT chains.number, epochs.id, name, seq, chains.id, hlc_us, hlc_counter, contested"
                    " FROM chains JOIN epochs ON epochs.number = epoch JOIN streams ON streams.number = stream"
                    " WHERE chains.number > ? ORDER BY chains.number LIMIT ?",
                    (after, PAGE),
                )
            for _, epoch, stream, seq, id_, us, counter, contested in raws:
                if seq:
                    yield Head(epoch, stream, seq, id_, Hlc(us, counter), contested)
            if len(raws) < PAGE:
                return
            after = raws[-1][0]

    def proofs(self) -> Iterator[Proof]:
        """Return the kept proofs."""
        with self._pool.connection() as connection:
            raws = fetch(
                connection,
                "SELECT epochs.id, name, proofs.seq, one, one_sig, other, other_sig"
                " FROM proofs JOIN chains ON chains.number = proofs.chain"
                " JOIN epochs ON epochs.number = epoch JOIN streams ON streams.number = stream ORDER BY proofs.chain",
            )
        for epoch, stream, seq, one, one_sig, other, other_sig in raws:
            yield Proof(epoch, stream, seq, Envelope(one, one_sig, None, None), Envelope(other, other_sig, None, None))

    def gaps(self) -> Iterator[Gap]:
        """Return what chains no longer hold, by chain and seq."""
        with self._pool.connection() as connection:
            raws = fetch(
                connection,
                "SELECT epochs.id, name, after, gaps.seq, gaps.id, gaps.hlc_us, gaps.hlc_counter, checkpoint"
                " FROM gaps JOIN chains ON chains.number = gaps.chain"
                " JOIN epochs ON epochs.number = epoch JOIN streams ON streams.number = stream"
                " ORDER BY gaps.chain, gaps.seq",
            )
        for epoch, stream, after, seq, id_, us, counter, checkpoint in raws:
            yield Gap(epoch, stream, after, seq, id_, Hlc(us, counter), checkpoint)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Identity records, in the order they were stored."""
        after = 0
        while True:
            with self._pool.connection() as connection:
                raws = fetch(
                    connection,
                    "SELECT number, epoch, record FROM records WHERE number > ? ORDER BY number LIMIT ?",
                    (after, PAGE),
                )
            yield from ((epoch, record) for _, epoch, record in raws)
            if len(raws) < PAGE:
                return
            after = raws[-1][0]

    def values(self, space: str) -> dict[bytes, bytes]:
        """All values of a space."""
        with self._pool.connection() as connection:
            return dict(fetch(connection, "SELECT key, value FROM node_values WHERE space = ?", (space,)))

    def values_between(self, space: str, after: bytes, upto: bytes) -> dict[bytes, bytes]:
        """Values of a space by a range of keys."""
        statement = "SELECT key, value FROM node_values WHERE space = ? AND key > ? AND key <= ?"
        with self._pool.connection() as connection:
            return dict(fetch(connection, statement, (space, after, upto)))

    def with_connection(self, query: Callable[[apsw.Connection], list[str]]) -> list[str]:
        """Run a query of the caller's."""
        with self._pool.connection() as connection:
            return query(connection)

    # --- parts ----------------------------------------------------------------------------------------

    def _since_in(self, connection: apsw.Connection, local: int, limit: int, stream: str) -> list[Row]:
        """Merge the stream's chains by local number.

        Within a chain it grows with seq, so each is searched for its first by bisection: some 20 look-ups in place
        of a second index on every event.
        """
        chains = fetch(
            connection,
            "SELECT chains.number, seq FROM chains JOIN streams ON streams.number = stream WHERE name = ?",
            (stream,),
        )
        parts = []
        for number, head in chains:
            first = _first_after(connection, number, head, local)
            rows = fetch(
                connection,
                "SELECT local FROM events WHERE chain = ? AND seq >= ? ORDER BY seq LIMIT ?",
                (number, first, limit),
            )
            parts.append([value for (value,) in rows])
        return self._by_locals(connection, list(islice(merge(*parts), limit)))

    def _locals(self, connection: apsw.Connection, chains: Sequence[int], after: int) -> Iterator[int]:
        for number in chains:
            rows = fetch(
                connection, "SELECT local FROM events WHERE chain = ? AND seq > ? ORDER BY seq", (number, after)
            )
            yield from (local for (local,) in rows)

    def _paged_by_local(self, locals_: Sequence[int]) -> Iterator[Row]:
        for start in range(0, len(locals_), PAGE):
            with self._pool.connection() as connection:
                rows = self._by_locals(connection, locals_[start : start + PAGE])
            yield from rows

    def _by_locals(self, connection: apsw.Connection, locals_: Sequence[int]) -> list[Row]:
        return sorted(self._select_in(connection, _SELECT, "local", locals_))

    def _select_in(self, connection: apsw.Connection, select: str, column: str, keys: Sequence[SqlValue]) -> list[Row]:
        raws: list[_Raw] = []
        for page in key_pages(keys):
            marks = _MARKS[len(page)]
            raws += fetch(connection, f"{select} WHERE {column} IN ({marks})", page)
        return self._rows(connection, raws)

    def _rows(self, connection: apsw.Connection, raws: Iterable[_Raw]) -> list[Row]:
        rows = []
        for raw in raws:
            names = self._names.get(raw[1]) or self._find_names(connection, raw[1])
            rows.append(_row(raw, *names))
        return rows

    def _find_names(self, connection: apsw.Connection, chain: int) -> _Names:
        names: _Names = fetch(
            connection,
            "SELECT epochs.id, name FROM chains JOIN epochs ON epochs.number = epoch"
            " JOIN streams ON streams.number = stream WHERE chains.number = ?",
            (chain,),
        )[0]
        if len(self._names) >= NAMES_CACHED:
            self._names.clear()
        self._names[chain] = names
        return names

    def _number(self, connection: apsw.Connection, epoch: bytes, stream: str) -> int:
        """Return the chain's number, 0 (which none has) where it is not held."""
        number = self._numbers.get((epoch, stream))
        if number is None:
            raws = fetch(
                connection,
                "SELECT chains.number FROM chains JOIN epochs ON epochs.number = epoch"
                " JOIN streams ON streams.number = stream WHERE name = ? AND epochs.id = ?",
                (stream, epoch),
            )
            if not raws:
                return 0
            if len(self._numbers) >= NAMES_CACHED:
                self._numbers.clear()
            number = self._numbers[(epoch, stream)] = int(raws[0][0])
        return number


_MARKS = {size: ",".join("?" * size) for size in KEY_SIZES}


def _until(raws: apsw.Cursor, epoch: bytes, stream: str, max_bytes: int) -> list[Row]:
    rows, size = [], 0
    for raw in raws:
        rows.append(_row(raw, epoch, stream))
        size += len(raw[7]) + len(raw[10] or b"")
        if size >= max_bytes:
            raws.close()
            break
    return rows


def _row(raw: _Raw, epoch: bytes, stream: str) -> Row:
    local, _, seq, id_, us, counter, kind, event, sig, salt, body, verdict, reason, withheld = raw
    return Row(
        local, id_, epoch, stream, seq, Hlc(us, counter), kind,
        Envelope(event, sig, salt, body), _VERDICTS[verdict], reason, withheld,
    )  # fmt: skip  # as the columns stand in the table


def _first_after(connection: apsw.Connection, chain: int, head: int, local: int) -> int:
    """Return the lowest seq of the chain whose local number is greater (head + 1 where none is)."""
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        rows = fetch(
            connection, "SELECT local FROM events WHERE chain = ? AND seq >= ? ORDER BY seq LIMIT 1", (chain, middle)
        )
        if rows and rows[0][0] <= local:
            low = middle + 1
        else:
            high = middle
    return low
