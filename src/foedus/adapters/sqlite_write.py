"""A commit, as the statements of SQLite: what ``SqliteLog`` runs between BEGIN and COMMIT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import apsw

from foedus.adapters.log_errors import BrokenCommit
from foedus.adapters.sqlite_bulk import BulkInsert, SqlValue, fetch
from foedus.base.clock import ZERO, Hlc
from foedus.log.port import BodyFill, Commit, Committed, Entry, Gap, Proof, Truncate, Value, Verdict, VerdictChange
from foedus.log.streams import parse

REPLAYED = "replayed_nonce"
CHAINS_CACHED = 16_384
INTERNED_CACHED = 65_536
"""What the writer remembers of chains and names: beyond, it forgets all and reads again (some 10 MB at most)."""

_EVENTS = BulkInsert("INSERT INTO events", 14)
_NONCES = BulkInsert("INSERT OR IGNORE INTO nonces", 4)
_CHAINS = BulkInsert(
    "INSERT INTO chains",
    8,
    "ON CONFLICT (number) DO UPDATE SET seq = excluded.seq, id = excluded.id, hlc_us = excluded.hlc_us,"
    " hlc_counter = excluded.hlc_counter, contested = excluded.contested",
)
_NEW_VERDICT = ", ".join(
    f"{column} = iif(reason = '{REPLAYED}', {column}, {value})"
    for column, value in (("verdict", "?"), ("withheld", "ifnull(?, withheld)"), ("reason", "?"))
)
"""A replay is found here, and stays: judging anew does not know of it."""
_BRANCH_COLUMNS = "id, chain, seq, hlc_us, hlc_counter, kind, event, sig, salt, body, verdict, reason, withheld"

_Row: TypeAlias = tuple[SqlValue, ...]
"""The columns of ``events``."""
_Nonce: TypeAlias = tuple[int, bytes, int, int]
"""The columns of ``nonces``: chain, nonce, device, seq."""


@dataclass(slots=True, eq=False)
class _Chain:
    """A chain's row, as the running transaction has it."""

    number: int
    epoch: int
    stream: int
    seq: int = 0
    id: bytes = b""
    hlc: Hlc = ZERO
    contested: int = 0

    def row(self) -> tuple[SqlValue, ...]:
        return (self.number, self.epoch, self.stream, self.seq, self.id, *self.hlc, self.contested)


class _Interned:
    """Values of one table by their small numbers. Numbers are given here, so new rows go in one step."""

    def __init__(self, connection: apsw.Connection, table: str, column: str, width: int) -> None:
        self._connection = connection
        self._select = f"SELECT number FROM {table} WHERE {column} = ?"  # noqa: S608  # names of ours
        self._max = f"SELECT coalesce(max(number), 0) FROM {table}"  # noqa: S608  # names of ours
        self._insert = BulkInsert(f"INSERT INTO {table}", width)
        self._numbers: dict[bytes | str, int] = {}
        self._new: list[tuple[SqlValue, ...]] = []
        self._last: int | None = None

    def number(self, value: bytes | str, *others: SqlValue) -> int:
        """Return the number of ``value``, giving it one (and storing ``others`` beside it) where it has none."""
        number = self._numbers.get(value)
        if number is None:
            number = self._find(value) or self._give(value, others)
            self._numbers[value] = number
        return number

    def flush(self) -> None:
        """Insert what was given a number since."""
        if self._new:
            self._insert.run(self._connection, self._new)
            self._new.clear()

    def forget(self) -> None:
        """Forget everything, as after a rollback."""
        self._numbers.clear()
        self._new.clear()
        self._last = None

    def trim(self) -> None:
        """Between transactions: hold no more than the bound."""
        if len(self._numbers) > INTERNED_CACHED:
            self.forget()

    def _find(self, value: bytes | str) -> int:
        rows = fetch(self._connection, self._select, (value,))
        return int(rows[0][0]) if rows else 0

    def _give(self, value: bytes | str, others: tuple[SqlValue, ...]) -> int:
        if self._last is None:
            self._last = int(fetch(self._connection, self._max)[0][0])
        self._last += 1
        self._new.append((self._last, value, *others))
        return self._last


class CommitWriter:
    """Applies commits within a transaction that its caller opens, and ends by COMMIT or by ROLLBACK and ``forget``."""

    def __init__(self, connection: apsw.Connection, last_local: int) -> None:
        self._connection = connection
        self.last_local = last_local
        self._epochs = _Interned(connection, "epochs", "id", 2)
        self._streams = _Interned(connection, "streams", "name", 3)
        self._devices = _Interned(connection, "devices", "key", 2)
        self._chains: dict[tuple[bytes, str], _Chain] = {}
        self._touched: dict[int, _Chain] = {}
        self._last_chain: int | None = None

    def forget(self, last_local: int) -> None:
        """Forget what a transaction did that was rolled back."""
        self.last_local = last_local
        self._chains.clear()
        self._touched.clear()
        self._last_chain = None
        for table in (self._epochs, self._streams, self._devices):
            table.forget()

    def apply(self, commits: Sequence[Commit]) -> list[Committed]:
        """Write the commits in order. Raises BrokenCommit or an apsw error; then the caller rolls back."""
        self._trim()
        results: list[Committed] = []
        for run in _runs(commits):
            for truncation in run[0].truncations:
                self._truncate(truncation)
            for gap in run[0].gaps:
                self._leave_gap(gap)
            results += self._append(run)
            for commit in run:
                self._apply_rest(commit)
        for table in (self._epochs, self._streams, self._devices):
            table.flush()
        _CHAINS.run(self._connection, [chain.row() for chain in self._touched.values()])
        self._touched.clear()
        return results

    def _apply_rest(self, commit: Commit) -> None:
        for entry in commit.asides:
            self._set_aside(entry)
        for body in commit.bodies:
            self._fill(body)
        for id_ in commit.drops:
            self._drop(id_)
        for change in commit.verdicts:
            self._judge(change)
        for proof in commit.proofs:
            self._keep_proof(proof)
        for epoch, record in commit.records:
            self._connection.execute("INSERT OR IGNORE INTO records (epoch, record) VALUES (?, ?)", (epoch, record))
        for value in commit.values:
            self._set(value)

    # --- entries ---------------------------------------------------------------------------------

    def _append(self, commits: Sequence[Commit]) -> list[Committed]:
        """Append the entries of all commits in one sweep; return what each commit's caller is told."""
        first = self.last_local + 1
        rows: list[_Row] = []
        nonces: list[_Nonce] = []
        for commit in commits:
            self._prepare(commit.entries, rows, nonces)
        replayed = self._claim(nonces)
        if replayed:
            rows = [_rejected(row) if (row[1], row[2]) in replayed else row for row in rows]
        _EVENTS.run(self._connection, rows)
        results, position = [], 0
        for commit in commits:
            part = rows[position : position + len(commit.entries)] if replayed else ()
            indexes = tuple(i for i, row in enumerate(part) if (row[1], row[2]) in replayed)
            results.append(Committed(first + position, indexes))
            position += len(commit.entries)
        return results

    def _prepare(
        self,
        entries: Iterable[Entry],
        rows: list[_Row],
        nonces: list[_Nonce],
    ) -> None:
        """Move the heads in memory and write the rows of the tables into ``rows`` and ``nonces``. The hot loop."""
        local = self.last_local
        for id_, epoch, stream, seq, hlc, kind, device, nonce, envelope, verdict, reason, withheld in entries:
            chain = self._chains.get((epoch, stream)) or self._chain(epoch, stream)
            if seq != chain.seq + 1:
                raise BrokenCommit(f"event {seq} of {stream} does not follow {chain.seq}")
            self._touched[chain.number] = chain
            chain.seq, chain.id, chain.hlc = seq, id_, hlc
            local += 1
            if device is not None:
                nonces.append((chain.number, nonce, self._devices.number(device), seq))
            rows.append((local, chain.number, seq, id_, *hlc, kind, *envelope, int(verdict), reason, withheld))
        self.last_local = local

    def _claim(self, nonces: list[_Nonce]) -> set[tuple[SqlValue, SqlValue]]:
        """Store the nonces, first come first served; return (chain, seq) of those that were taken before.

        Sorted, neighbours meet the same page, and of two that are equal the lower seq comes first.
        """
        nonces.sort()
        if _NONCES.run(self._connection, nonces) == len(nonces):
            return set()
        holder = "SELECT seq FROM nonces WHERE chain = ? AND nonce = ? AND device = ?"
        return {
            (chain, seq)
            for chain, nonce, device, seq in nonces
            if fetch(self._connection, holder, (chain, nonce, device))[0][0] != seq
        }

    def _chain(self, epoch: bytes, stream: str) -> _Chain:
        """Return the chain as it stands, a new one where there is none."""
        chain = self._chains.get((epoch, stream))
        if chain is None:
            epoch_number = self._epochs.number(epoch)
            stream_number = self._streams.number(stream, int(parse(stream).is_control))
            chain = self._stored_chain(epoch_number, stream_number) or self._new_chain(epoch_number, stream_number)
            self._chains[(epoch, stream)] = chain
        return chain

    def _stored_chain(self, epoch: int, stream: int) -> _Chain | None:
        rows = fetch(
            self._connection,
            "SELECT number, seq, id, hlc_us, hlc_counter, contested FROM chains WHERE stream = ? AND epoch = ?",
            (stream, epoch),
        )
        if not rows:
            return None
        number, seq, id_, us, counter, contested = rows[0]
        return _Chain(number, epoch, stream, seq, id_, Hlc(us, counter), contested)

    def _new_chain(self, epoch: int, stream: int) -> _Chain:
        if self._last_chain is None:
            statement = "SELECT coalesce(max(number), 0) FROM chains"
            self._last_chain = int(fetch(self._connection, statement)[0][0])
        self._last_chain += 1
        return _Chain(self._last_chain, epoch, stream)

    # --- what moves held events --------------------------------------------------------------------

    def _truncate(self, truncation: Truncate) -> None:
        """Move the chain's end aside. Its nonces are free again: whatever they rejected left with them."""
        chain, first = self._chain(truncation.epoch, truncation.stream), truncation.from_seq
        if first < 1:
            raise BrokenCommit(f"a chain cannot be cut at {first}")
        if first > chain.seq:
            return
        where = (chain.number, first)
        run = self._connection.execute
        run(
            f"INSERT OR REPLACE INTO branches SELECT {_BRANCH_COLUMNS} FROM events"  # noqa: S608  # names of ours
            " WHERE chain = ? AND seq >= ?",
            where,
        )
        run("DELETE FROM events WHERE chain = ? AND seq >= ?", where)
        run("DELETE FROM nonces WHERE chain = ? AND seq >= ?", where)
        run("DELETE FROM gaps WHERE chain = ? AND seq >= ?", where)
        run("UPDATE meta SET value = ? WHERE key = 'last_local'", (self.last_local,))
        rows = fetch(
            self._connection,
            "SELECT seq, id, hlc_us, hlc_counter FROM events WHERE chain = ?1 AND seq < ?2"
            " UNION ALL SELECT seq, id, hlc_us, hlc_counter FROM gaps WHERE chain = ?1 AND seq < ?2"
            " ORDER BY seq DESC LIMIT 1",
            where,
        )
        seq, id_, us, counter = rows[0] if rows else (0, b"", *ZERO)
        chain.seq, chain.id, chain.hlc = seq, id_, Hlc(us, counter)
        self._touched[chain.number] = chain

    def _set_aside(self, entry: Entry) -> None:
        """Keep an event by its id alone."""
        chain = self._chain(entry.epoch, entry.stream)
        self._touched[chain.number] = chain
        place = (entry.id, chain.number, entry.seq, *entry.hlc, entry.kind)
        values = (*place, *entry.envelope, int(entry.verdict), entry.reason, entry.withheld)
        marks = ", ".join("?" * len(values))
        self._connection.execute(
            f"INSERT OR IGNORE INTO branches ({_BRANCH_COLUMNS}) VALUES ({marks})",  # noqa: S608  # names of ours
            values,
        )

    def _leave_gap(self, gap: Gap) -> None:
        """Drop the events of a gap. Their nonces stay: what they used is used."""
        chain = self._chain(gap.epoch, gap.stream)
        if not 0 <= gap.after < gap.seq:
            raise BrokenCommit(f"no gap goes from {gap.after} to {gap.seq}")
        where = (chain.number, gap.after, gap.seq)
        self._connection.execute("DELETE FROM events WHERE chain = ? AND seq > ? AND seq <= ?", where)
        self._connection.execute("DELETE FROM gaps WHERE chain = ? AND seq > ? AND seq <= ?", where)
        self._connection.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?)",
            (chain.number, gap.seq, gap.after, gap.id, *gap.hlc, gap.checkpoint),
        )
        self._connection.execute("UPDATE meta SET value = ? WHERE key = 'last_local'", (self.last_local,))
        if chain.seq < gap.seq:
            chain.seq, chain.id, chain.hlc = gap.seq, gap.id, gap.hlc
        self._touched[chain.number] = chain

    def _drop(self, id_: bytes) -> None:
        for table in ("events", "branches"):
            self._connection.execute(f"UPDATE {table} SET salt = NULL, body = NULL WHERE id = ?", (id_,))  # noqa: S608

    def _fill(self, fill: BodyFill) -> None:
        self._update("salt = ?, body = ?", (fill.salt, fill.body), fill.id)

    def _judge(self, change: VerdictChange) -> None:
        self._update(_NEW_VERDICT, (int(change.verdict), change.withheld or None, change.reason), change.id)

    def _update(self, assignment: str, values: tuple[SqlValue, ...], id_: bytes) -> None:
        for table in ("events", "branches"):
            statement = f"UPDATE {table} SET {assignment} WHERE id = ?"  # noqa: S608  # names of ours
            self._connection.execute(statement, (*values, id_))
            if self._connection.changes():
                return
        raise BrokenCommit(f"event {id_.hex()} is not held")

    # --- evidence, records, values -------------------------------------------------------------------

    def _keep_proof(self, proof: Proof) -> None:
        """Keep the proof of the lowest fork of a chain: so nodes agree on it whatever came first."""
        chain = self._chain(proof.epoch, proof.stream)
        if chain.contested and chain.contested <= proof.seq:
            return
        chain.contested = proof.seq
        self._touched[chain.number] = chain
        self._connection.execute(
            "INSERT OR REPLACE INTO proofs VALUES (?, ?, ?, ?, ?, ?)",
            (chain.number, proof.seq, proof.one.event, proof.one.sig, proof.other.event, proof.other.sig),
        )

    def _set(self, value: Value) -> None:
        if value.value is None:
            self._connection.execute("DELETE FROM node_values WHERE space = ? AND key = ?", (value.space, value.key))
            return
        self._connection.execute(
            "INSERT OR REPLACE INTO node_values VALUES (?, ?, ?)", (value.space, value.key, value.value)
        )

    def _trim(self) -> None:
        if len(self._chains) > CHAINS_CACHED:
            self._chains.clear()
        for table in (self._epochs, self._streams, self._devices):
            table.trim()


def _runs(commits: Sequence[Commit]) -> list[list[Commit]]:
    """Split the commits where one truncates or leaves a gap: the entries of each run can be appended in one sweep."""
    runs: list[list[Commit]] = []
    for commit in commits:
        if not runs or commit.truncations or commit.gaps:
            runs.append([])
        runs[-1].append(commit)
    return runs


def _rejected(row: tuple[SqlValue, ...]) -> tuple[SqlValue, ...]:
    """Return a row of ``events`` with the verdict of a replay."""
    return (*row[:-3], int(Verdict.REJECTED), REPLAYED, row[-1])
