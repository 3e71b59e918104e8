"""Yjs documents in a child process, since an update that lies can end the process which takes it in (ADR 20).

Each call waits for the child's answer: some 50 µs. A child that ends, panics or does not answer is gone with all
documents; those are folded from the log again, by whoever asks for them. The update that was under way is remembered:
where it ends a second child, no third sees it, and a room whose updates ended several is closed until the node starts
again. An update is blamed for the processor time that its child takes, and never for time that passes: where a machine
stands still for some seconds, an update that is passed over for it would be missing, with all that stand on it.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from foedus.adapters.child_process import program_of, spawn
from foedus.adapters.document_child import (
    APPLY,
    BEYOND,
    DONE,
    DROP,
    HEADER,
    IS_CHANGED_BY,
    MERGE,
    READY,
    STATE_VECTOR,
    WHOLE,
    pack_updates,
)
from foedus.base.ids import sha256
from foedus.state.documents.errors import HARMFUL, BadUpdate
from foedus.state.documents.replica import Replica, ReplicasLost

log = logging.getLogger("foedus.documents")

ANSWER_PROCESSOR_S = 5.0
"""Of the child's processor time for one answer: the largest document is encoded in a tenth of a second."""
STALLED_S = 60.0
"""A child that takes no processor time is waited for so long: a busy or frozen machine gives it some by then."""
START_TIMEOUT_S = 30.0
"""For a start: a busy machine takes some seconds."""
SUSPECTS_MAX = 1_024
"""Updates under way when a child ended that are remembered."""
ENDED_TWICE = 2
HUNG = 4
"""What a child that counts and does not answer is worth: all documents wait for it."""
ENDED_MAX = 8
"""Children that a room may end before it is closed: a start takes a quarter of a second."""
_TAKING = frozenset({APPLY, IS_CHANGED_BY})
_SOCKET_BYTES = 1_048_576
_LOOK_S = 0.25
"""How often it is looked whether a child that does not answer works."""
_SCHEDULED = 2
"""CPUCLOCK_SCHED: what ``clock_getcpuclockid`` of Linux makes of a process id."""
_BOOT = program_of("foedus.adapters.document_child")


class _Stalled(TimeoutError):
    """The child got no processor time, or waits for what never comes. No update is blamed for that."""


class _Patience:
    """How long one answer is waited for. ``pid``: the child."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began: tuple[float, float] | None = None

    def wait_on(self) -> None:
        """Take note that _LOOK_S passed without a byte; raise TimeoutError where that was for the last time."""
        processor_s, now = _processor_s(self._pid), time.monotonic()
        if self._began is None:
            self._began = processor_s, now
        if processor_s - self._began[0] >= ANSWER_PROCESSOR_S:
            raise TimeoutError(f"no answer after {ANSWER_PROCESSOR_S:g} s of work")
        if now - self._began[1] >= STALLED_S:
            raise _Stalled(f"it stood still for {STALLED_S:g} s")


class DocumentKeeper:
    """``Replicas``. Calls block; those of several threads go one after the other."""

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._generation = 0
        self._numbered = 0
        self._dropped: list[tuple[int, int]] = []
        self._suspects: OrderedDict[bytes, int] = OrderedDict()
        self._ended: Counter[str] = Counter()
        self._lock = Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id of the child, None while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self, room: str) -> None:
        """Start a child, unless there is one."""
        with self._lock:
            self._check_open(room)
            if self._connection is None:
                self._connection = self._started()

    def _started(self) -> socket.socket:
        if self._closed:
            raise ReplicasLost("the node stops")
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        ours.settimeout(START_TIMEOUT_S)
        try:
            with theirs:
                process = spawn(theirs, _BOOT)
        except (OSError, subprocess.SubprocessError) as error:
            ours.close()
            raise ReplicasLost(f"the process that holds documents cannot start: {error}") from None
        self._process = process
        try:
            if len(ours.recv(len(READY), socket.MSG_WAITALL)) != len(READY):
                raise ConnectionResetError("it ended")
        except OSError as error:
            ours.close()
            self._end()
            raise ReplicasLost(f"the process that holds documents does not start: {error}") from None
        ours.settimeout(_LOOK_S)
        return ours

    def make(self, room: str) -> Replica:
        """Return an empty document; raise ReplicasLost where there is no child."""
        if self._connection is None:
            raise ReplicasLost("the process that holds documents has ended")
        self._numbered += 1
        return KeptReplica(self, room, self._generation, self._numbered)

    def _check_open(self, room: str) -> None:
        if self._ended[room] >= ENDED_MAX:
            raise BadUpdate(
                f"updates of this room ended what holds documents {ENDED_MAX} times",
                code="documents_closed",
                remedy="see who wrote them (`foedus room show`), and let them leave the room; then restart the node",
            )

    def merged(self, updates: Sequence[bytes]) -> bytes:
        """Return updates as one."""
        if len(updates) == 1:
            return updates[0]
        with self._lock:
            return self._ask(None, MERGE, 0, pack_updates(updates))

    def close(self) -> None:
        """End the child for good. A call that another thread waits for raises ReplicasLost."""
        self._closed = True
        if (process := self._process) is not None:
            process.kill()
        with self._lock:
            self._end()

    # --- asking ------------------------------------------------------------------------------

    def ask(self, replica: KeptReplica, operation: int, data: bytes = b"") -> bytes:
        """Have a replica do something; raise ReplicasLost or BadUpdate."""
        with self._lock:
            if replica.generation != self._generation:
                raise ReplicasLost("the process that held this document has ended")
            if operation in _TAKING:
                replica.last = sha256(data)
                if self._suspects.get(replica.last, 0) >= ENDED_TWICE:
                    log.warning("an update of %s that ended what holds documents is passed over", replica.room)
                    raise BadUpdate("the update ended what holds documents, twice", code=HARMFUL)
            self._forget_dropped()
            return self._ask(replica, operation, replica.number, data)

    def drop(self, generation: int, number: int) -> None:
        """Note that nobody has a replica any more."""
        self._dropped.append((generation, number))

    def _forget_dropped(self) -> None:
        while self._dropped:
            generation, number = self._dropped.pop()
            if generation == self._generation:
                self._ask(None, DROP, number, b"")

    def _ask(self, replica: KeptReplica | None, operation: int, number: int, data: bytes) -> bytes:
        if self._connection is None:
            raise ReplicasLost("the process that holds documents has ended")
        try:
            status, said = self._answer(self._connection, HEADER.pack(operation, number, len(data)) + data)
        except OSError as error:
            self._end()
            self._blame(replica, error)
            room = replica.room if replica is not None else "a client"
            log.warning("the process that holds documents was lost by an update of %s: %s", room, error)
            self.on_lost()
            raise ReplicasLost(f"the process that holds documents was lost: {error}") from None
        if status != DONE:
            raise BadUpdate(said.decode(errors="replace")[:200])
        return said

    def _answer(self, connection: socket.socket, request: bytes) -> tuple[int, bytes]:
        """Send a request; return (status, what was said). Raises OSError where no answer comes."""
        patience, rest = _Patience(self._process.pid if self._process is not None else 0), memoryview(request)
        while rest:
            try:
                rest = rest[connection.send(rest) :]
            except TimeoutError:
                patience.wait_on()
        status, _, size = HEADER.unpack(_receive(connection, HEADER.size, patience))
        return status, _receive(connection, size, patience)

    def _blame(self, replica: KeptReplica | None, error: OSError) -> None:
        """Remember in which room, and after which update, a child was lost."""
        if replica is None:
            return
        weight = HUNG if isinstance(error, TimeoutError) and not isinstance(error, _Stalled) else 1
        self._ended[replica.room] += weight
        if isinstance(error, _Stalled):
            return
        self._suspects[replica.last] = self._suspects.get(replica.last, 0) + weight
        self._suspects.move_to_end(replica.last)
        if len(self._suspects) > SUSPECTS_MAX:
            self._suspects.popitem(last=False)

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._generation += 1
        self._dropped.clear()


class KeptReplica:
    """``Replica`` in the child."""

    def __init__(self, keeper: DocumentKeeper, room: str, generation: int, number: int) -> None:
        self.room, self.generation, self.number = room, generation, number
        self.last = b""
        """SHA-256 of the update that was last taken in, or tried."""
        self._keeper = keeper

    def __del__(self) -> None:
        """Let the child forget it, too."""
        self._keeper.drop(self.generation, self.number)

    def apply(self, update: bytes) -> None:
        """Take in an update."""
        self._keeper.ask(self, APPLY, update)

    def state_vector(self) -> bytes:
        """Return what it has."""
        return self._keeper.ask(self, STATE_VECTOR)

    def beyond(self, state_vector: bytes) -> bytes:
        """Return what it has beyond a state vector."""
        return self._keeper.ask(self, BEYOND, state_vector)

    def whole(self) -> bytes:
        """Return all of it."""
        return self._keeper.ask(self, WHOLE)

    def is_changed_by(self, update: bytes) -> bool:
        """Whether an update would change anything."""
        return self._keeper.ask(self, IS_CHANGED_BY, update) == b"\x01"


def _processor_s(pid: int) -> float:
    """Return the processor time that a process has used; where the system does not tell, what the wall clock says."""
    try:
        return time.clock_gettime((~pid << 3) | _SCHEDULED)
    except OSError:
        return time.monotonic()


def _receive(connection: socket.socket, size: int, patience: _Patience) -> bytes:
    """Return so many bytes; raise OSError where they do not come."""
    found = bytearray()
    while len(found) < size:
        try:
            part = connection.recv(size - len(found))
        except TimeoutError:
            patience.wait_on()
            continue
        if not part:
            raise ConnectionResetError("it ended")
        found += part
    return bytes(found)
