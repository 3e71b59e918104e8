"""The first half of ingest: events are parsed, what is held is dropped, and the signatures of the rest are checked.

Nothing of it changes what is held; batches may be prepared while others before them are still being checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

from foedus.base.cbor import Malformed
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import WANTS_PER_FRAME
from foedus.log import streams
from foedus.log.admission import Deferred, SignatureCheck, signature_checks
from foedus.log.chains import Position
from foedus.log.checkpoints import is_valid
from foedus.log.event import Parsed, parse_envelope
from foedus.log.outcomes import OVER_QUOTA
from foedus.node.checking import STARTED_CHECKS, Checking, Verdicts, Verifiers
from foedus.node.reports import Rejection, Report
from foedus.node.store import Store
from foedus.node.turns import Turns
from foedus.trust.door import AGREEMENT

BODILESS_MAX = 10_000
"""Ids of events that came without a body and may still get it from another carrier; others are found by want."""


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


class Preparing:
    """What ingest knows before an event is judged, and how it reports what is not taken."""

    def __init__(self, store: Store, verifiers: Verifiers | None) -> None:
        self.checking = Checking(verifiers)
        self.turns = Turns()
        self.refusals: Counter[str] = Counter()
        self.may_carry: Callable[[bytes, str], str] = lambda _carrier, _stream: ""
        """(carrier, stream) → '' or why it may not push that: ``not_permitted``, ``missing_prev`` (not yet), or a
        clause of the agreement in force."""
        self.is_awaited: Callable[[bytes, Parsed], bool] = lambda _carrier, _parsed: False
        """Whether an event is taken from its writer that may not push the stream any more."""
        self.checked = 0
        self._store = store
        self._bodiless: dict[bytes, None] = {}

    async def close(self) -> None:
        """Stop the checks under way."""
        await self.checking.close()

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

    # --- bodies that are missing -------------------------------------------------------------

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

    # --- reporting ---------------------------------------------------------------------------

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
