"""The log in one SQLite file: the default adapter of ``log/port.py``.

Write-ahead log with ``synchronous=FULL``: when ``commit`` returns, the transaction is on disk. One connection
writes, from one thread at a time; readers have their own and see the last durable state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock

import apsw

from foedus.adapters.log_errors import DiskFailed, DiskFull, LogClosed
from foedus.adapters.sqlite_bulk import fetch
from foedus.adapters.sqlite_check import faults
from foedus.adapters.sqlite_checkpoint import Checkpointer, passive
from foedus.adapters.sqlite_errors import read_from, translate, translated
from foedus.adapters.sqlite_read import LogReader
from foedus.adapters.sqlite_schema import BUSY_TIMEOUT_MS, open_writer
from foedus.adapters.sqlite_write import CommitWriter
from foedus.log.port import Commit, Committed, Gap, Head, Proof, Row

CHECKPOINT_PAGES = 16_384
"""Pages (64 MiB) in the write-ahead log before its content moves into the database: a page that many commits changed
is then written once (at 10^6 events a commit of 256 changes 500 pages; 32 MiB cost 10 us more an event, 128 MiB save
a few and take the disk)."""

CALM_PAGES = 1_024
CALM_EVENTS = 8
"""While commits are small the write-ahead log is taken up again from its beginning after 4 MiB. What lies in blocks
that the file has already is durable sooner than what makes it grow, for which the file system writes its journal,
too: 0.33 ms against 0.45 for a commit of one event, fsync included."""

SCRUB_WAIT_MS = 500
"""A scrub holds up the writer, so it waits no longer for readers (ours read a page in milliseconds)."""


class SqliteLog:
    """``EventLog`` over the file ``path``, which is made where it does not exist (its folder must)."""

    def __init__(self, path: Path) -> None:
        """Raise DamagedDatabase, NewerDatabase, or Unavailable where the world does not let us."""
        self._path = path
        self._lock = Lock()
        self._closed = False
        self._failure = ""
        self._wal_pages = 0
        with read_from(str(path)):
            self._connection = open_writer(path)
            self._connection.set_wal_hook(self._on_wal)
            self._store_id = bytes(self._meta("store_id"))
            highest = fetch(self._connection, "SELECT coalesce(max(local), 0) FROM events")[0][0]
            self._last_local = max(int(highest), int(self._meta("last_local")))
        self._writer = CommitWriter(self._connection, self._last_local)
        self._reader = LogReader(path)
        self._checkpointer = Checkpointer(path, CHECKPOINT_PAGES, CALM_PAGES)

    @property
    def store_id(self) -> bytes:
        """16 random bytes given when the store was made."""
        return self._store_id

    @property
    def last_local(self) -> int:
        """The highest local number ever given by a durable commit, 0 in an empty store."""
        return self._last_local

    def commit(self, commit: Commit) -> Committed:
        """Store everything of ``commit`` or, raising, nothing."""
        return self.commit_many([commit])[0]

    def commit_many(self, commits: Sequence[Commit]) -> list[Committed]:
        """Apply the commits in order in one transaction."""
        with self._lock, translated(str(self._path)):
            self._require_usable()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                results = self._writer.apply(commits)
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(error)
                raise
            self._last_local = self._writer.last_local
            is_calm = sum(len(commit.entries) for commit in commits) <= CALM_EVENTS
            if self._checkpointer.due(self._wal_pages, is_calm=is_calm):
                passive(self._connection)
        return results

    def heads(self) -> Iterator[Head]:
        """Every chain's head."""
        return self._reader.heads()

    def control_rows(self) -> Iterator[Row]:
        """Return the events of all control streams, by local number."""
        return self._reader.control_rows()

    def pending_rows(self) -> Iterator[Row]:
        """Return the events whose verdict is PENDING, by local number."""
        return self._reader.pending_rows()

    def erase_rows(self) -> Iterator[Row]:
        """Return the erasures that stand in their chains, by local number."""
        return self._reader.erase_rows()

    def bodiless_rows(self, local: int, limit: int) -> list[Row]:
        """Rows without a body after a local number."""
        return self._reader.bodiless_rows(local, limit)

    def rejected_rows(self, local: int, limit: int) -> list[Row]:
        """Rejected rows with a body after a local number."""
        return self._reader.rejected_rows(local, limit)

    def chain(self, epoch: bytes, stream: str, after_seq: int, limit: int, max_bytes: int = 1 << 62) -> list[Row]:
        """Rows of a chain with seq > ``after_seq``; the one that reaches ``max_bytes`` is the last."""
        return self._reader.chain(epoch, stream, after_seq, limit, max_bytes)

    def chain_backwards(self, epoch: bytes, stream: str, before_seq: int, limit: int) -> list[Row]:
        """Rows of a chain with seq < ``before_seq``, newest first."""
        return self._reader.chain_backwards(epoch, stream, before_seq, limit)

    def by_ids(self, ids: Iterable[bytes]) -> dict[bytes, Row]:
        """Rows by id, also of events that left their chain (their local number is 0)."""
        return self._reader.by_ids(ids)

    def nonce_seq(self, epoch: bytes, stream: str, device: bytes, nonce: bytes) -> int:
        """Return the lowest seq of a chain at which a (device, nonce) stands, 0 where none has it."""
        return self._reader.nonce_seq(epoch, stream, device, nonce)

    def since(self, local: int, limit: int, stream: str = "") -> list[Row]:
        """Rows with a local number > ``local`` in that order, of one stream where it is named."""
        return self._reader.since(local, limit, stream)

    def proofs(self) -> Iterator[Proof]:
        """Return the kept equivocation proofs: of each chain that of its lowest fork."""
        return self._reader.proofs()

    def gaps(self) -> Iterator[Gap]:
        """Return what chains no longer hold, by chain and seq."""
        return self._reader.gaps()

    def scrub(self) -> bool:
        """Move the write-ahead log into the database and cut it to nothing: what it held of dropped bodies is gone.

        The pages themselves were overwritten with zeros as the bodies were dropped (``secure_delete``).
        """
        with self._lock, translated(str(self._path)):
            self._require_usable()
            self._connection.set_busy_timeout(SCRUB_WAIT_MS)
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            finally:
                self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            self._wal_pages = 0
        return True

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """(epoch id, signed record bytes), in the order they were stored; the first of an epoch is kept."""
        return self._reader.records()

    def values(self, space: str) -> dict[bytes, bytes]:
        """All values of a space."""
        return self._reader.values(space)

    def values_between(self, space: str, after: bytes, upto: bytes) -> dict[bytes, bytes]:
        """Values of a space whose keys lie after ``after``, and not after ``upto``."""
        return self._reader.values_between(space, after, upto)

    def check(self) -> list[str]:
        """Say what is damaged. Reads everything: minutes on a large store."""
        return self._reader.with_connection(faults)

    def close(self) -> None:
        """Close the files; later calls raise LogClosed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._checkpointer.close()
            self._reader.close()
            with translated(str(self._path)):
                self._connection.close()

    def _meta(self, key: str) -> bytes | int:
        value: bytes | int = fetch(self._connection, "SELECT value FROM meta WHERE key = ?", (key,))[0][0]
        return value

    def _require_usable(self) -> None:
        if self._closed:
            raise LogClosed("the log is closed")
        if self._failure:
            raise DiskFailed(f"{self._path}: an earlier write failed ({self._failure}); nothing is written since")

    def _roll_back(self, cause: BaseException) -> None:
        """Undo the transaction.

        After a failed write or sync the kernel may have dropped or kept the pages (fsync says it once): only opening
        the log anew tells which, so nothing more is written by this object.
        """
        self._writer.forget(self._last_local)
        if isinstance(cause, apsw.IOError) and not isinstance(translate(cause, ""), DiskFull):
            self._failure = str(cause)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._failure = str(error)

    def _on_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
