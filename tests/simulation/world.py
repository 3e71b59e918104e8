"""The world of one simulation: places where nodes live, the network between them, the time, and the trace."""

import asyncio
from dataclasses import dataclass

from foedus.adapters.key_files import keys_from_seeds
from foedus.adapters.memory_log import MemoryLog
from foedus.base.errors import Unavailable
from foedus.identity.record import first_record
from foedus.identity.recovery import RecoverySecrets
from foedus.log.port import Commit, Value
from foedus.node.home import SETTINGS
from tests.simulation.disk import Disk
from tests.simulation.ear import Ear
from tests.simulation.life import CURRENT, Life
from tests.simulation.network import Network
from tests.simulation.versions import Versions
from tests.simulation.watch import Watch
from tests.simulation.wire import Wire

EPOCH_US = 1_800_000_000_000_000
"""What the wall clocks show when a simulation begins."""
_TRACE_MAX = 100_000


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

    @property
    def is_doubtful(self):
        return self.doubtful_since < float("inf")


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
        self.ear = Ear(self)
        self.network = Network(draw, self.wire.hear)
        self.faults = lambda _life, _what: ""
        self.on_crash = lambda _place: None
        self.disk_s = 0.002
        self.skew_us = {}
        self.watch = Watch(self)
        self.versions = Versions(self)
        self.erasing = {}
        """Erase event → the event that it erases, of those whose author was told that they are durable."""
        loop.set_task_factory(self._task)
        loop.set_exception_handler(lambda _loop, context: self.watch.uncaught(context))

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
        life = CURRENT.get()
        if life is not None:
            life.tasks[task] = None
            if life.dead:
                task.cancel()
        task.add_done_callback(lambda done: self._done(done, life))
        return task

    def _done(self, task, life):
        if life is not None:
            life.tasks.pop(task, None)
        self.watch.task_done(task, life)

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
        self.versions.watch(life)
        self.ear.watch(life)
        self.trace(f"{place} starts")
        try:
            await life.start()
        except asyncio.CancelledError:
            if not life.dead:
                raise
        except Unavailable as error:  # a program ends that cannot start, and is started again
            self.trace(f"{place} does not start: {error}")
            life.crash()
        return life

    def place_of(self, node):
        return next((place for place in self.places if place.node == node), None)
