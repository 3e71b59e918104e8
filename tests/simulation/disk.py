"""What of a node outlives a crash: keys and log; and a writer that is slow and may fail at each write."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field

from foedus.adapters.device_folder import DeviceEntry
from foedus.adapters.document_bases import MemoryBases
from foedus.adapters.key_files import NodeKeys
from foedus.adapters.log_errors import LogClosed
from foedus.adapters.memory_blobs import MemoryBlobs
from foedus.adapters.memory_log import MemoryLog
from foedus.base.errors import NotFound, Unavailable
from foedus.crypto.ed25519 import Ed25519Key
from foedus.node.home import Home


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
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    bases: MemoryBases = field(default_factory=MemoryBases)
    """They outlive crashes and come from after a backup, which those of a real node do not."""
    staged: NodeKeys | None = None
    agents: dict = field(default_factory=dict)
    write: object = lambda _what: None

    def copy(self):
        """Return a backup."""
        log = MemoryLog(self.log.store_id)
        log._state = log._durable = self.log._state
        return Disk(self.keys, log, deepcopy(self.blobs), self.bases, self.staged, dict(self.agents))


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
        if self._waiting:
            await asyncio.wait([outcome for _, _, outcome in self._waiting])

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
