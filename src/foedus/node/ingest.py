"""The one door in for foreign events, whatever carried them: link, HTTP, SSE, a file.

decode → limits → id → held? → signatures (threads, processes) → verdicts → one transaction → publish. The steps are
apart so that a carrier can keep several batches in flight: ``prepare`` (parse, start the checks), ``admit``
(verdicts, in order, and the commit is queued), ``finish`` (durable, visible).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from foedus.base.clock import ZERO, Instant
from foedus.base.limits import SEALED_FOR
from foedus.log.admission import Admitted, Aside, Deferred, Duplicate, Forked, Refused
from foedus.log.chains import ChainKey, Position
from foedus.log.event import Event, Parsed
from foedus.log.outcomes import Outcome
from foedus.log.port import Commit, Entry, Row, Verdict
from foedus.node.checking import Verifiers
from foedus.node.crossings import Crossings
from foedus.node.preparing import Prepared, Preparing
from foedus.node.reports import Report
from foedus.node.store import Store

CLAUSES_MAX = 10_000
"""Clauses between admission and publication: ten full batches; beyond, the audit log names none."""
_ACCEPTED = Verdict.ACCEPTED


@dataclass
class Pending:
    """A batch whose commits are on their way to the disk."""

    report: Report
    commits: list[asyncio.Future[list[Row]]]
    encoded: dict[bytes, bytes]
    carrier: bytes | None


class Ingest(Preparing):
    """Admits foreign events. One per node; every carrier calls it from the event loop's thread."""

    def __init__(self, store: Store, verifiers: Verifiers | None = None) -> None:
        super().__init__(store, verifiers)
        self.door: Callable[[bytes, str, Instant], str] = lambda _node, _stream, _at: ""
        """The door of ``trust``: (origin, stream, clock of the event) → the clause by which it is not shown, or ''."""
        self.crossings: Crossings | None = None
        self.is_erased: Callable[[bytes, Event], bool] = lambda _id, _event: False
        """Whether an erasure explains that the body of an event is not here."""
        self.on_finished: Callable[[bytes | None, Report], None] = lambda _carrier, _report: None
        self.on_crossed: Callable[[bytes, bytes], None] = lambda _id, _node: None
        """Told of each border act that is accepted and let in: (event id, writing node)."""
        self.clauses: dict[bytes, str] = {}
        """Event id → why the door did not let a border act in, from its admission until it is published."""
        self._clause = ""
        self._doors: dict[tuple[bytes, str], str] = {}
        self._admitted: list[Entry] = []
        """The new heads of the batch that is being admitted; they are counted at its end, chain by chain."""
        self._others: set[bytes] = set()
        """Epochs of other nodes that it holds."""
        store.admission.withhold = self._withheld
        store.admission.allow = self._crossed

    def _withheld(self, parsed: Parsed, node: bytes, is_accepted: bool) -> str:  # noqa: FBT001  # passed by position
        """Return the clause that is stored with an event: only what can never change.

        What depends on peers (``door``) is counted here and judged again at each reading, since a human may change
        their mind.
        """
        place = (node, parsed.event.stream)
        clause = self._doors.get(place)
        if clause is None:
            clause = self._doors[place] = self.door(*place, parsed.hlc.us)
        if clause:
            self.refusals[clause] += 1
        return self._clause or (self._crossed(parsed, node) if is_accepted else "")

    def _crossed(self, parsed: Parsed, node: bytes) -> str:
        """Judge a border act that becomes accepted: count why it is not let in, and store that its grants are used up.

        What is pending or rejected crosses nothing: it uses no grant, and gets no receipt.
        """
        arrival = self.crossings.arrived(parsed.event, node) if self.crossings is not None else None
        if arrival is None:
            return ""
        clause, used_up = arrival
        if clause:
            self.refusals[clause] += 1
            if len(self.clauses) < CLAUSES_MAX:
                self.clauses[parsed.id] = clause
        elif not used_up:
            self.on_crossed(parsed.id, node)
        return used_up

    # --- admit -------------------------------------------------------------------------------

    @staticmethod
    def is_checked(prepared: Prepared) -> bool:
        """Whether no check of a batch is under way in a thread."""
        return not prepared.checks and prepared.bad_checkpoints is None

    def admit_checked(self, prepared: Prepared) -> Pending:
        """Give the verdicts of a batch that ``is_checked``, and queue the commits, now."""
        return self._admit_safely(prepared, prepared.inline, set())

    async def admit(self, prepared: Prepared) -> Pending:
        """Wait for the signature checks, give the verdicts in order, and queue the commits."""
        valid = list(prepared.inline)
        for future in prepared.checks:
            checked: list[bool] = await asyncio.wrap_future(future)
            valid += checked
        bad = await asyncio.wrap_future(prepared.bad_checkpoints) if prepared.bad_checkpoints else set()
        return self._admit_safely(prepared, valid, bad)

    def _admit_safely(self, prepared: Prepared, valid: list[bool], bad: set[bytes]) -> Pending:
        """Admit; after a mistake of ours memory may be half changed, so it is taken from the log again."""
        try:
            with self.crossings.batch() if self.crossings is not None else nullcontext():
                return self._admit_all(prepared, valid, bad)
        except Exception:
            self._store.reload()
            raise

    def _admit_all(self, prepared: Prepared, valid: list[bool], bad: set[bytes]) -> Pending:
        """No await in here: memory and the order of the commits move together."""
        report = prepared.report
        pending = Pending(report, [], {}, prepared.carrier)
        parts = _Parts()
        position = 0
        self._doors.clear()
        self._admitted.clear()
        self._others.clear()
        now = self._store.now()
        latest = ZERO
        are_valid = all(valid)
        admit = self._store.admission.admit
        for (index, parsed, data), count in zip(prepared.parsed, prepared.counts, strict=True):
            ok = are_valid or all(valid[position : position + count])
            position += count
            if not ok:
                self._refuse(report, index, parsed.id, "invalid_signature")
                continue
            self._clause = "bad_checkpoint" if parsed.id in bad else ""
            outcome = admit(parsed, now)
            if type(outcome) is Admitted:
                entry, commit = outcome
                self._note_admitted(report, parsed, entry)
                if entry.envelope is parsed.envelope:  # else it came with a body that is erased
                    pending.encoded[entry.id] = data
                latest = max(latest, entry.hlc)
                if commit is None:
                    parts.entries.append(entry)
                    continue
            else:
                commit = self._not_admitted(report, index, parsed, outcome)
            if commit is not None:
                if commit.truncations:
                    self._flush(parts, pending)
                parts.add(commit)
        self._count(report)
        if latest > ZERO:
            self._store.clock.merge(latest, now)
        self._flush(parts, pending)
        return pending

    def _flush(self, parts: _Parts, pending: Pending) -> None:
        commit = parts.take()
        if commit is not None:
            pending.commits.append(self._store.begin_commit(commit, pending.encoded, pending.carrier))

    def _not_admitted(self, report: Report, index: int, parsed: Parsed, outcome: Outcome) -> Commit | None:
        """Report why an event is not new; return what is to be stored all the same, if anything."""
        match outcome:
            case Duplicate(commit=commit):
                report.duplicates += 1
                self._reach(report, parsed)
                if commit.bodies:
                    self._bodiless.pop(parsed.id, None)
                return commit
            case Forked(proof=proof, commit=commit):
                self._refuse(report, index, parsed.id, "equivocation")
                if commit.proofs:
                    self._note_own(report, parsed)
                    report.proofs.append(proof)
                return commit
            case Aside(commit=commit):
                self._refuse(report, index, parsed.id, "equivocation")
                return commit
            case Refused(code=code):
                self._refuse(report, index, parsed.id, code)
            case Deferred():
                self._defer(report, index, parsed, outcome)
        return None

    def _note_admitted(self, report: Report, parsed: Parsed, entry: Entry) -> None:
        self._admitted.append(entry)
        if parsed.envelope.body is None and not self.is_erased(parsed.id, parsed.event):
            is_over = entry.verdict is Verdict.REJECTED and parsed.hlc.us < self._store.now() - SEALED_FOR
            self.want_bodies([] if is_over else [parsed.id])
        if entry.epoch not in self._others:
            self._note_own(report, parsed)
        if entry.verdict is not _ACCEPTED:
            self.refusals[entry.reason] += 1
            report.want += self._store.admission.authority.missing_for(parsed.event)
        if entry.withheld:
            self.refusals[entry.withheld] += 1

    def _count(self, report: Report) -> None:
        """Report what is new, chain by chain: nearly always a batch is of one or a few."""
        chains: dict[ChainKey, list[Entry]] = {}
        for entry in self._admitted:
            key = entry[1:3]
            if key in chains:
                chains[key].append(entry)
            else:
                chains[key] = [entry]
        report.accepted += len(self._admitted)
        for key, entries in chains.items():
            report.new[key] += len(entries)
            last = entries[-1]
            before = report.reached.get(key)
            if before is None or before.seq < last.seq:
                report.reached[key] = Position(*key, last.seq, last.id)
        self._admitted.clear()

    def _note_own(self, report: Report, parsed: Parsed) -> None:
        """Notice an event of this node that it lacked; one that a later epoch of it has cut off says nothing."""
        event = parsed.event
        identities = self._store.identities
        if identities.node_of(event.epoch) != self._store.node:
            self._others.add(event.epoch)
            return
        if not identities.is_honoured(event.epoch):
            return
        chain = self._store.admission.chains.get((event.epoch, event.stream))
        if chain is None or event.epoch == self._store.epoch or chain.limit.covers(event.seq):
            report.own = True

    # --- finish ------------------------------------------------------------------------------

    async def finish(self, pending: Pending) -> Report:
        """Wait until everything is durable, and make it visible. Raises Unavailable where it is not."""
        self.on_finished(pending.carrier, pending.report)
        for future in pending.commits:
            await future
        return pending.report

    async def take(self, envelopes: Sequence[bytes], carrier: bytes | None = None) -> Report:
        """Do all steps for one batch, in slices where others send, too."""
        if carrier is None or self.turns.is_little(carrier, len(envelopes)):
            return await self.finish(await self.admit(self.prepare(envelopes, carrier)))
        whole, start = Report(), 0
        async for prepared, _ in self.by_turns(envelopes, carrier):
            report = await self.finish(await self.admit(prepared))
            whole.add(report, start)
            start += report.count
        return whole


class _Parts:
    """Commits of several events, gathered into one."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.entries: list[Entry] = []
        """Nearly all events bring one entry and nothing else: those are appended here."""
        self._parts = Commit(self.entries, [], [], [], [], asides=[])

    def add(self, commit: Commit) -> None:
        """Append what a commit holds."""
        for gathered, part in zip(self._parts, commit, strict=True):
            if part:
                gathered.extend(part)  # type: ignore[attr-defined]  # made as lists above

    def take(self) -> Commit | None:
        """Return what was gathered, None where that is nothing."""
        gathered = self._parts
        self._begin()
        return gathered if any(gathered) else None
