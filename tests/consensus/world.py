"""A council on a virtual clock: members that crash and lie, disks that lose what was not synced, a bad network.

The members are the real cores. Signatures are hashes with a secret of their key: nobody here forges one either.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.consensus.certificates import BadVote, Check, checks
from foedus.consensus.effects import CheckAgain, Diverged, Executed, Exposed, Keep, Renewed, Send
from foedus.consensus.ledger import Ledger
from foedus.consensus.machine import KeyValue
from foedus.consensus.membership import INTERVAL, Member, Membership
from foedus.consensus.ordering import Settings
from foedus.consensus.replica import Replica
from foedus.consensus.updates import Update

MS = 1_000
SECOND = 1_000_000
COUNCIL = sha256(b"council")


def secret(name):
    return sha256(b"secret", name.encode())


def public(name):
    return sha256(b"public", secret(name))


def fake_sign(key, data):
    return sha256(key, data) * 2


class Keys:
    """Who can sign what: the public halves of the keys of members and clients."""

    def __init__(self, names):
        self.secrets = {public(name): secret(name) for name in names}

    def holds(self, check):
        key = self.secrets.get(check.public)
        return key is not None and fake_sign(key, check.data) == check.signature


def membership_of(size, epoch=0, interval=INTERVAL):
    members = sorted(
        (Member(sha256(b"node", bytes([n])), public(f"member {n}")) for n in range(size)), key=lambda it: it.node
    )
    return Membership(1, COUNCIL, epoch, tuple(members), interval, 2 * interval)


def update_of(number, until=900, key="k", client="client"):
    command = encode({"op": "put", "key": f"{key}{number % 7}", "value": b"%d" % number, "expected": None})
    unsigned = Update(COUNCIL, client, public(client), until, sha256(b"%d" % number)[:16], (), command, bytes(64))
    return Update(
        COUNCIL,
        client,
        public(client),
        until,
        unsigned.nonce,
        (),
        command,
        fake_sign(secret(client), unsigned.signed()),
    )


@dataclass
class Faults:
    """How bad the world is, in thousandths where nothing else is said."""

    loss: int = 0
    duplication: int = 0
    delay_ms: tuple = (1, 10)
    crash: int = 0
    """Of each write."""


@dataclass
class Disk:
    """Records that are durable, and those that are on their way."""

    durable: dict = field(default_factory=dict)

    def sync(self, keeps):
        for keep in keeps:
            if keep.record is None:
                self.durable.pop(keep.place, None)
            else:
                self.durable[keep.place] = keep.record


class Host:
    """One member's machine: the replica, its disk, what waits for the disk. Twins have one index and one key."""

    def __init__(self, world, index, name):
        self.world, self.index, self.name = world, index, name
        self.disk = Disk()
        self.life = 0
        self.replica = None
        self.waiting = []
        self.is_syncing = False
        self.is_liar = False
        self.armed_at = None
        self.start()

    def start(self):
        world = self.world
        key = next(s for p, s in world.keys.secrets.items() if p == world.membership.members[self.index].ed25519)
        self.replica = Replica(
            world.membership,
            self.index,
            lambda data: fake_sign(key, data),
            Ledger(world.machine(), window=world.membership.window, interval=world.membership.interval),
            settings=world.settings,
            records=dict(self.disk.durable),
        )
        self.waiting, self.is_syncing, self.armed_at = [], False, None
        self._know_the_end()
        self.arm()

    def _know_the_end(self):
        """A node keeps the end of an epoch in the commit of its last checkpoint, so it knows that after a crash."""
        stable, ledger = self.replica.stable, self.replica.ledger
        if stable is not None and stable.sequence == ledger.border:
            self.world.renewed.setdefault(self.name, Renewed(ledger.machine.renewal, stable))

    def crash(self):
        self.replica = None
        self.life += 1
        self.waiting = []
        self.world.trace(f"{self.name} crashes")

    def run(self, effects):
        if effects:
            self.waiting.append(effects)
            if self.world.unsynced:
                self.leave([effects])
            self.sync()
        self.arm()

    def sync(self):
        """Write all that waits as one transaction; only then what it permits leaves."""
        if self.is_syncing or not self.waiting:
            return
        group, self.waiting = self.waiting, []
        keeps = [effect for effects in group for effect in effects if isinstance(effect, Keep)]
        if not keeps:
            if not self.world.unsynced:
                self.leave(group)
            return
        self.is_syncing = True
        life = self.life
        random = self.world.random

        def synced():
            if life != self.life:
                return
            self.is_syncing = False
            fate = self.world.fate(self)
            if fate == "lost":
                self.world.crash(self)  # nothing of it reached the disk
                return
            self.disk.sync(keeps)
            if fate == "kept":
                self.world.crash(self)  # it did, and nothing of it left
                return
            if not self.world.unsynced:
                self.leave(group)
            self.sync()

        self.world.after(random.randrange(*self.world.sync_us), synced)

    def leave(self, group):
        for effects in group:
            for effect in effects:
                match effect:
                    case Send(to=to, message=message):
                        self.world.send(self, to, message)
                    case Executed():
                        self.world.executed(self, effect)
                    case Exposed():
                        self.world.exposed.add(_member(effect))
                    case Renewed():
                        self.world.renewed.setdefault(self.name, effect)
                    case CheckAgain(sender=sender, message=message):
                        self.hear(sender, message)
                    case Diverged():
                        self.world.failures.append(f"{self.name} diverged at {effect.sequence}")

    def hear(self, sender, message):
        if self.replica is None:
            return
        if not self.replica.concerns(sender, message):
            return
        try:
            if not all(self.world.keys.holds(check) for check in checks(message, self.world.membership)):
                self.world.refused["signature"] += 1
                return
            self.run(self.replica.handle(sender, message, self.world.now))
        except BadVote as error:
            self.world.refused[str(error)] += 1

    def arm(self):
        if self.replica is None:
            return
        due = max(self.replica.next_deadline(), self.world.now)
        if self.armed_at is not None and self.armed_at <= due:
            return
        self.armed_at, life = due, self.life
        self.world.after(due - self.world.now, lambda: self.wake(life, due))

    def wake(self, life, due):
        if life != self.life or self.armed_at != due:
            return
        self.armed_at = None
        if self.replica.next_deadline() <= self.world.now:
            self.run(self.replica.on_deadline(self.world.now))
        else:
            self.arm()


def _member(exposed):
    second = exposed.second
    return second.member if hasattr(second, "member") else None


class World:
    """All of it, from one seed."""

    def __init__(
        self,
        seed,
        size=4,
        faults=None,
        *,
        settings=None,
        machine=KeyValue,
        interval=INTERVAL,
        unsynced=False,
    ):
        self.random = Random(seed)
        self.membership = membership_of(size, interval=interval)
        self.keys = Keys([*(f"member {n}" for n in range(size)), "client", "other"])
        self.faults = faults or Faults()
        self.is_faulty = True
        self.unsynced = unsynced
        """A planted mistake: what is sent does not wait for the disk."""
        self.settings = settings or Settings()
        self.machine = machine
        self.now = 0
        self.queue, self.order = [], count()
        self.cut = {}
        self.log = []
        self.decided, self.results, self.made = {}, {}, Counter()
        self.asked = {}
        self.renewed = {}
        """How the epoch ended, by host."""
        self.exposed, self.failures, self.refused = set(), [], Counter()
        self.sent = Counter()
        self.filter = None
        self.sync_us = (200, 3 * MS)
        self.hosts = [Host(self, index, f"{index}") for index in range(size)]

    def trace(self, text):
        self.log.append((self.now, text))

    def after(self, delay, action):
        heapq.heappush(self.queue, (self.now + delay, next(self.order), action))

    def run(self, until, stop=lambda: False):
        while self.queue and self.queue[0][0] <= until and not stop() and not self.failures:
            self.now, _, action = heapq.heappop(self.queue)
            action()
        if not stop() and not self.failures:
            self.now = until

    # --- network ---------------------------------------------------------------------------------

    def send(self, host, to, message):
        for other in self.hosts:
            if other is not host and (to is None or other.index == to) and other.index != host.index:
                self.sent[type(message).__name__] += 1
                self.carry(host, other, message)

    def carry(self, host, other, message):
        if self.filter is not None and not self.filter(host, other, message):
            return
        random = self.random
        copies = 1
        if self.is_faulty:
            if self.side(host) != self.side(other) or random.randrange(1000) < self.faults.loss:
                return
            copies += random.randrange(1000) < self.faults.duplication
        for _ in range(copies):
            low, high = self.faults.delay_ms
            self.after(random.randrange(low * 100, high * MS), lambda: other.hear(host.index, message))

    def side(self, host):
        return self.cut.get(host.name, 0)

    # --- what happens ----------------------------------------------------------------------------

    def fate(self, host):  # noqa: ARG002  # tests that choose the write put another function here
        """Return what befalls a member at one of its writes: None, or a crash that has it "lost" or "kept"."""
        dies = self.is_faulty and self.random.randrange(1000) < self.faults.crash
        if not dies:
            return None
        return "lost" if self.random.random() < 0.5 else "kept"

    def crash(self, host):
        host.crash()
        life = host.life
        self.after(self.random.randrange(5 * MS, 2 * SECOND), lambda: self.restart(host, life))

    def restart(self, host, life):
        if host.life == life and host.replica is None:
            self.trace(f"{host.name} starts again")
            host.start()

    def ask(self, host, update):
        """A client asks one member; it is asked for if the member took it and lives until others heard."""
        if host.replica is None:
            return
        effects = host.replica.submit(update, self.now)
        if effects is not None:
            self.asked[update.id] = update
            host.run(effects)

    def executed(self, host, effect):
        if host.is_liar:
            return
        place = effect.sequence
        self.trace(f"{host.name} made {place}: {effect.batch.digest.hex()[:8]} ({len(effect.batch.updates)})")
        digest = self.decided.setdefault(place, effect.batch.digest)
        if digest != effect.batch.digest:
            self.failures.append(f"{host.name} made another batch at {place}")
        results = self.results.setdefault(place, list(effect.results))
        if results != list(effect.results):
            self.failures.append(f"{host.name} came to other results at {place}")
        for update in effect.batch.updates:
            if not self.keys.holds(_check(update)):
                self.failures.append(f"nobody asked for what {host.name} made at {place}")

    # --- the end ---------------------------------------------------------------------------------

    @property
    def honest(self):
        return [host for host in self.hosts if not host.is_liar]

    def heal(self):
        self.is_faulty = False
        self.cut = {}
        for host in self.hosts:
            if host.replica is None:
                host.life += 1
                host.start()

    def is_settled(self):
        alive = [host.replica for host in self.honest]
        if any(replica is None or len(replica.pending) for replica in alive):
            return False
        return len({replica.ledger.sequence for replica in alive}) == 1

    def check(self):
        """Return what is wrong at the end, after ``heal`` and some time."""
        wrong = list(self.failures)
        alive = [host.replica for host in self.honest]
        if any(replica is None for replica in alive):
            return [*wrong, "a member is down"]
        sequences = {replica.ledger.sequence for replica in alive}
        if len(sequences) != 1:
            wrong.append(f"members are at {sorted(sequences)}")
        elif len({replica.ledger.root() for replica in alive}) != 1:
            wrong.append("members have other states")
        if any(len(replica.pending) for replica in alive):
            wrong.append(f"updates still wait: {[len(replica.pending) for replica in alive]}")
        return wrong


def _check(update):
    return Check(update.device, update.signed(), update.signature)
