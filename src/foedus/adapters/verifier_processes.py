"""Child processes that check signatures while this one does everything else (docs/adr/0012).

A thread that comes back from libsodium waits for the interpreter's lock, once for every check; a process does not.
Batches go to the children as whole messages over a socket pair, written and read by the event loop, so that no thread
of this process takes part. A child's word counts only where it is a clear answer to every check of a batch: whatever
else comes, or nothing, is the end of that child, and its batches are checked by the caller.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from foedus.adapters.child_process import program_of, spawn
from foedus.adapters.verifier_child import (
    HEADER,
    READY,
    REQUEST_BYTES_MAX,
    Check,
    decode_verdicts,
    encode_request,
)
from foedus.base.errors import Unavailable

log = logging.getLogger("foedus.verifiers")

CHILDREN_MAX = 4
"""As many as there are cores, up to this: beyond it the one event loop cannot feed them."""
IDLE_S = 30.0
"""So long after the last batch the children end, and their memory (12 MB each, half of it shared) is free."""
ANSWER_TIMEOUT_S = 10.0
"""For a start, and between two answers: a batch takes some 20 ms, so this is a child that hangs."""
_RESTART_AFTER_S = 10.0
"""A child that failed is not replaced before: where they cannot run at all, threads do the work undisturbed."""
_SOCKET_BYTES = 1_048_576
"""What a child has at hand while the loop does other things: half a second of work, where the system allows that."""
_WAITING_BYTES_MAX = REQUEST_BYTES_MAX
"""What one child may have to do; more goes to the caller's threads."""
_BOOT = program_of("foedus.adapters.verifier_child")


class VerifierLost(Unavailable):
    """A child ended, hung or answered unclearly: its batches have no verdict."""

    code = "verifier_lost"
    remedy = "nothing: the signatures are checked in this process"


class _Asked(NamedTuple):
    number: int
    checks: int
    size: int
    verdicts: asyncio.Future[list[bool]]


class VerifierProcesses:
    """Up to ``count`` children, all of one event loop. ``start`` when a backlog stands; idle ones end by themselves."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count if count is not None else min(CHILDREN_MAX, os.cpu_count() or 1)
        self._idle_s = IDLE_S
        self._children: list[_Child] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._not_before = 0.0
        self._last_used = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._is_closed = False

    def pids(self) -> list[int]:
        """Return the process ids of the children that can be given work."""
        return [child.process.pid for child in self._children if child.is_ready]

    def start(self) -> None:
        """Start the children that are missing, in the background; until they are ready ``check`` gives None."""
        loop = asyncio.get_running_loop()
        missing = self._count - len(self._children)
        if not missing or self._is_closed or self._starting or loop.time() < self._not_before:
            return
        self._last_used = loop.time()
        for _ in range(missing):
            task = loop.create_task(self._start_one())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        if self._idle is None:
            self._idle = loop.call_later(self._idle_s, self._end_idle)

    def check(self, checks: Sequence[Check]) -> asyncio.Future[list[bool]] | None:
        """Have a batch checked by the child with the least to do; None where none can take it now.

        The answers come in the order of the checks. The future raises VerifierLost where there are none.
        """
        ready = [child for child in self._children if child.is_ready]
        if not ready:
            return None
        child = min(ready, key=lambda child: child.waiting)
        self._last_used = child.loop.time()
        return child.ask(checks)

    async def close(self) -> None:
        """End all children, now. Batches under way raise VerifierLost; later ones get None."""
        self._is_closed = True
        if self._idle is not None:
            self._idle.cancel()
        await asyncio.gather(*self._starting)
        children = list(self._children)
        for child in children:
            child.end()
        await asyncio.gather(*(child.ended for child in children))

    async def _start_one(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.to_thread(spawn, theirs, _BOOT)
        except (OSError, subprocess.SubprocessError) as error:
            ours.close()
            self._note_failure(f"cannot start: {error}")
            return
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        ours.setblocking(False)  # noqa: FBT003  # the standard library's signature
        loop = asyncio.get_running_loop()
        _, child = await loop.create_unix_connection(lambda: _Child(loop, process, self._lost), sock=ours)
        if not child.is_lost:
            self._children.append(child)

    def _lost(self, child: _Child, reason: str) -> None:
        if child in self._children:
            self._children.remove(child)
        if reason:
            self._note_failure(reason)

    def _note_failure(self, reason: str) -> None:
        self._not_before = asyncio.get_running_loop().time() + _RESTART_AFTER_S
        log.warning("a verifying process %s; signatures are checked in this one meanwhile", reason)

    def _end_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._last_used + self._idle_s - loop.time()
        if left > 0:
            self._idle = loop.call_later(left, self._end_idle)
            return
        self._idle = None
        for child in list(self._children):
            child.end()


class _Child(asyncio.Protocol):
    """One child: what it was asked, oldest first, and what it has answered so far."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        process: subprocess.Popen[bytes],
        lost: Callable[[_Child, str], None],
    ) -> None:
        self.loop = loop
        self.process = process
        self.is_ready = False
        self.is_lost = False
        self.waiting = 0
        """Bytes of the requests that are not answered."""
        self.ended: asyncio.Future[int] = loop.create_future()
        """Done once the process is gone; holds its exit status."""
        self._lost = lost
        self._asked: deque[_Asked] = deque()
        self._received = b""
        self._numbered = 0
        self._reason = "ended"
        self._deadline: asyncio.TimerHandle | None = None

    # --- what the pool calls -----------------------------------------------------------------

    def ask(self, checks: Sequence[Check]) -> asyncio.Future[list[bool]] | None:
        """Send a request, unless the child has enough to do."""
        request = encode_request(self._numbered + 1, checks)
        if self.waiting + len(request) > _WAITING_BYTES_MAX:
            return None
        self._numbered += 1
        verdicts: asyncio.Future[list[bool]] = self.loop.create_future()
        self._asked.append(_Asked(self._numbered, len(checks), len(request), verdicts))
        self.waiting += len(request)
        self._transport.write(request)
        if self._deadline is None:
            self._await_answer()
        return verdicts

    def end(self, reason: str = "") -> None:
        """End the process; what it was asked has no verdict. ``reason``: why it failed, '' where it did not."""
        if not self._transport.is_closing():
            self.is_ready = False
            self._reason = reason
            self._transport.abort()

    # --- what the event loop calls -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait until the child says that it is ready."""
        self._transport = cast("asyncio.Transport", transport)  # what a stream socket gives; uvloop's is no subclass
        self._transport.set_write_buffer_limits(0)  # write at once, not when the loop has done what else it has to do
        self._await_answer()

    def data_received(self, data: bytes) -> None:
        """Take answers, whole or in part."""
        self._received += data
        try:
            while len(self._received) >= HEADER.size:
                number, count, size = HEADER.unpack_from(self._received)
                if not self._is_expected(number, count, size):
                    raise ValueError("it answers what was not asked")  # noqa: TRY301  # as what decoding raises
                if len(self._received) < HEADER.size + size:
                    return
                rest = self._received[HEADER.size : HEADER.size + size]
                self._received = self._received[HEADER.size + size :]
                self._take(count, rest)
        except ValueError as error:
            self.end(f"failed: {error}")

    def connection_lost(self, _error: Exception | None) -> None:
        """Give up what was asked, and see that the process is gone."""
        self.is_ready, self.is_lost = False, True
        if self._deadline is not None:
            self._deadline.cancel()
        for asked in self._asked:
            if not asked.verdicts.done():
                asked.verdicts.set_exception(VerifierLost(f"a verifying process {self._reason}"))
        self._asked.clear()
        self._lost(self, self._reason)
        self.process.kill()
        self.loop.run_in_executor(None, self.process.wait).add_done_callback(self._reaped)

    # --- answers -----------------------------------------------------------------------------

    def _is_expected(self, number: int, count: int, size: int) -> bool:
        if not self.is_ready:
            return (number, count, size) == HEADER.unpack(READY)
        return bool(self._asked) and (number, count, count) == (self._asked[0].number, self._asked[0].checks, size)

    def _take(self, count: int, rest: bytes) -> None:
        if not self.is_ready:
            self.is_ready = True
        else:
            found = decode_verdicts(count, rest)
            asked = self._asked.popleft()
            self.waiting -= asked.size
            if not asked.verdicts.done():
                asked.verdicts.set_result(found)
        self._await_answer()

    def _await_answer(self) -> None:
        """Set the deadline of the next answer, none where nothing is asked."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._asked or not self.is_ready:
            self._deadline = self.loop.call_later(ANSWER_TIMEOUT_S, self.end, "did not answer")

    def _reaped(self, status: asyncio.Future[int]) -> None:
        if not self.ended.done():
            self.ended.set_result(status.result())
