"""Group commit: order, grouping, errors to the right caller, back-pressure, and a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event

import pytest

from foedus.adapters import writer as module
from foedus.adapters.log_errors import BrokenCommit, DiskFull
from foedus.adapters.memory_log import MemoryLog
from foedus.adapters.writer import GroupWriter
from foedus.base.errors import Unavailable, UsageError
from foedus.log.port import Commit, Committed, Value
from tests.adapters.event_log_contract import entry, run


class GatedLog(MemoryLog):
    """Stops before each transaction until the gate is open, and remembers what each held."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Event()
        self.entered = Event()
        self.groups: list[int] = []
        self.full = False

    def commit_many(self, commits: Sequence[Commit]) -> list[Committed]:
        self.entered.set()
        assert self.gate.wait(20)
        self.groups.append(len(commits))
        if self.full:
            raise DiskFull("full")
        return super().commit_many(commits)


async def _until(condition) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


async def _blocked(log: GatedLog, writer: GroupWriter) -> asyncio.Task[Committed]:
    """Return a first commit that holds the thread inside the log."""
    task = asyncio.ensure_future(writer.commit(Commit(values=[Value("a", b"first", b"")])))
    await _until(log.entered.is_set)
    return task


@pytest.fixture
def log() -> GatedLog:
    return GatedLog()


async def test_a_commit_is_answered_when_it_is_durable(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    task = await _blocked(log, writer)
    assert not task.done()
    log.gate.set()
    assert await task == (1, ())
    assert await writer.commit(Commit(entries=run(1, 2))) == (1, ())
    await writer.close()


async def test_what_waits_is_written_together_and_in_order(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    tasks = [asyncio.ensure_future(writer.commit(Commit(entries=[entry(seq)]))) for seq in range(1, 101)]
    await _until(lambda: len(writer._queue) == 100)
    log.gate.set()
    await first
    assert [(await task).first_local for task in tasks] == list(range(1, 101))
    assert log.groups == [1, 100]
    await writer.close()


async def test_a_group_has_a_bound(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "GROUP_EVENTS_MAX", 10)
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    sizes = [4, 4, 20, 3]  # each weighs one more
    start, tasks = 1, []
    for size in sizes:
        tasks.append(asyncio.ensure_future(writer.commit(Commit(entries=run(start, start + size - 1)))))
        start += size
    await _until(lambda: len(writer._queue) == 4)
    log.gate.set()
    await asyncio.gather(first, *tasks)
    assert log.groups == [1, 2, 1, 1]
    await writer.close()


async def test_commits_of_a_backlog_wait_for_each_other(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    log.gate.set()
    writer = GroupWriter(log, asyncio.get_running_loop())
    writer.expects_more = lambda: True
    tasks = [writer.commit(Commit(entries=run(start, start + 255))) for start in (1, 257, 513)]
    assert [(await task).first_local for task in tasks] == [1, 257, 513]
    assert log.groups == [3]
    await writer.close()


async def test_talk_is_written_at_once_with_what_waited_before_it(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    log.gate.set()
    writer = GroupWriter(log, asyncio.get_running_loop())
    writer.expects_more = lambda: True
    assert await writer.commit(Commit(entries=[entry(1)])) == (1, ())
    tasks = [writer.commit(Commit(entries=entries)) for entries in (run(2, 257), run(258, 258))]
    assert [(await task).first_local for task in tasks] == [2, 258]
    assert log.groups == [1, 2]
    await writer.close()


async def test_what_is_expected_and_does_not_come_is_not_waited_for_long(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    log.gate.set()
    writer = GroupWriter(log, asyncio.get_running_loop())
    writer.expects_more = lambda: True
    assert await writer.commit(Commit(entries=run(1, 256))) == (1, ())
    assert await writer.commit(Commit(entries=run(257, 512))) == (257, ())
    await writer.close()


async def test_a_backlog_that_waits_is_written_when_the_writer_closes(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    log.gate.set()
    writer = GroupWriter(log, asyncio.get_running_loop())
    writer.expects_more = lambda: True
    waiting = writer.commit(Commit(entries=run(1, 256)))
    await writer.close()
    assert await waiting == (1, ())


async def test_a_faulty_commit_fails_alone(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    commits = [Commit(entries=[entry(1)]), Commit(entries=[entry(7)]), Commit(entries=[entry(2)])]
    tasks = [asyncio.ensure_future(writer.commit(commit)) for commit in commits]
    await _until(lambda: len(writer._queue) == 3)
    log.gate.set()
    await first
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == [(1, ()), (2, ())]
    assert isinstance(outcomes[1], UsageError)
    assert log.groups == [1, 3, 1, 1, 1]
    await writer.close()


async def test_a_full_disk_fails_the_group_and_the_writer_lives_on(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    log.full = True
    tasks = [asyncio.ensure_future(writer.commit(Commit(entries=[entry(seq)]))) for seq in (1, 2)]
    await _until(lambda: len(writer._queue) == 2)
    log.gate.set()
    outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [isinstance(outcome, DiskFull) for outcome in outcomes] == [True, True, True]
    assert log.groups == [1, 2]
    log.full = False
    assert await writer.commit(Commit(entries=run(1, 2))) == (1, ())
    await writer.close()


@pytest.mark.parametrize("bound", ["QUEUE_EVENTS_MAX", "QUEUE_BYTES_MAX"])
async def test_at_the_bound_of_the_queue_callers_wait_in_order(log: GatedLog, monkeypatch, bound: str) -> None:
    monkeypatch.setattr(module, bound, {"QUEUE_EVENTS_MAX": 20, "QUEUE_BYTES_MAX": 800}[bound])
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    tasks = [asyncio.ensure_future(writer.commit(Commit(entries=[entry(seq)]))) for seq in range(1, 41)]
    await _until(lambda: len(writer._queue) == 10)
    await asyncio.sleep(0.02)
    assert len(writer._queue) == 10
    log.gate.set()
    await first
    assert [(await task).first_local for task in tasks] == list(range(1, 41))
    await writer.close()


async def test_a_small_commit_does_not_overtake_a_large_one_that_waits_for_room(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUE_EVENTS_MAX", 10)
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    commits = [run(1, 5), run(6, 14), run(15, 15)]
    tasks = [asyncio.ensure_future(writer.commit(Commit(entries=entries))) for entries in commits]
    await asyncio.sleep(0.02)
    assert len(writer._queue) == 1
    log.gate.set()
    await first
    assert [(await task).first_local for task in tasks] == [1, 6, 15]
    await writer.close()


async def test_a_caller_that_goes_away_harms_nobody(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    gone = asyncio.ensure_future(writer.commit(Commit(entries=[entry(1)])))
    stays = asyncio.ensure_future(writer.commit(Commit(entries=[entry(2)])))
    await _until(lambda: len(writer._queue) == 2)
    gone.cancel()
    log.gate.set()
    await first
    assert await stays == (2, ())
    assert gone.cancelled()
    await writer.close()


async def test_a_caller_that_goes_away_while_it_waits_for_room_was_never_queued(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUE_EVENTS_MAX", 2)
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    tasks = [asyncio.ensure_future(writer.commit(Commit(values=[Value("a", b"%d" % n, b"")]))) for n in range(5)]
    await _until(lambda: len(writer._queue) == 2)
    tasks[2].cancel()
    log.gate.set()
    await asyncio.gather(first, *tasks, return_exceptions=True)
    assert set(log.values("a")) == {b"first", b"0", b"1", b"3", b"4"}
    await writer.close()


async def test_threads_submit(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUE_EVENTS_MAX", 8)
    log.gate.set()
    writer = GroupWriter(log, asyncio.get_running_loop())

    def work() -> list[Committed]:
        futures = [writer.submit(Commit(entries=[entry(seq)])) for seq in range(1, 200)]
        with pytest.raises(UsageError):
            writer.submit(Commit(entries=[entry(7)])).result(20)
        return [future.result(20) for future in futures]

    answers = await asyncio.to_thread(work)
    assert [answer.first_local for answer in answers] == list(range(1, 200))
    await writer.close()


async def test_closing_writes_what_is_queued_and_takes_no_more(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    tasks = [asyncio.ensure_future(writer.commit(Commit(entries=[entry(seq)]))) for seq in range(1, 11)]
    await _until(lambda: len(writer._queue) == 10)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable) as caught:
        await writer.commit(Commit(entries=[entry(11)]))
    assert caught.value.code == "closed"
    with pytest.raises(Unavailable):
        writer.submit(Commit())
    log.gate.set()
    await closing
    await asyncio.gather(first, *tasks)
    assert log.last_local == 10
    assert not writer._thread.is_alive()
    await writer.close()


async def test_closing_answers_those_that_wait_for_room(log: GatedLog, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUE_EVENTS_MAX", 2)
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    tasks = [asyncio.ensure_future(writer.commit(Commit(values=[Value("a", b"%d" % n, b"")]))) for n in range(5)]
    await _until(lambda: len(writer._queue) == 2)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.01)
    log.gate.set()
    await closing
    outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [getattr(outcome, "code", "written") for outcome in outcomes] == ["written"] * 3 + ["closed"] * 3


async def test_once_a_commit_failed_nothing_more_of_its_generation_is_written(log: GatedLog) -> None:
    writer = GroupWriter(log, asyncio.get_running_loop())
    first = await _blocked(log, writer)
    values = {name: Commit(values=[Value("a", name, b"")]) for name in (b"stale", b"any", b"fresh")}
    broken = writer.commit(Commit(entries=[entry(7)]), 1)
    stale, unasked, fresh = (
        writer.commit(values[b"stale"], 1), writer.commit(values[b"any"]), writer.commit(values[b"fresh"], 2)
    )  # fmt: skip
    log.gate.set()
    await first
    outcomes = await asyncio.gather(broken, stale, unasked, fresh, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[:2]] == [BrokenCommit, Unavailable]
    assert log.values("a") == {b"first": b"", b"any": b"", b"fresh": b""}
    await writer.close()
