"""Nodes of one simulation: the real composition over a log in memory, a disk that crashes, and a made-up network."""

import asyncio
import logging
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from foedus.adapters.device_folder import DeviceEntry
from foedus.adapters.key_files import NodeKeys, keys_from_seeds
from foedus.adapters.log_errors import LogClosed
from foedus.adapters.memory_log import MemoryLog
from foedus.base.errors import NotFound, Unavailable
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.record import first_record
from foedus.identity.recovery import RecoverySecrets
from foedus.log.port import Commit, Value
from foedus.node.composition import Node
from foedus.node.home import SETTINGS, Home
from foedus.node.parts import Parts
from foedus.node.service import Service
from tests.simulation.network import Network
from tests.simulation.wire import Wire

EPOCH_US = 1_800_000_000_000_000
"""What the wall clocks show when a simulation begins."""
_CURRENT = ContextVar("simulated_node", default=None)
_TRACE_MAX = 100_000


class Agents:
    """Keys of custodial agents, as the device folder gives them."""

    def __init__(self, disk):
        self._disk = disk

    def add(self, name, did, node, kind, seed, _passphrase):
        assert all(name != entry.name for entry in self.list()), f"the device folder has a key of {name}"
        entry = DeviceEntry(name, did, node, kind, sealed=False, public=Ed25519Key(seed).public)
        self._disk.write("agent key")
        self._disk.agents[seed] = entry
        return entry

    def list(self):
        return sorted(self._disk.agents.values(), key=lambda entry: entry.name)

    def open(self, name_or_did, _passphrase):
        for seed, entry in self._disk.agents.items():
            if name_or_did in {entry.name, entry.did}:
                return Ed25519Key(seed)
        raise NotFound(f"no key of {name_or_did}", code="device_not_found")


@dataclass
class Disk:
    """All of a node that outlives a crash. ``write`` is called before each write; it may not return."""

    keys: NodeKeys
    log: MemoryLog
    staged: NodeKeys | None = None
    agents: dict = field(default_factory=dict)
    write: object = lambda _what: None

    def copy(self):
        """Return a backup."""
        log = MemoryLog(self.log.store_id)
        log._state = log._durable = self.log._state
        return Disk(self.keys, log, self.staged, dict(self.agents))


@dataclass(frozen=True)
class MemoryHome(Home):
    """A home folder without a folder."""

    disk: Disk = None

    def agent_keys(self):
        return Agents(self.disk)

    def ensure_token(self):
        return "token"

    def stage_keys(self, keys):
        self.disk.write("staged keys")
        self.disk.staged = keys

    def promote_keys(self):
        self.disk.write("keys in use")
        self.disk.keys, self.disk.staged = self.disk.staged, None
        return self.disk.keys

    def settle_keys(self, newest):
        staged = self.disk.staged
        if staged is not None and staged.ed25519.public == newest.record.keys.ed25519:
            return self.promote_keys()
        self.disk.staged = None
        return self.disk.keys


class SlowWriter:
    """Commits become durable after a delay, in order, several as one. Each group is a place to crash, before or after.

    As GroupWriter: once a commit of a generation has failed no later one of it is written.
    """

    def __init__(self, life, log):
        self._life = life
        self._log = log
        self._waiting = []
        self._is_writing = False
        self._closed = False
        self._failed = -1

    def commit(self, commit, generation):
        outcome = asyncio.get_running_loop().create_future()
        if self._closed:
            outcome.set_exception(LogClosed("the writer has ended"))
        else:
            self._waiting.append((commit, generation, outcome))
            self._soon()
        return outcome

    async def close(self):
        self._closed = True
        while self._waiting or self._is_writing:
            await asyncio.sleep(0.001)

    def _soon(self):
        if self._waiting and not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().call_later(self._life.world.disk_delay(), self._write)

    def _write(self):
        self._is_writing = False
        if self._life.dead:
            return
        group, self._waiting = self._waiting, []
        stale = [item for item in group if item[1] <= self._failed]
        group = [item for item in group if item[1] > self._failed]
        self._answer(stale, [Unavailable("an earlier commit failed")] * len(stale))
        fault = self._life.world.fault_at_write(self._life, "log") if group else ""
        if fault == "crash before":
            self._life.crash()
            return
        outcomes = self._refuse(group) if fault == "refuse" else self._commit(group)
        if fault == "crash after":
            self._life.crash()
            return
        self._answer(group, outcomes)
        self._soon()

    def _refuse(self, group):
        self._failed = max(generation for _, generation, _ in group)
        return [Unavailable("no space left on the simulated disk")] * len(group)

    def _commit(self, group):
        try:
            return self._log.commit_many([commit for commit, _, _ in group])
        except Exception as error:
            self._life.world.failed(f"{self._life.place}: the log refused a commit: {error!r}")
            raise

    def _answer(self, group, outcomes):
        for (_, _, outcome), result in zip(group, outcomes, strict=True):
            if outcome.done():
                continue
            if isinstance(result, Exception):
                outcome.set_exception(result)
            else:
                outcome.set_result(result)


class Life:
    """A node from a start to its end. ``place`` names its disk and address for ever."""

    def __init__(self, world, place, disk):
        self.world = world
        self.place = place
        self.disk = disk
        self.address = f"10.{place.number >> 8}.{place.number & 255}.1"
        self.dead = False
        self.tasks = {}
        disk.write = self._file_write
        with self.current():
            self.node = Node(MemoryHome(Path(f"/simulated/{place}"), disk), world.wall_clock(place), self._parts)
            self.service = Service(self.node)
            self.node.peers.advertised = [place.url]

    def _parts(self, home):
        return Parts(self, home.disk.log, self, lambda log, _loop: SlowWriter(self, log))

    def release(self):
        """Let go of the lock that nobody else wants."""

    async def connect(self, url):
        return await self.world.network.connect(self, url)

    async def close(self):
        """Nothing is shared by the streams."""

    def _file_write(self, what):
        if self.dead:
            raise asyncio.CancelledError
        fault = self.world.fault_at_write(self, what)
        if fault == "crash before":
            self.crash()
            raise asyncio.CancelledError

    @contextmanager
    def current(self):
        """All that is begun in here is of this life."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def spawn(self, work):
        with self.current():
            return asyncio.get_running_loop().create_task(work)

    async def start(self):
        await self.spawn(self._start())

    async def _start(self):
        await self.node.start()
        await self.node.fallback.close()  # there is no HTTP here
        self.world.network.listening[self.place.url] = self

    def crash(self):
        """Kill -9: what is durable stays, nothing else happens any more."""
        if self.dead:
            return
        self.dead = True
        self.world.trace(f"{self.place} crashes at write {self.place.writes}")
        self.world.network.crashed(self)
        for task in list(self.tasks):
            task.cancel()
        self.place.disk = self.disk.copy()
        Context().run(self.world.on_crash, self.place)


@dataclass
class Place:
    """Where a node lives: its name, address and disk, and the life that runs there now."""

    number: int
    disk: Disk
    node: bytes
    words: bytes
    url: str
    life: Life = None
    writes: int = 0
    doubtful_since: float = float("inf")
    """When a backup was taken that it was restored from, or a copy that ran beside it."""

    def __str__(self):
        return f"n{self.number}"

    def __hash__(self):
        return self.number

    @property
    def up(self):
        return self.life is not None and not self.life.dead


class World:
    """Everything of one simulation. ``draw``: the randomness of the world, apart from that of the nodes."""

    def __init__(self, draw, loop):
        self.draw = draw
        self.loop = loop
        self.places = []
        self.twins = []
        self.failures = []
        self.lines = []
        self.wire = Wire(self)
        self.network = Network(draw, self.wire.hear)
        self.faults = lambda _life, _what: ""
        self.on_crash = lambda _place: None
        self.disk_s = 0.002
        self.skew_us = {}
        self._raised = []
        loop.set_task_factory(self._task)

    # --- time and trace -------------------------------------------------------------------------

    def wall_clock(self, place):
        return lambda: EPOCH_US + int(self.loop.time() * 1e6) + self.skew_us.get(place.url, 0)

    def trace(self, line):
        if len(self.lines) < _TRACE_MAX:
            self.lines.append(f"{self.loop.time():9.3f} {line}")

    def failed(self, what):
        self.trace(f"FAILED {what}")
        self.failures.append(what)

    def disk_delay(self):
        return self.disk_s * (0.2 + self.draw.expovariate(1.0))

    # --- faults ---------------------------------------------------------------------------------

    def fault_at_write(self, life, what):
        life.place.writes += 1
        return self.faults(life, what)

    # --- tasks ----------------------------------------------------------------------------------

    def _task(self, loop, work, **options):
        task = asyncio.Task(work, loop=loop, **options)
        life = _CURRENT.get()
        if life is not None:
            life.tasks[task] = None
            if life.dead:
                task.cancel()
        task.add_done_callback(lambda done: self._task_done(done, life))
        return task

    def _task_done(self, task, life):
        if life is not None:
            life.tasks.pop(task, None)
        if task._exception is not None and not (life is not None and life.dead):
            self._raised.append((task, life))

    def check_tasks(self):
        """Make a failure of each task that raised what nobody took; looking does not count as taking."""
        for task, life in self._raised:
            if task._log_traceback:
                self.failed(
                    f"{life.place if life else 'the world'}: task {task.get_name()} died: {task._exception!r} {where(task._exception)}"
                )
            task._log_traceback = False
        self._raised.clear()

    def uncaught(self, context):
        """Nobody caught an exception in a callback: fine where its node is dead, a mistake elsewhere."""
        error = context.get("exception")
        life = _CURRENT.get()
        handle = context.get("handle")
        if handle is not None:
            life = handle._context.get(_CURRENT)
        if life is None or not life.dead:
            self.failed(
                f"{life.place if life else 'the world'}: {context['message']}: {error!r} {where(error) if error else ''}"
            )

    # --- nodes ----------------------------------------------------------------------------------

    def add_place(self):
        """Make a node's keys, record and log, as ``create_home`` does."""
        number = len(self.places)
        words = self.draw.randbytes(32)
        keys = keys_from_seeds(*(self.draw.randbytes(32) for _ in range(3)))
        record = first_record(keys, RecoverySecrets(words).hash, self.draw.randbytes(32))
        log = MemoryLog(self.draw.randbytes(16))
        name = f"n{number}"
        settings = [Value(SETTINGS, b"name", name.encode()), Value(SETTINGS, b"node", record.node)]
        log.commit(Commit(records=[(record.id, record.encode())], values=settings))
        place = Place(number, Disk(keys, log), record.node, words, f"http://{name}.simulated:8102")
        self.places.append(place)
        return place

    def add_twin(self, place):
        """Return a place with a copy of a node's home; it is not among ``places``."""
        number = len(self.places) + len(self.twins)
        twin = Place(number, place.life.disk.copy(), place.node, place.words, f"http://twin{number}.simulated:8102")
        self.twins.append(twin)
        return twin

    async def start(self, place):
        """Start a node from what its disk holds."""
        life = place.life = Life(self, place, place.disk)
        self.trace(f"{place} starts")
        try:
            await life.start()
        except asyncio.CancelledError:
            if not life.dead:
                raise
        return life

    def place_of(self, node):
        return next((place for place in self.places if place.node == node), None)


class LogWatch(logging.Handler):
    """Makes a failure of every error that a living node logs; warnings go to the trace."""

    def __init__(self, world):
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record):
        life = _CURRENT.get()
        if record.levelno < logging.ERROR:
            self._world.trace(record.getMessage()[:100])
        elif life is None or not life.dead:
            error = record.exc_info[1] if record.exc_info else ""
            who = life.place if life else "the world"
            self._world.failed(f"{who} logged: {record.getMessage()}: {error!r} {where(error) if error else ''}")


def where(error):
    """Return the place in the code where an error was raised."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


@contextmanager
def watched_logs(world):
    watch = LogWatch(world)
    loggers = [logging.getLogger("foedus")]
    for logger in loggers:
        logger.addHandler(watch)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(watch)
