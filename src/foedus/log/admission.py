"""Admission: the one way by which an event becomes part of this node's log.

``Admission`` is the state machine behind the one door: it holds every chain's head and the authority state in
memory, gives each event its verdicts, and says in a ``Commit`` what is to be stored. It reads the log only
where a head does not answer (duplicates, forks, rechecks). What it admitted but is not yet durable is *staged*;
``settled`` lets go of it. If a commit fails, the node drops this object and loads a new one from the log.

Signatures are checked before (``signature_checks``), in worker threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from foedus.base.clock import ZERO, Hlc, Instant
from foedus.base.limits import CLOCK_AHEAD_MAX, WAITING_EVENTS_MAX
from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.authority import Authority, ControlChange, Recheck
from foedus.log.chains import Chain, Chains, Position
from foedus.log.control import ControlEvent
from foedus.log.event import Parsed, digest_matches, event_signing_bytes, parse_event
from foedus.log.evidence import make_proof
from foedus.log.participants import Judgement
from foedus.log.port import (
    BodyFill,
    Commit,
    Entry,
    EventLog,
    Proof,
    Row,
    Truncate,
    Verdict,
    VerdictChange,
)

_RECHECK_PAGE = 1_000

SignatureCheck: TypeAlias = tuple[bytes, bytes, bytes]
"""(public key, message, signature)"""


class Admitted(NamedTuple):
    """The event is the new head of its chain. ``position`` is where it stands."""

    entry: Entry
    position: Position
    commit: Commit


class Duplicate(NamedTuple):
    """The event is held; ``commit`` is not empty where it brought a missing body."""

    commit: Commit


class Refused(NamedTuple):
    """Nothing is kept."""

    code: str


class Deferred(NamedTuple):
    """Not stored: something is missing. ``want`` are ids of events, ``epoch`` an identity record, to ask for."""

    code: str
    want: tuple[bytes, ...] = ()
    epoch: bytes | None = None


class Forked(NamedTuple):
    """The event and a held one prove that their node equivocated. ``commit`` keeps the proof."""

    proof: Proof
    commit: Commit


Outcome: TypeAlias = Admitted | Duplicate | Refused | Deferred | Forked
Withhold: TypeAlias = Callable[[Parsed, bytes], str]
"""The door: (event, its node) → the clause by which it is withheld here, or ''."""


def signature_checks(parsed: Parsed, node_key: bytes) -> list[SignatureCheck]:
    """Return the checks of an event's one or two Ed25519 signatures."""
    envelope, event = parsed.envelope, parsed.event
    checks = [(node_key, event_signing_bytes(envelope.event), envelope.sig)]
    if parsed.act_bytes is not None and event.act.device is not None and event.asig is not None:
        checks.append((event.act.device, parsed.act_bytes, event.asig))
    return checks


class Admission:
    """All that admission knows. One instance per node, used by one thread."""

    def __init__(self, log: EventLog, identities: IdentityDirectory) -> None:
        self.log = log
        self.identities = identities
        self.chains = Chains()
        self.authority = Authority(identities, self.chains)
        self.withhold: Withhold = lambda _parsed, _node: ""
        self._staged: dict[bytes, Entry] = {}
        self._wanted: set[bytes] = set()
        self._branch: dict[bytes, Parsed] = {}

    # --- loading -----------------------------------------------------------------------------

    def load(self) -> None:
        """Rebuild everything from the log. The identity directory holds all records already."""
        for head in self.log.heads():
            node = self.identities.node_of(head.epoch)
            if node is None:
                continue
            chain = self.chains.ensure(head.epoch, head.stream, node)
            chain.advance(head.seq, head.id, head.hlc)
            chain.contested = head.contested
        for row in self.log.control_rows():
            self._load_control(row)
        for chain in self.chains:
            self._load_opening(chain)
        for node in {chain.node for chain in self.chains}:
            self.authority.refresh_limits(node)
        for stream in self.authority.controls.streams():
            self.authority.relearn(stream)
        for row in self.log.pending_rows():
            chain_or_none = self.chains.get((row.epoch, row.stream))
            if chain_or_none is not None and row.stream.startswith("room:"):
                self.authority.judge(parse_event(row.envelope).event, chain_or_none, row.seq)

    def _load_control(self, row: Row) -> None:
        node = self.identities.node_of(row.epoch)
        if node is None:
            return
        parsed = parse_event(row.envelope)
        control = ControlEvent(row.id, node, parsed.event)
        control.take_body(row.envelope)
        control.verdict, control.reason = row.verdict, row.reason
        self.authority.controls.add(control)
        if parsed.event.act.kind == "checkpoint":
            control.body = None

    def _load_opening(self, chain: Chain) -> None:
        view = self.identities.epoch(chain.epoch)
        if view is not None and view.n > 0:
            for row in self.log.chain(chain.epoch, chain.stream, 0, 1):
                self._note_opening(parse_event(row.envelope))

    # --- the chain verdict -------------------------------------------------------------------

    def is_held(self, parsed: Parsed) -> bool:
        """Whether the head of its chain says that this event is held already; spares checking its signatures."""
        chain = self.chains.get((parsed.event.epoch, parsed.event.stream))
        if chain is None or parsed.event.seq > chain.seq:
            return False
        if parsed.event.seq == chain.seq:
            return parsed.id == chain.id
        return parsed.id in self._staged or parsed.id in self.log.by_ids([parsed.id])

    def admit(self, parsed: Parsed, now: Instant) -> Outcome:
        """Give a foreign event with valid signatures its verdicts; see the classes of Outcome."""
        event = parsed.event
        node = self.identities.node_of(event.epoch)
        if node is None:
            return Deferred("unknown_peer", epoch=event.epoch)
        code = self._shape(parsed, node)
        if code:
            return Refused(code)
        if parsed.id in self._wanted:
            self._keep_branch(parsed)
        chain = self.chains.ensure(event.epoch, event.stream, node)
        if event.seq <= chain.seq:
            return self._held_place(parsed, chain)
        if chain.contested:
            return Refused("equivocation")
        if event.seq != chain.seq + 1:
            return Deferred("missing_prev")
        branch = self._choose_branch(parsed) if event.seq == 1 else Commit()
        if isinstance(branch, Deferred):
            return branch
        refusal = self._follows(parsed, chain, now)
        if refusal is not None:
            return refusal
        admitted = self.append(parsed, chain)
        return admitted._replace(commit=_merge(branch, admitted.commit)) if branch.entries else admitted

    def _shape(self, parsed: Parsed, node: bytes) -> str:
        event = parsed.event
        stream = streams.parse(event.stream)
        if event.act.device is None and event.act.author != node:
            return "malformed_event"
        if stream.kind == "pair" and node.hex() not in stream.subject:
            return "not_permitted"
        return "" if digest_matches(parsed.envelope, event.act) else "digest_mismatch"

    def _follows(self, parsed: Parsed, chain: Chain, now: Instant) -> Refused | Deferred | None:
        """Check ``prev`` and the clock against the head; None where the event follows it."""
        event = parsed.event
        if event.seq > 1:
            if event.prev != chain.id:
                return Deferred("missing_prev", want=(event.prev,) if event.prev else ())
            before = chain.hlc
        else:
            opened = self._opening(parsed)
            if isinstance(opened, Refused | Deferred):
                return opened
            before = opened
        if event.hlc[0] > now + CLOCK_AHEAD_MAX:
            return Deferred("excessive_drift")
        return None if parsed.hlc > before else Refused("hlc_not_growing")

    def _held_place(self, parsed: Parsed, chain: Chain) -> Outcome:
        """An event at or below the head: held already, or the proof of a fork."""
        seq = parsed.event.seq
        if parsed.id in self._staged or (seq == chain.seq and parsed.id == chain.id):
            return self._fill(parsed, chain)
        rows = self.log.by_ids([parsed.id])
        if parsed.id in rows:
            return self._fill(parsed, chain)
        held = self._at(chain, seq)
        if held is None or held.id == parsed.id:
            return Duplicate(Commit())
        proof = make_proof(held, parsed)
        return Forked(proof, self.contest(proof))

    def _at(self, chain: Chain, seq: int) -> Parsed | None:
        for entry in self._staged.values():
            if entry.seq == seq and (entry.epoch, entry.stream) == chain.key:
                return parse_event(entry.envelope)
        rows = self.log.chain(chain.epoch, chain.stream, seq - 1, 1)
        return parse_event(rows[0].envelope) if rows and rows[0].seq == seq else None

    def _fill(self, parsed: Parsed, chain: Chain) -> Duplicate:
        """Take the body of a held event that was missing."""
        salt, body = parsed.envelope.salt, parsed.envelope.body
        if salt is None or body is None:
            return Duplicate(Commit())
        held = self._staged.get(parsed.id)
        envelope = held.envelope if held else None
        if envelope is None:
            row = self.log.by_ids([parsed.id]).get(parsed.id)
            envelope = row.envelope if row else None
        if envelope is None or envelope.body is not None:
            return Duplicate(Commit())
        fill = BodyFill(parsed.id, salt, body)
        control = self.authority.controls.get(parsed.id)
        if control is None:
            return Duplicate(Commit(bodies=[fill]))
        control.take_body(parsed.envelope)
        verdicts = self._verdicts(*self.authority.relearn(chain.stream))
        return Duplicate(Commit(bodies=[fill], verdicts=verdicts))

    # --- appending ---------------------------------------------------------------------------

    def append(self, parsed: Parsed, chain: Chain) -> Admitted:
        """Make a checked event the head of its chain, and judge it. Own events come here directly."""
        event = parsed.event
        chain.advance(event.seq, parsed.id, parsed.hlc)
        opened = event.seq == 1 and self._note_opening(parsed)
        is_room = event.stream.startswith("room:")
        verdicts: list[VerdictChange] = []
        if is_room:
            judged = self.authority.judge(event, chain, event.seq)
        else:
            judged, verdicts = self._learn(parsed, chain)
        withheld = self.withhold(parsed, chain.node)
        entry = _entry(parsed, judged, withheld, device=event.act.device if self._replayable(event.stream) else None)
        self._staged[parsed.id] = entry
        if opened:
            verdicts += self._verdicts(*self.authority.refresh_limits(chain.node))
        commit = Commit(entries=[entry], verdicts=verdicts)
        return Admitted(entry, chain.position, commit)

    @staticmethod
    def _replayable(stream: str) -> bool:
        return stream.startswith(("room:", "participant:"))

    def _learn(self, parsed: Parsed, chain: Chain) -> tuple[Judgement, list[VerdictChange]]:
        control = ControlEvent(parsed.id, chain.node, parsed.event)
        control.take_body(parsed.envelope)
        changes, rechecks = self.authority.learn(control)
        if parsed.event.act.kind == "checkpoint":
            control.body = None  # 3.4 KB each, and nothing is folded from it
        judged = Judgement(control.verdict, control.reason)
        others = [change for change in changes if change.event is not control]
        return judged, self._verdicts(others, rechecks)

    def judge_own(self, parsed: Parsed, chain: Chain) -> Judgement:
        """What the authority verdict of a room event would be, before it is ordered; refuse the author early."""
        return self.authority.judge(parsed.event, chain, parsed.event.seq)

    def settled(self, entries: Iterable[Entry]) -> None:
        """These entries are durable now."""
        for entry in entries:
            self._staged.pop(entry.id, None)

    # --- what new facts change ---------------------------------------------------------------

    def learn_records(self, node: bytes) -> list[VerdictChange]:
        """Identity records of ``node`` were added to the directory: say which verdicts change."""
        return self._verdicts(*self.authority.refresh_limits(node))

    def contest(self, proof: Proof) -> Commit:
        """Keep a valid proof of a chain's fork. A chain that is contested already keeps its first."""
        node = self.identities.node_of(proof.epoch)
        if node is None:
            return Commit()
        chain = self.chains.ensure(proof.epoch, proof.stream, node)
        if chain.contested:
            return Commit()
        chain.contested = proof.seq
        return Commit(proofs=[proof], verdicts=self._verdicts(*self.authority.refresh_limits(node)))

    def _verdicts(self, changes: list[ControlChange], rechecks: list[Recheck]) -> list[VerdictChange]:
        found = [VerdictChange(change.event.id, change.verdict, change.reason) for change in changes]
        for recheck in rechecks:
            found += self._recheck(recheck)
        return found

    def _recheck(self, recheck: Recheck) -> list[VerdictChange]:
        chain = self.chains.get((recheck.epoch, recheck.stream))
        if chain is None:
            return []
        found: list[VerdictChange] = []
        after = recheck.from_seq - 1
        while rows := self.log.chain(recheck.epoch, recheck.stream, after, _RECHECK_PAGE):
            found += [change for row in rows if (change := self._rejudge(row, chain))]
            after = rows[-1].seq
        for entry in self._staged.values():
            if (entry.epoch, entry.stream) == chain.key and entry.seq >= recheck.from_seq:
                change = self._rejudge(entry, chain)
                if change:
                    found.append(change)
        return found

    def _rejudge(self, held: Row | Entry, chain: Chain) -> VerdictChange | None:
        if held.reason == "replayed_nonce":
            return None
        judged = self.authority.judge(parse_event(held.envelope).event, chain, held.seq)
        if held.id in self._staged:
            self._staged[held.id] = self._staged[held.id]._replace(verdict=judged.verdict, reason=judged.reason)
        same = judged == (held.verdict, held.reason)
        return None if same else VerdictChange(held.id, judged.verdict, judged.reason)

    # --- epochs and branches -----------------------------------------------------------------

    def _opening(self, parsed: Parsed) -> Hlc | Refused | Deferred:
        """Check the first event of a chain; return the clock that it must exceed."""
        prev = parsed.event.prev
        if prev is None:
            return ZERO
        place = self._place_of(prev)
        if place is None:
            return Deferred("missing_prev", want=(prev,))
        ancestors = self.identities.ancestors(parsed.event.epoch)
        if place.stream != parsed.event.stream or place.epoch not in ancestors:
            return Refused("malformed_event")
        return place.hlc

    def _place_of(self, event_id: bytes) -> Entry | Row | None:
        """Where a held event stands in its chain; None if it is not held or left its chain."""
        staged = self._staged.get(event_id)
        if staged is not None:
            return staged
        row = self.log.by_ids([event_id]).get(event_id)
        return row if row is not None and row.local > 0 else None

    def _note_opening(self, parsed: Parsed) -> bool:
        """Remember where the first event of a later epoch's chain cuts the former; True where it does."""
        event = parsed.event
        view = self.identities.epoch(event.epoch)
        if view is None or view.n == 0:
            return False
        place = self._place_of(event.prev) if event.prev else None
        self.authority.openings[event.epoch, event.stream] = (place.epoch, place.seq) if place else None
        return True

    def _choose_branch(self, opener: Parsed) -> Commit | Deferred:
        """Where ``prev`` of an opening names a branch that we do not hold, collect it by id and take it up.

        An empty commit: there is nothing to choose.
        """
        tip = opener.event.prev
        if tip is None or self._place_of(tip) is not None or not self.identities.ancestors(opener.event.epoch):
            return Commit()
        path: list[Parsed] = []
        while self._place_of(tip) is None:
            parsed = self._branch.get(tip) or self._aside(tip)
            if parsed is None:
                if len(self._wanted) < WAITING_EVENTS_MAX:
                    self._wanted.add(tip)
                return Deferred("missing_prev", want=(tip,))
            path.append(parsed)
            if parsed.event.seq == 1 or parsed.event.prev is None:
                break
            tip = parsed.event.prev
        path.reverse()
        return self._take_branch(path)

    def _aside(self, event_id: bytes) -> Parsed | None:
        row = self.log.by_ids([event_id]).get(event_id)
        return parse_event(row.envelope) if row else None

    def _keep_branch(self, parsed: Parsed) -> None:
        self._wanted.discard(parsed.id)
        if len(self._branch) < WAITING_EVENTS_MAX:
            self._branch[parsed.id] = parsed

    def _take_branch(self, path: list[Parsed]) -> Commit | Deferred:
        """Replace the end of a chain by the branch ``path``, if it is one (each event follows the one before)."""
        first = path[0].event
        node = self.identities.node_of(first.epoch)
        chain = self.chains.get((first.epoch, first.stream))
        if node is None or chain is None:
            return Deferred("missing_prev", want=(path[-1].id,))
        base = self._at(chain, first.seq - 1) if first.seq > 1 else None
        if not _is_path(base, path):
            return Deferred("missing_prev")
        self._rewind(chain, base, first.seq)
        parts = [self.append(parsed, chain).commit for parsed in path]
        for parsed in path:
            self._branch.pop(parsed.id, None)
        return Commit(
            truncations=[Truncate(chain.epoch, chain.stream, first.seq)],
            entries=[entry for part in parts for entry in part.entries],
            verdicts=[verdict for part in parts for verdict in part.verdicts],
        )

    def _rewind(self, chain: Chain, base: Parsed | None, from_seq: int) -> None:
        if base is None:
            chain.advance(0, b"", ZERO)
        else:
            chain.advance(from_seq - 1, base.id, base.hlc)
        gone = [key for key, entry in self._staged.items() if _is_beyond(entry, chain, from_seq)]
        for key in gone:
            del self._staged[key]
        if streams.parse(chain.stream).is_control:
            self.authority.controls.truncate(chain.epoch, chain.stream, from_seq)
            self.authority.relearn(chain.stream)


def _is_beyond(entry: Entry, chain: Chain, from_seq: int) -> bool:
    return (entry.epoch, entry.stream) == chain.key and entry.seq >= from_seq


def _is_path(base: Parsed | None, path: list[Parsed]) -> bool:
    """Whether each event names the one before as ``prev`` in one chain, with growing seq and clock."""
    before = base
    for parsed in path:
        event = parsed.event
        expected = (before.event.seq + 1, before.id) if before else (1, event.prev)
        same = before is None or (before.event.epoch, before.event.stream) == (event.epoch, event.stream)
        if not same or (event.seq, event.prev) != expected or (before and parsed.hlc <= before.hlc):
            return False
        before = parsed
    return True


def _merge(first: Commit, second: Commit) -> Commit:
    """Put two commits into one, in this order (the first may truncate, the second does not)."""
    return Commit(
        truncations=first.truncations,
        entries=[*first.entries, *second.entries],
        verdicts=[*first.verdicts, *second.verdicts],
        bodies=second.bodies,
        proofs=second.proofs,
    )


def _entry(parsed: Parsed, judged: Judgement, withheld: str, device: bytes | None) -> Entry:
    event = parsed.event
    return Entry(
        id=parsed.id,
        epoch=event.epoch,
        stream=event.stream,
        seq=event.seq,
        hlc=parsed.hlc,
        kind=event.act.kind,
        device=device,
        nonce=event.act.nonce,
        envelope=parsed.envelope,
        verdict=judged.verdict,
        reason=judged.reason,
        withheld=withheld,
    )
