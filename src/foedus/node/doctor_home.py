"""Checks of a home folder and its machine, whether the node runs or not."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

from foedus.adapters.device_folder import DeviceFolder
from foedus.adapters.home_lock import HomeLock, HomeLocked
from foedus.adapters.key_files import check_rights, read_staged_keys
from foedus.adapters.log_errors import DamagedDatabase, DiskFull, ReadOnly
from foedus.adapters.sqlite_check import quick_faults
from foedus.adapters.sqlite_read import LogReader
from foedus.base.clock import ClockAhead, Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.limits import CLOCK_AHEAD_MAX, SECOND
from foedus.crypto.selftest import self_test
from foedus.identity.directory import IdentityDirectory
from foedus.identity.record import SignedRecord, parse_signed_record
from foedus.node.home import SETTINGS, Home, RunningInfo

FREE_MIN = 256 * 1_048_576
"""Bytes: room for the write-ahead log at its largest and an hour of a busy node."""
_EARLIEST: Instant = 1_767_225_600 * SECOND
"""2026-01-01: this foedus is younger."""
_LATEST: Instant = 4_102_444_800 * SECOND
"""2100-01-01: a clock beyond it was never set."""


class Unhealthy(Unavailable):
    """A check failed."""

    code = "unhealthy"


class Examined:
    """The home under examination; each of its parts is opened when a check first asks for it."""

    def __init__(self, home: Home, now: Callable[[], Instant], port: int) -> None:
        self.home = home
        self.now = now
        self.port = port

    @cached_property
    def holder(self) -> str:
        """Who holds the home's lock, in words; '' where nobody does."""
        try:
            HomeLock(self.home.path).release()
        except HomeLocked as error:
            return str(error)
        return ""

    @cached_property
    def info(self) -> RunningInfo | None:
        """What the running node said of itself; None where none runs."""
        return self.home.running() if self.holder else None

    @cached_property
    def log(self) -> LogReader:
        """The log, for reading."""
        return LogReader(self.home.database)

    @cached_property
    def identities(self) -> IdentityDirectory:
        """The identity records of the log."""
        directory = IdentityDirectory()
        for _, data in self.log.records():
            directory.add(parse_signed_record(data))
        return directory

    @cached_property
    def node(self) -> bytes:
        """The id of this node, as the log has it."""
        node = self.log.values(SETTINGS).get(b"node")
        if node is None:
            raise DamagedDatabase(f"{self.home.database} does not say whose log it is")
        return node

    @property
    def record(self) -> SignedRecord:
        """The identity record in force."""
        record = self.identities.newest(self.node)
        if record is None:
            raise DamagedDatabase(f"{self.home.database} does not hold this node's identity record")
        return record

    def close(self) -> None:
        """Close what was opened."""
        if "log" in self.__dict__:
            self.log.close()


def home(examined: Examined) -> str:
    """Check that there is a node."""
    examined.home.require()
    return f"there is a node in {examined.home.path}"


def rights(examined: Examined) -> str:
    """Check that nobody else reaches the private files."""
    problems = check_rights(examined.home.path)
    if problems:
        messages, _, remedies = zip(*(problem.partition(": ") for problem in problems), strict=True)
        commands = " && ".join(remedy.removeprefix("run `").removesuffix("`") for remedy in remedies)
        raise UsageError("; ".join(messages), code="rights_too_wide", remedy=f"run `{commands}`")
    return "only this user can reach the private files"


def token(examined: Examined) -> str:
    """Check that the operator's token is there."""
    if not examined.home.token_path.exists():
        raise Unhealthy(
            f"there is no {examined.home.token_path}, so no command can speak to the node",
            code="token_missing",
            remedy="restart the node with `foedus up`: it makes a new token",
        )
    return f"the operator's token has {len(examined.home.token())} characters"


def lock(examined: Examined) -> str:
    """Check that node.json says the same as the lock about who has the home."""
    said = examined.home.running()
    if examined.holder:
        where = f" and answers at {said.url}" if said else "; it is starting, stopping, or another command of foedus"
        return f"{examined.holder}{where}"
    if said is not None:
        raise Unhealthy(
            f"the node ran as process {said.pid} and was killed: it does not run now",
            code="killed",
            remedy="start it with `foedus up`: nothing that it acknowledged is lost",
        )
    return "free: the node does not run"


def keys(examined: Examined) -> str:
    """Check that the node's keys are whole, and those of its identity record."""
    held = examined.home.node_keys().ed25519.public
    wanted = examined.record.record.keys.ed25519
    if held == wanted:
        return f"they are those of epoch {examined.record.record.n}"
    staged = read_staged_keys(examined.home.keys)
    if staged is not None and staged.ed25519.public == wanted:
        return f"a change to those of epoch {examined.record.record.n} was cut short; `foedus up` completes it"
    raise Unhealthy(
        f"the keys in {examined.home.keys} are not those of this node's identity record",
        code="foreign_keys",
        remedy="bring HOME/keys back from the newest backup, or take the node back by `foedus key recover`",
    )


def agents(examined: Examined) -> str:
    """Check that the keys of the agents that the node signs for can be read."""
    folder = DeviceFolder(examined.home.agents)
    entries = folder.list()
    for entry in entries:
        folder.open(entry.did, None)
    return f"the node keeps the keys of {len(entries)} agents, all readable"


def cryptography(_: Examined) -> str:
    """Check that each primitive gives the published answers."""
    return f"{len(self_test())} known answers are right"


def database(examined: Examined) -> str:
    """Check that SQLite finds the pages whole. The whole truth takes `foedus log verify`."""
    faults = examined.log.with_connection(quick_faults)
    if faults:
        raise DamagedDatabase(f"{examined.home.database}: {'; '.join(faults[:3])}")
    size = examined.home.database.stat().st_size
    return f"its pages are whole ({size >> 20} MiB); `foedus log verify` checks every signature"


def disk(examined: Examined) -> str:
    """Check that there is room, and that what is written stays."""
    path = examined.home.path
    free = shutil.disk_usage(path).free
    if free < FREE_MIN:
        raise DiskFull(
            f"{free >> 20} MiB are free for {path}", remedy=f"free at least {FREE_MIN >> 20} MiB on that disk"
        )
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            took_ms = (time.perf_counter() - started) * 1000
    except OSError as error:
        raise ReadOnly(f"{path} cannot be written: {error.strerror}") from None
    return f"{free >> 30} GiB are free, a synced write takes {took_ms:.1f} ms"


def clock(examined: Examined) -> str:
    """Check that the wall clock is of this century, and not behind the log."""
    now = examined.now()
    if not _EARLIEST < now < _LATEST:
        raise Unhealthy(f"this machine says that it is {_day(now)}", code="wrong_clock", remedy=ClockAhead.remedy)
    own = [head.hlc.us for head in examined.log.heads() if head.epoch == examined.record.id]
    ahead = max(own, default=now) - now
    if ahead > CLOCK_AHEAD_MAX:
        raise ClockAhead(f"this node's log is {ahead // SECOND} s ahead of this machine's clock: it writes nothing")
    return f"{_day(now)}, not behind this node's log"


def _day(now: Instant) -> str:
    try:
        return datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{now} µs after 1970"
