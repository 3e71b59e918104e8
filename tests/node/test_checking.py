"""Where signatures are checked, and that a verdict comes whatever happens to who was to give it."""

import asyncio
import os
import signal

from foedus.adapters.verifier_processes import VerifierProcesses
from foedus.node.checking import Checking
from tests.adapters.test_verifier_processes import checks_of
from tests.node.nodes import until


async def verdicts(started):
    futures, inline = started
    return inline + [is_valid for future in futures for is_valid in await asyncio.wrap_future(future)]


async def with_processes(count=2):
    processes = VerifierProcesses(count)
    checking = Checking(processes)
    batch = checks_of(512)
    waiting = [checking.check(batch) for _ in range(8)]
    assert processes._starting, "so much without an idle moment starts the processes"
    for started in waiting:
        assert await verdicts(started) == [True] * 512
    await until(lambda: len(processes.pids()) == count, "the processes are ready")
    return checking, processes


async def test_a_few_are_checked_at_once():
    checking = Checking(None)
    assert checking.check(checks_of(4, {2})) == ([], [True, True, False, True])
    await checking.close()


async def test_a_batch_now_and_then_starts_no_process():
    processes = VerifierProcesses(2)
    checking = Checking(processes)
    for _ in range(10):
        assert await verdicts(checking.check(checks_of(512))) == [True] * 512
        await until(lambda: checking.is_idle, "the threads are idle")
    assert not processes._starting
    assert processes.pids() == []
    await checking.close()


async def test_without_processes_a_backlog_is_checked_by_threads():
    checking = Checking(None)
    waiting = [checking.check(checks_of(512, {number})) for number in range(10)]
    for number, started in enumerate(waiting):
        assert await verdicts(started) == [place != number for place in range(512)]
    await checking.close()


async def test_a_full_batch_or_two_are_not_far_behind():
    checking = Checking(None)
    waiting = [checking.check(checks_of(511)) for _ in range(2)]
    assert not checking.is_far_behind()
    waiting += [checking.check(checks_of(512)) for _ in range(8)]
    assert checking.is_far_behind()
    for started in waiting:
        assert all(await verdicts(started))
    await until(lambda: checking.is_idle, "nothing is under way")
    assert not checking.is_far_behind()
    await checking.close()


async def test_processes_find_the_bad_signatures_of_a_big_batch():
    checking, _ = await with_processes()
    bad = {1, 255, 256, 400}
    assert await verdicts(checking.check(checks_of(512, bad))) == [number not in bad for number in range(512)]
    await until(lambda: checking.is_idle, "nothing is under way")
    await checking.close()


async def test_batches_of_a_child_that_is_killed_are_checked_all_the_same():
    checking, processes = await with_processes()
    bad = {5, 300}
    for pid in processes.pids():
        os.kill(pid, signal.SIGSTOP)
    waiting = [checking.check(checks_of(512, bad)) for _ in range(4)]
    assert not any(future.done() for futures, _ in waiting for future in futures)
    for pid in processes.pids():
        os.kill(pid, signal.SIGKILL)
    for started in waiting:
        assert await verdicts(started) == [number not in bad for number in range(512)]
    assert processes.pids() == []
    assert await verdicts(checking.check(checks_of(512))) == [True] * 512
    await checking.close()
