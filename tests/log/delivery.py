"""One node's admission, fed with what a world wrote in some order, with commits that become durable some time later."""

from __future__ import annotations

from collections import Counter
from random import Random

from foedus.adapters.memory_log import MemoryLog
from foedus.identity.directory import Added, IdentityDirectory, Missing
from foedus.log.admission import Admission, Deferred, Refused
from foedus.log.event import Parsed, parse_event
from foedus.log.port import Commit, Verdict


class Receiver:
    def __init__(self, records=(), log=None):
        self.identities = IdentityDirectory()
        for record in records:
            self.identities.add(record)
        self.log = log or MemoryLog()
        self.admission = Admission(self.log, self.identities)
        self.admission.load()
        self.queue: list[Commit] = []
        self.codes: Counter[str] = Counter()

    # --- by hand -----------------------------------------------------------------------------

    def take(self, parsed: Parsed, now: int | None = None, *, settle: bool = True):
        outcome = self.admission.admit(parsed, parsed.hlc.us if now is None else now)
        if isinstance(outcome, Refused | Deferred):
            self.codes[outcome.code] += 1
        else:
            self.queue.append(outcome.commit)
        if settle:
            self.settle()
        return outcome

    def take_all(self, events):
        return [self.take(parsed) for parsed in events]

    def settle(self, count: int | None = None):
        for commit in self.queue[:count]:
            committed = self.log.commit(commit)
            for index in committed.replayed:
                assert commit.entries[index].device is not None
            self.admission.settled(commit.entries, commit.asides)
        del self.queue[:count]
        self.drop_erased()

    def drop_erased(self):
        """Drop what accepted erasures name, as the node does once they are durable (replays are known then)."""
        erasures = self.admission.erasures
        erases = {row.id: row for row in self.log.erase_rows()}
        for erase in erasures.all():
            if erase.id in erases and erases[erase.id].reason == "replayed_nonce":
                erasures.judged(erase.id, Verdict.REJECTED)
            if erase.id in erases and erase.counts:
                rows = self.log.by_ids(erase.targets).values()
                taken = [row for row in rows if erasures.erased_by(row.id, parse_event(row.envelope).event)]
                self.log.commit(Commit(drops=[row.id for row in taken]))
                self.let_rest(erase)

    def let_rest(self, erase):
        """Let an erase rest whose events are all held, without their bodies, as the node does."""
        erasures = self.admission.erasures
        rows = self.log.by_ids(erase.targets).values()
        bare = {row.id for row in rows if row.local and row.envelope.body is None}
        if bare.issuperset(erase.targets) and erasures.may_rest(erase):
            self.log.commit(Commit(values=erasures.remembered(erase)))
            erasures.rest(erase)

    def learn(self, record) -> bool:
        found = self.identities.add(record)
        if isinstance(found, Added):
            self.queue.append(Commit(verdicts=self.admission.learn_records(record.node)))
        return not isinstance(found, Missing)

    def heal(self) -> tuple[bytes, ...]:
        wanted: tuple[bytes, ...] = ()
        for node in self.identities.nodes():
            commit, want = self.admission.heal(node)
            wanted += want
            self.queue.append(commit)
        return wanted

    # --- in some order -----------------------------------------------------------------------

    def feed(self, records, parts: list[Parsed], everything: dict[bytes, Parsed], random: Random, now: int):
        """Deliver all records and events in a random order; what was put off, again; what is wanted, by id.

        Ends when three rounds have changed nothing.
        """
        pool: list[object] = [*records, *parts]
        still, before = 0, None
        while still < 3:
            random.shuffle(pool)
            again, wanted = [], {}
            for item in pool:
                outcome = self.take(item, now, settle=False) if isinstance(item, Parsed) else None
                if isinstance(outcome, Deferred) or (outcome is None and not self.learn(item)):
                    again.append(item)
                wanted.update(dict.fromkeys(getattr(outcome, "want", ())))
                if random.random() < 0.3:
                    self.settle(random.randint(0, len(self.queue)))
            wanted.update(dict.fromkeys(self.heal()))
            wanted.update(dict.fromkeys(self.admission.awaited(1 << 30)))
            self.settle()
            lacking = [row.id for row in self.log.since(0, 1 << 30) if row.envelope.body is None]
            wanted.update(dict.fromkeys(random.sample(lacking, min(2, len(lacking)))))
            pool = [*again, *(everything[event_id] for event_id in wanted if event_id in everything)]
            state = (self.snapshot(), len(lacking), len(again), set(wanted) - set(lacking))
            still, before = (still + 1 if state == before else 0), state

    # --- what it holds -----------------------------------------------------------------------

    def snapshot(self):
        rows = self.log.since(0, 1 << 30)
        return {row.id: (row.verdict, row.reason, row.envelope.body is not None) for row in rows}

    def verdicts(self) -> dict[bytes, tuple[str, str]]:
        return {row.id: (Verdict(row.verdict).name.lower(), row.reason) for row in self.log.since(0, 1 << 30)}

    def held(self) -> list[Parsed]:
        return [parse_event(row.envelope) for row in self.log.since(0, 1 << 30)]

    def aside(self) -> list[Parsed]:
        return [parse_event(row.envelope) for row in self.log._state.aside.values()]

    def known(self) -> set[bytes]:
        return set(self.log._state.rows) | set(self.log._state.aside)

    def forks(self):
        return {(proof.epoch, proof.stream): proof.seq for proof in self.log.proofs()}

    def heads(self):
        return {head[:2]: head[2:] for head in self.log.heads()}

    def folds(self):
        """Return rooms and participants as plain values."""
        authority = self.admission.authority
        rooms = {
            room.id: (
                room.host,
                room.name,
                {m.id: (m.node, m.participant, m.heads, m.cuts) for m in room.memberships.values()},
            )
            for room in authority.rooms.values()
            if room.host
        }
        people = {
            key: {device.key: (device.enrolment, device.cuts) for device in participant.devices.values()}
            for key, participant in authority.participants.items()
            if participant.is_enrolled
        }
        return rooms, people

    def loaded(self) -> Receiver:
        """Return a receiver made anew from this one's log."""
        again = Receiver(log=self.log)
        again.identities = again.admission.identities = self.identities
        again.admission = Admission(self.log, self.identities)
        again.admission.load()
        return again
