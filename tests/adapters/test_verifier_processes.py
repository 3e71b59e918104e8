"""Checking processes: the right answers, and never one that libsodium did not give."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from struct import pack
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.adapters import child_process, verifier_processes
from foedus.adapters.verifier_child import (
    HEADER,
    READY,
    decode_request,
    decode_verdicts,
    encode_answer,
    encode_request,
)
from foedus.adapters.verifier_processes import VerifierLost, VerifierProcesses
from foedus.crypto.ed25519 import Ed25519Key
from tests.node.nodes import until

KEY = Ed25519Key(bytes(range(32)))


def checks_of(count, bad=()):
    made = [(KEY.public, b"message %d" % number, KEY.sign(b"message %d" % number)) for number in range(count)]
    for number in bad:
        public, message, signature = made[number]
        made[number] = (public, message, signature[:40] + bytes([signature[40] ^ 1]) + signature[41:])
    return made


@asynccontextmanager
async def running(count=1):
    processes = VerifierProcesses(count)
    try:
        processes.start()
        await until(lambda: len(processes.pids()) == count, "the children are ready")
        yield processes
    finally:
        await processes.close()


@asynccontextmanager
async def impostor(program):
    """Run a child that says it is ready, and then whatever ``program`` does with ``requests`` and ``send``."""
    boot = f"""
import socket
connection = socket.socket(fileno=0)
requests, send = connection.makefile("rb"), connection.sendall
send({READY!r})
requests.read(1)
{program}
"""
    with mock.patch.object(verifier_processes, "_BOOT", boot):
        async with running() as processes:
            yield processes


def is_there(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def test_bad_signatures_in_a_big_batch_are_pinpointed():
    bad = {0, 77, 300, 511}
    async with running(count=2) as processes:
        batches = [checks_of(512, bad), checks_of(40), checks_of(512, {3})]
        answers = await asyncio.gather(*(processes.check(batch) for batch in batches))
    assert answers[0] == [number not in bad for number in range(512)]
    assert answers[1] == [True] * 40
    assert answers[2] == [number != 3 for number in range(512)]


async def test_keys_and_signatures_of_any_length_are_answered():
    public, message, signature = checks_of(1)[0]
    odd = [(b"", b"", b""), (public[:31], message, signature), (public, message, signature + b"\0"), (public, b"", b"")]
    async with running() as processes:
        assert await processes.check([*odd, (public, message, signature)]) == [False] * 4 + [True]


async def test_before_it_is_started_and_after_it_is_closed_nobody_checks():
    processes = VerifierProcesses(1)
    assert processes.check(checks_of(1)) is None
    await processes.close()
    processes.start()
    assert processes.check(checks_of(1)) is None


async def test_a_child_that_is_killed_in_the_middle_of_a_batch_gives_no_verdict():
    async with running() as processes:
        (pid,) = processes.pids()
        os.kill(pid, signal.SIGSTOP)
        answer = processes.check(checks_of(512))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(VerifierLost):
            await answer
        assert processes.check(checks_of(1)) is None
        await until(lambda: not is_there(pid), "the child is reaped")


async def test_a_lost_child_is_replaced_but_not_at_once():
    async with running(count=2) as processes:
        first, other = processes.pids()
        os.kill(first, signal.SIGKILL)
        await until(lambda: processes.pids() == [other], "one is left")
        processes.start()
        assert not processes._starting
        assert await processes.check(checks_of(3)) == [True] * 3
        processes._not_before = 0.0
        processes.start()
        await until(lambda: len(processes.pids()) == 2, "there are two again")


async def test_a_child_that_hangs_is_ended():
    async with running() as processes:
        (pid,) = processes.pids()
        os.kill(pid, signal.SIGSTOP)
        with mock.patch.object(verifier_processes, "ANSWER_TIMEOUT_S", 0.05):
            answer = processes.check(checks_of(2))
        with pytest.raises(VerifierLost, match="did not answer"):
            await answer
        await until(lambda: not is_there(pid), "the child is reaped")


@pytest.mark.parametrize(
    "answer",
    [
        HEADER.pack(1, 2, 2) + b"\x01\x01",
        HEADER.pack(1, 2, 2) + b"V\0",
        HEADER.pack(1, 1, 1) + b"V",
        HEADER.pack(2, 2, 2) + b"VV",
        HEADER.pack(1, 2, 3) + b"VVV",
        HEADER.pack(1, 2, 2) + b"V",
        READY,
        b"VV",
        b"",
    ],
)
async def test_an_unclear_answer_is_the_end_of_the_child_and_no_verdict(answer):
    async with impostor(f"send({answer!r})") as processes:
        with pytest.raises(VerifierLost):
            await processes.check(checks_of(2))
        assert processes.pids() == []


async def test_an_answer_that_nobody_asked_for_is_the_end_of_the_child():
    async with impostor(f"send({encode_answer(1, [True, True]) + encode_answer(2, [True, True])!r})") as processes:
        assert await processes.check(checks_of(2)) == [True, True]
        await until(lambda: processes.pids() == [], "it is ended")


async def test_a_child_that_cannot_start_is_no_error():
    with mock.patch.object(child_process.sys, "executable", "/nowhere/python"):
        processes = VerifierProcesses(1)
        processes.start()
        await until(lambda: not processes._starting, "it was tried")
        assert processes.check(checks_of(1)) is None
        await processes.close()


async def test_idle_children_are_gone_and_come_again():
    async with running(count=2) as processes:
        pids = processes.pids()
        assert await processes.check(checks_of(2)) == [True] * 2
        processes._idle_s = 0.2
        processes._end_idle()
        assert processes.pids() == pids, "they were used just now"
        await until(lambda: not any(is_there(pid) for pid in pids), "idle children end")
        processes._idle_s = 60.0
        processes.start()
        await until(lambda: len(processes.pids()) == 2, "they come again")


async def test_children_get_no_secret_and_no_open_file(tmp_path):
    with (tmp_path / "open").open("w") as kept, mock.patch.dict(os.environ, {"FOEDUS_PASSPHRASE": "secret"}):
        os.set_inheritable(kept.fileno(), True)
        async with running() as processes:
            (pid,) = processes.pids()
            with open(f"/proc/{pid}/environ", "rb") as environment:  # noqa: ASYNC230, PTH123
                assert b"FOEDUS" not in environment.read()
            files = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115, PTH208
            assert sorted(name.split(":")[0] for name in files) == ["/dev/null", "/dev/null", "socket"]


_PARENT = """
import asyncio
from foedus.adapters.verifier_processes import VerifierProcesses

async def main():
    processes = VerifierProcesses(2)
    processes.start()
    while len(processes.pids()) < 2:
        await asyncio.sleep(0.01)
    print(*processes.pids(), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_children_die_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE)  # noqa: ASYNC220
    line = await asyncio.to_thread(parent.stdout.readline)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    pids = [int(word) for word in line.split()]
    assert len(pids) == 2
    await until(lambda: not any(is_running(pid) for pid in pids), "the children are gone")


def is_running(pid):
    """Whether a process that is nobody's child of ours runs: one that waits to be reaped by init does not."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


# --- messages ----------------------------------------------------------------------------------------

CHECKS = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=90), st.binary(max_size=70)), max_size=9)


@given(st.integers(0, 2**32 - 1), CHECKS)
def test_a_request_is_read_as_it_was_written(number, checks):
    message = encode_request(number, checks)
    assert HEADER.unpack_from(message) == (number, len(checks), len(message) - HEADER.size)
    assert decode_request(len(checks), message[HEADER.size :]) == checks


def test_a_request_whose_lengths_do_not_add_up_is_refused():
    with pytest.raises(ValueError, match="add up"):
        decode_request(1, pack(">III", 1, 1, 2) + b"abc")


@given(st.lists(st.booleans(), max_size=600))
def test_answers_are_read_as_they_were_written(verdicts):
    message = encode_answer(7, verdicts)
    assert decode_verdicts(len(verdicts), message[HEADER.size :]) == verdicts


@given(st.binary(max_size=8), st.integers(0, 8))
def test_whatever_is_not_one_clear_answer_each_is_refused(rest, count):
    if len(rest) == count and set(rest) <= set(b"VI"):
        assert decode_verdicts(count, rest) == [byte == ord("V") for byte in rest]
    else:
        with pytest.raises(ValueError, match="clear answer"):
            decode_verdicts(count, rest)
