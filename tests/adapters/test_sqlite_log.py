"""What only a log on disk can suffer: power failure, a full disk, damage, versions, and many threads."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from foedus.adapters import sqlite_log, sqlite_schema
from foedus.adapters.sqlite_checkpoint import Checkpointer
from foedus.adapters.sqlite_errors import translate
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.log.event import Envelope
from foedus.log.port import Commit, Truncate, Value
from tests.adapters.event_log_contract import EPOCH, OTHER_EPOCH, OTHER_ROOM, ROOM, entry, run

_CRASHING = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from foedus.adapters import sqlite_log
    from foedus.log.port import Commit, Truncate, Value
    from tests.adapters.event_log_contract import EPOCH, OTHER_ROOM, ROOM, entry, run
    sqlite_log.CHECKPOINT_PAGES = 40
    log = sqlite_log.SqliteLog(Path(sys.argv[1]))
    seq = max((head.seq for head in log.heads() if head.stream == ROOM), default=0)
    other = max((head.seq for head in log.heads() if head.stream == OTHER_ROOM), default=0)
    while True:
        entries = [*run(seq + 1, seq + 20), *run(other + 1, other + 5, stream=OTHER_ROOM)]
        seq, other = seq + 20, other + 5
        log.commit(Commit(entries=entries, values=[Value("test", b"seq", b"%d" % seq)]))
        print(seq, log.last_local, flush=True)
    """
)


@pytest.mark.slow
def test_kill_9_loses_nothing_acknowledged_and_leaves_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    acknowledged, last_local = 0, 0
    for attempt in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", _CRASHING, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])])},
        )
        assert child.stdout is not None
        for _ in range(7 + 13 * attempt):
            acknowledged, last_local = map(int, child.stdout.readline().split())
        child.send_signal(signal.SIGKILL)
        for line in child.stdout.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                acknowledged, last_local = map(int, line.split())
        child.wait()
        child.stdout.close()
        log = SqliteLog(path)
        heads = {head.stream: head.seq for head in log.heads()}
        assert heads[ROOM] >= acknowledged
        assert log.last_local >= last_local
        assert heads[ROOM] % 20 == 0
        assert heads[OTHER_ROOM] == heads[ROOM] // 4
        assert log.values("test") == {b"seq": b"%d" % heads[ROOM]}
        assert log.check() == []
        assert [row.seq for row in log.chain(EPOCH, ROOM, 0, 1 << 20)] == list(range(1, heads[ROOM] + 1))
        log.close()


def test_on_a_full_disk_nothing_happens_and_later_commits_work(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.commit(Commit(entries=run(1, 10)))
    pages = log._connection.execute("PRAGMA page_count").fetchall()[0][0]
    log._connection.execute(f"PRAGMA max_page_count = {pages + 3}").fetchall()
    big = Envelope(b"e" * 30_000, b"s" * 64, None, None)
    with pytest.raises(Unavailable) as caught:
        log.commit(
            Commit(
                truncations=[Truncate(EPOCH, ROOM, 9)],
                entries=[entry(9, branch=1, envelope=big)],
                values=[Value("a", b"k", b"v")],
            )
        )
    assert caught.value.code == "disk_full"
    assert "free some space" in caught.value.remedy
    assert [row.id for row in log.since(0, 100)] == [one.id for one in run(1, 10)]
    assert log.values("a") == {}
    assert log.check() == []
    log._connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert log.commit(Commit(entries=run(11, 12))).first_local == 11
    log.close()


def _fill(log: SqliteLog) -> None:
    for seq in range(11, 1_000_000, 50):
        log.commit(Commit(entries=run(seq, seq + 49)))


def _read_all(log: SqliteLog) -> None:
    for seq in range(500):
        log.chain(EPOCH, ROOM, seq, 1)
        log.by_ids([entry(seq + 1).id])


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_on_a_disk_that_is_really_full_too(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        log = SqliteLog(disk / "log.db")
        log.commit(Commit(entries=run(1, 10)))
        (disk / "ballast").write_bytes(b"x" * 300_000)
        with pytest.raises(Unavailable) as caught:
            _fill(log)
        assert caught.value.code == "disk_full"
        (seq,) = [head.seq for head in log.heads()]
        assert seq % 50 == 10
        (disk / "ballast").unlink()
        log.commit(Commit(entries=run(seq + 1, seq + 50)))
        assert [head.seq for head in log.heads()] == [seq + 50]
        assert log.check() == []
        log.close()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_failed_write_ends_writing_until_the_log_is_opened_anew(tmp_path: Path, monkeypatch) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.commit(Commit(entries=[entry(1)]))

    def failing(*_: object) -> None:
        raise apsw.IOError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(log._writer, "apply", failing)
        with pytest.raises(Unavailable) as caught:
            log.commit(Commit(entries=[entry(2)]))
        assert caught.value.code == "disk_failed"
    with pytest.raises(Unavailable) as caught:
        log.commit(Commit(entries=[entry(2)]))
    assert caught.value.code == "disk_failed"
    assert [row.seq for row in log.since(0, 10)] == [1]
    log.close()


def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"these are not the bytes of a database, whatever the name says" * 100)
    with pytest.raises(Unavailable) as caught:
        SqliteLog(path)
    assert caught.value.code == "damaged_database"
    assert "backup" in caught.value.remedy


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Unavailable) as caught:
        SqliteLog(path)
    assert caught.value.code == "damaged_database"
    assert path.read_bytes() == before


def test_damaged_pages_are_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog(path)
    log.commit(Commit(entries=run(1, 500)))
    log.close()
    data = bytearray(path.read_bytes())
    for page in range(24, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(data)
    log = SqliteLog(path)
    assert log.check() != []
    with pytest.raises(Unavailable) as caught:
        _read_all(log)
    assert caught.value.code == "damaged_database"
    log.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM events WHERE seq = 3", "has 4 events up to seq 5"),
        ("DELETE FROM events WHERE seq = 5", "has 4 events up to seq 4"),
        ("UPDATE chains SET seq = 6", "its head is 6"),
        ("UPDATE chains SET id = x'00'", "another event"),
        ("UPDATE events SET chain = 9 WHERE seq = 5", "belongs to chain 9"),
        ("DELETE FROM epochs", "an epoch or a stream"),
        ("UPDATE events SET local = 99 WHERE seq = 2", "do not grow"),
    ],
)
def test_check_finds_what_sqlite_cannot_know(tmp_path: Path, damage: str, words: str) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.commit(Commit(entries=run(1, 5)))
    assert log.check() == []
    log._connection.execute(damage)
    assert any(words in fault for fault in log.check()), log.check()
    log.close()


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteLog(path).close()
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {sqlite_schema.VERSION + 1}").fetchall()
    connection.close()
    with pytest.raises(UsageError) as caught:
        SqliteLog(path)
    assert caught.value.code == "newer_database"


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SqliteLog(tmp_path / "nowhere" / "log.db")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (apsw.FullError, "disk_full"),
        (apsw.ReadOnlyError, "read_only"),
        (apsw.CorruptError, "damaged_database"),
        (apsw.NotADBError, "damaged_database"),
        (apsw.IOError, "disk_failed"),
        (apsw.CantOpenError, "disk_failed"),
        (apsw.BusyError, "database_busy"),
        (apsw.ConstraintError, "broken_commit"),
        (apsw.ConnectionClosedError, "closed"),
    ],
)
def test_every_error_of_sqlite_gets_a_code_and_a_remedy(error: type[apsw.Error], code: str) -> None:
    ours = translate(error("it happened"), "log.db")
    assert isinstance(ours, FoedusError)
    assert ours.code == code
    assert "it happened" in str(ours)
    assert ours.remedy


def test_the_files_are_private(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.commit(Commit(entries=[entry(1)]))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes) == {"log.db", "log.db-wal", "log.db-shm"}
    assert set(modes.values()) == {0o600}
    log.close()


def test_every_commit_is_synced(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    assert log._connection.execute("PRAGMA synchronous").fetchall() == [(2,)]
    assert log._connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    log.close()


def test_no_page_is_written_outside_of_the_home(tmp_path: Path) -> None:
    """An INSERT of many rows keeps what it changes until it ends: in memory, not in a file of the system's own."""
    log = SqliteLog(tmp_path / "log.db")
    assert log._connection.execute("PRAGMA temp_store").fetchall() == [(2,)]
    log.close()


def wait_for_the_thread(checkpointer: Checkpointer) -> None:
    """Return when what it was asked for is done; on a busy machine it may not run for long."""
    for _ in range(20_000):
        if checkpointer._state.value != "requested":
            return
        time.sleep(0.001)
    raise AssertionError("the thread does not finish")


def test_the_write_ahead_log_is_checkpointed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sqlite_log, "CHECKPOINT_PAGES", 50)
    log = SqliteLog(tmp_path / "log.db")
    for start in range(0, 4_000, 100):
        log.commit(Commit(entries=run(start + 1, start + 100)))
        wait_for_the_thread(log._checkpointer)
    assert (tmp_path / "log.db-wal").stat().st_size < 1_000_000 < (tmp_path / "log.db").stat().st_size
    assert log.check() == []
    log.close()


def test_small_commits_stay_in_what_the_write_ahead_log_has(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sqlite_log, "CALM_PAGES", 40)
    log = SqliteLog(tmp_path / "log.db")
    for seq in range(1, 200):
        log.commit(Commit(entries=[entry(seq)]))
        wait_for_the_thread(log._checkpointer)
    assert (tmp_path / "log.db-wal").stat().st_size < 60 * 4_200
    assert log.check() == []
    log.close()


def test_the_writer_finishes_the_checkpoint_that_the_thread_began(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog(path)
    log.commit(Commit(entries=run(1, 100)))
    checkpointer = Checkpointer(path, 10, 5)
    assert not checkpointer.due(9, is_calm=False)
    assert not checkpointer.due(10, is_calm=False)
    for _ in range(2_000):
        time.sleep(0.001)
        if checkpointer.due(9, is_calm=False):
            break
    else:
        pytest.fail("the thread did not answer")
    assert not checkpointer.due(9, is_calm=False)
    checkpointer.close()
    log.close()


def test_many_threads_read_while_one_writes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")

    def read(_: int) -> None:
        for _ in range(40):
            durable = log.last_local
            rows = log.since(0, 10_000)
            assert len(rows) >= durable
            assert [row.local for row in rows] == list(range(1, len(rows) + 1))
            assert sum(head.seq for head in log.heads()) >= durable

    def write() -> None:
        for seq in range(1, 200):
            log.commit(Commit(entries=[entry(seq), entry(seq, epoch=OTHER_EPOCH), entry(seq, stream=OTHER_ROOM)]))

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(write), *(pool.submit(read, number) for number in range(15))]:
            future.result()
    log.close()


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_database_is_brought_up_to_this_version(tmp_path: Path, version: int) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog(path)
    log.commit(Commit(entries=run(1, 3), drops=[entry(2).id]))
    log.close()
    connection = apsw.Connection(str(path))
    connection.execute("DROP INDEX events_bodiless; DROP INDEX events_sealed")
    if version == 1:
        connection.execute("DROP INDEX events_erasing; DROP TABLE gaps")
    connection.execute(f"PRAGMA user_version = {version}").fetchall()
    connection.close()
    log = SqliteLog(path)
    assert [row.seq for row in log.bodiless_rows(0, 9)] == [2]
    assert (list(log.gaps()), log.check()) == ([], [])
    log.close()
    assert apsw.Connection(str(path)).execute("PRAGMA user_version").fetchall() == [(sqlite_schema.VERSION,)]
