"""The one door in for foreign events, whatever carried them: link, HTTP, SSE, a file.

decode → limits → id → held? → signatures (threads, processes) → verdicts → one transaction → publish. The steps are
apart so that a carrier can keep several batches in flight: ``prepare`` (parse, start the checks), ``admit``
(verdicts, in order, and the commit is queued), ``finish`` (durable, visible).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

from foedus.base.cbor import Malformed
from foedus.base.clock import ZERO, Instant
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import SEALED_FOR, WANTS_PER_FRAME
from foedus.log import streams
from foedus.log.admission import Admitted, Aside, Deferred, Duplicate, Forked, Refused, SignatureCheck, signature_checks
from foedus.log.chains import ChainKey, Position
from foedus.log.checkpoints import is_valid
from foedus.log.event import Event, Parsed, parse_envelope
from foedus.log.outcomes import OVER_QUOTA, Outcome
from foedus.log.port import Commit, Entry, Row, Verdict
from foedus.node.checking import STARTED_CHECKS, Checking, Verdicts, Verifiers
from foedus.node.crossings import Crossings
from foedus.node.reports import Rejection, Report
from foedus.node.store import Store
from foedus.node.turns import Turns
from foedus.trust.door import AGREEMENT

BODILESS_MAX = 10_000
"""Ids of events that came without a body and may still get it from another carrier; others are found by want."""
CLAUSES_MAX = 10_000
"""Clauses between admission and publication: ten full batches; beyond, the audit log names none."""
_ACCEPTED = Verdict.ACCEPTED


@dataclass
class Prepared:
    """A batch whose signatures are being checked."""

    parsed: list[tuple[int, Parsed, bytes]]
    report: Report
    counts: list[int]
    checks: list[Verdicts]
    inline: list[bool]
    carrier: bytes | None
    bad_checkpoints: Future[set[bytes]] | None


@dataclass
class Pending:
    """A batch whose commits are on their way to the disk."""

    report: Report
    commits: list[asyncio.Future[list[Row]]]
    encoded: dict[bytes, bytes]
    carrier: bytes | None


class Ingest:
    """Admits foreign events. One per node; every carrier calls it from the event loop's thread."""

    def __init__(self, store: Store, verifiers: Verifiers | None = None) -> None:
        self.checking = Checking(verifiers)
        self.turns = Turns()
        self.refusals: Counter[str] = Counter()
        self.door: Callable[[bytes, str, Instant], str] = lambda _node, _stream, _at: ""
        """The door of ``trust``: (origin, stream, clock of the event) → the clause by which it is not shown, or ''."""
        self.may_carry: Callable[[bytes, str], str] = lambda _carrier, _stream: ""
        """(carrier, stream) → '' or why it may not push that: ``not_permitted``, ``missing_prev`` (not yet), or a
        clause of the agreement in force."""
        self.is_awaited: Callable[[bytes, Parsed], bool] = lambda _carrier, _parsed: False
        """Whether an event is taken from its writer that may not push the stream any more."""
        self.crossings: Crossings | None = None
        self.is_erased: Callable[[bytes, Event], bool] = lambda _id, _event: False
        """Whether an erasure explains that the body of an event is not here."""
        self.on_finished: Callable[[bytes | None, Report], None] = lambda _carrier, _report: None
        self.on_crossed: Callable[[bytes, bytes], None] = lambda _id, _node: None
        """Told of each border act that is accepted and let in: (event id, writing node)."""
        self.clauses: dict[bytes, str] = {}
        """Event id → why the door did not let a border act in, from its admission until it is published."""
        self.checked = 0
        self._store = store
        self._clause = ""
        self._doors: dict[tuple[bytes, str], str] = {}
        self._admitted: list[Entry] = []
        """The new heads of the batch that is being admitted; they are counted at its end, chain by chain."""
        self._others: set[bytes] = set()
        """Epochs of other nodes that it holds."""
        self._bodiless: dict[bytes, None] = {}
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

    async def close(self) -> None:
        """Stop the checks under way."""
        await self.checking.close()

    # --- prepare -----------------------------------------------------------------------------

    def prepare(self, envelopes: Sequence[bytes], carrier: bytes | None = None, *, at_once: bool = False) -> Prepared:
        """Parse a batch, drop what is held, and start checking the signatures of the rest.

        ``carrier``: the peer that brought it, None where this node reads a file of its own. ``at_once``: a few
        signatures are checked here, however many others are being checked elsewhere.
        """
        report = Report()
        parsed: list[tuple[int, Parsed, bytes]] = []
        checks: list[SignatureCheck] = []
        started: list[Verdicts] = []
        counts: list[int] = []
        carriage: dict[str, str] = {}
        epoch_of = self._store.identities.epoch
        for index, data in enumerate(envelopes):
            found = self._parse(index, data, report)
            if found is None:
                continue
            event = found.event
            code = carriage.get(event.stream)
            if code is None:
                code = carriage[event.stream] = self._carriage(carrier, event.stream)
            if code == "not_permitted" and carrier is not None and self.is_awaited(carrier, found):
                code = ""
            if code and not self._is_carried(index, found, report, code):
                continue
            view = epoch_of(event.epoch)
            if view is None:
                self._defer(report, index, found, Deferred("unknown_peer", epoch=event.epoch))
                continue
            mine = signature_checks(found, view.ed25519)
            checks += mine
            counts.append(len(mine))
            parsed.append((index, found, data))
            if len(checks) >= STARTED_CHECKS:
                started.append(self.checking.start(checks))
                checks = []
        self.checked += sum(counts)
        inline: list[bool] = []
        if started:
            started += [self.checking.start(checks)] if checks else []
        else:
            started, inline = self.checking.check(checks, at_once=at_once)
        return Prepared(parsed, report, counts, started, inline, carrier, self._check_checkpoints(parsed))

    async def by_turns(self, envelopes: Sequence[bytes], carrier: bytes) -> AsyncIterator[tuple[Prepared, bool]]:
        """Prepare what a heavy peer brings, as many at a time as its turn allows; tell of each whether it is last.

        The indexes of a report are those of its own slice.
        """
        start, is_last = 0, False
        while not is_last:
            async with self.turns.turn(carrier) as size:
                prepared = self.prepare(envelopes[start : start + size], carrier)
            start += size
            is_last = start >= len(envelopes)
            yield prepared, is_last

    def _parse(self, index: int, data: bytes, report: Report) -> Parsed | None:
        try:
            parsed = parse_envelope(data)
        except FoedusError as error:
            self._refuse(report, index, sha256(data), error.code)
            return None
        if not self._store.admission.is_held(parsed):
            return parsed
        if parsed.id in self._bodiless:
            return parsed
        report.duplicates += 1
        self._reach(report, parsed)
        return None

    def _is_carried(self, index: int, parsed: Parsed, report: Report, code: str) -> bool:
        """Report an event that is not taken by ``code``; return whether it is after all."""
        is_ours = self._store.identities.node_of(parsed.event.epoch) == self._store.node
        if is_ours and code.startswith(AGREEMENT):
            return True  # our own words come back, whoever may say anything to us
        if code == "missing_prev":
            self._defer(report, index, parsed, Deferred(code))
        else:
            self._refuse(report, index, parsed.id, code)
            if code == "not_permitted" or code.startswith(AGREEMENT):
                report.barred[(parsed.event.epoch, parsed.event.stream)] = None
        return False

    def _carriage(self, carrier: bytes | None, stream: str) -> str:
        """Return '' or why events of a stream are not taken from this carrier."""
        try:
            streams.parse(stream)
        except Malformed as error:
            return error.code
        return "" if carrier is None else self.may_carry(carrier, stream)

    def _check_checkpoints(self, parsed: list[tuple[int, Parsed, bytes]]) -> Future[set[bytes]] | None:
        found = [
            (item.id, item.envelope.body, item.event.epoch, view.record.record.keys)
            for _, item, _ in parsed
            if item.event.act.kind == "checkpoint"
            and item.envelope.body is not None
            and (view := self._store.identities.epoch(item.event.epoch))
        ]
        if not found:
            return None
        return self.checking.in_thread(
            lambda: {
                event_id
                for event_id, body, epoch, keys in found
                if not is_valid(body, epoch, keys.ed25519, keys.mldsa65)
            },
        )

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

    def want_bodies(self, ids: Iterable[bytes]) -> None:
        """Take the bodies of these held events from whoever brings them, as far as there is room to remember."""
        for event_id in ids:
            if len(self._bodiless) < BODILESS_MAX:
                self._bodiless[event_id] = None

    def wanted_bodies(self) -> list[bytes]:
        """Return some held events whose bodies are wanted: those that this has not returned for longest."""
        wanted = list(islice(self._bodiless, WANTS_PER_FRAME))
        self._bodiless |= {event_id: self._bodiless.pop(event_id) for event_id in wanted}
        return wanted

    def missing(self) -> list[bytes]:
        """Return some of what is to be asked for: events that lack their body here, and such as held ones cite."""
        return self.wanted_bodies() + self._store.admission.awaited(WANTS_PER_FRAME)

    def forget_bodies(self, ids: Iterable[bytes]) -> None:
        """Take the bodies of these events from nobody: they are erased."""
        for event_id in ids:
            self._bodiless.pop(event_id, None)

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

    def _reach(self, report: Report, parsed: Parsed) -> None:
        event = parsed.event
        key = (event.epoch, event.stream)
        before = report.reached.get(key)
        if before is None or before.seq < event.seq:
            report.reached[key] = Position(event.epoch, event.stream, event.seq, parsed.id)

    def _refuse(self, report: Report, index: int, event_id: bytes, reason: str) -> None:
        self.refusals[reason] += 1
        report.refused.append(Rejection(index, event_id, reason))

    def _defer(self, report: Report, index: int, parsed: Parsed, deferred: Deferred) -> None:
        self.refusals[deferred.code] += 1
        report.deferred.append(Rejection(index, parsed.id, deferred.code))
        if deferred.code != OVER_QUOTA:
            report.again.add((parsed.event.epoch, parsed.event.stream))
        report.want += deferred.want
        if deferred.epoch is not None:
            report.want_records.add(deferred.epoch)

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
