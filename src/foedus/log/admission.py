"""Admission: the one way by which an event becomes part of this node's log.

``Admission`` is the state machine behind the one door: it holds every chain's head and the authority state in
memory, gives each event its verdicts, and says in a ``Commit`` what is to be stored. It reads the log only
where a head does not answer (duplicates, forks, rechecks). What it admitted but is not yet durable is *staged*;
``settled`` lets go of it. Commits must be made durable in the order in which they were returned, and may be joined
in that order. If a commit fails, or anything here raises, the node drops this object and loads a new one from the log:
state moves before the commit is returned. What a peer sends never raises; it is an Outcome.

Signatures are checked before (``signature_checks``), in worker threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from foedus.base.clock import ZERO, Hlc, Instant
from foedus.base.limits import CLOCK_AHEAD_MAX
from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.authority import Authority
from foedus.log.branches import Branches, is_path
from foedus.log.chains import Chain, Chains
from foedus.log.control import ControlEvent
from foedus.log.cuts import Opening
from foedus.log.erasures import ERASE, Erasures
from foedus.log.event import Parsed, digest_matches, parse_event
from foedus.log.evidence import make_proof
from foedus.log.gaps import Gaps
from foedus.log.loading import index_waiting, judge_controls, read_chains, read_erasures
from foedus.log.outcomes import (
    OVER_QUOTA,
    Admitted,
    Aside,
    Deferred,
    Duplicate,
    Forked,
    Outcome,
    Refused,
    SignatureCheck,
    join,
    signature_checks,
)
from foedus.log.participants import Judgement, rejected
from foedus.log.port import (
    BodyFill,
    Commit,
    Entry,
    EventLog,
    Gap,
    Proof,
    Row,
    Truncate,
    Verdict,
    VerdictChange,
)
from foedus.log.rechecks import Allowed, Rechecks
from foedus.log.staged import Staged

__all__ = [
    "OVER_QUOTA",
    "Admission",
    "Admitted",
    "Aside",
    "Deferred",
    "Duplicate",
    "Forked",
    "Outcome",
    "Refused",
    "SignatureCheck",
    "join",
    "signature_checks",
]

Withhold: TypeAlias = Callable[[Parsed, bytes, bool], str]
"""The door: (event, its node, whether it is accepted) → the clause by which it is withheld here, or ''."""


class Admission:
    """All that admission knows. One instance per node, used by one thread."""

    def __init__(self, log: EventLog, identities: IdentityDirectory) -> None:
        self.log = log
        self.identities = identities
        self.chains = Chains()
        self._staged = Staged(log)
        self.authority = Authority(identities, self.chains, self._staged)
        self.erasures = Erasures(self.authority, identities.node_of, self._staged)
        self.withhold: Withhold = lambda _parsed, _node, _accepted: ""
        self.allow: Allowed = lambda _parsed, _node: ""
        """The same for what was pending and is accepted now."""
        self._rechecks = Rechecks(self.authority, self.erasures, self._staged, self._allowed)
        self.gaps = Gaps()
        self._branches = Branches()

    def _allowed(self, parsed: Parsed, node: bytes) -> str:
        return self.allow(parsed, node)  # it is set later

    # --- loading -----------------------------------------------------------------------------

    def load(self) -> None:
        """Rebuild everything from the log. The identity directory holds all records already."""
        read_chains(self.log, self.authority)
        for chain in self.chains:
            self._find_opening(chain)
        judge_controls(self.authority)
        index_waiting(self.log, self.authority)
        read_erasures(self.log, self.authority, self.erasures)
        self.gaps = Gaps(self.log.gaps())

    def _find_opening(self, chain: Chain) -> None:
        if chain.seq and self._epoch_number(chain.epoch):
            first = self._staged.at(chain.key, 1)
            if first is not None:
                self._note_opening(_parse(first))

    def _epoch_number(self, epoch: bytes) -> int:
        view = self.identities.epoch(epoch)
        return 0 if view is None else view.n

    # --- the chain verdict -------------------------------------------------------------------

    def is_held(self, parsed: Parsed) -> bool:
        """Whether this event is held already, so that its signatures need no check and it need not be admitted.

        Only a body that is missing here is worth admitting then, and the digest vouches for that.
        """
        chain = self.chains.get((parsed.event.epoch, parsed.event.stream))
        if chain is None or parsed.event.seq > chain.seq:
            return False
        if parsed.event.seq == chain.seq:
            return parsed.id == chain.id
        return self._staged.get(parsed.id) is not None

    def admit(self, parsed: Parsed, now: Instant) -> Outcome:
        """Give a foreign event with valid signatures its verdicts; see the classes of Outcome."""
        event = parsed.event
        act = event.act
        found = self.chains.get((event.epoch, event.stream)) or self._new_chain(parsed)
        if not isinstance(found, Chain):
            return found
        if act.device is None and act.author != found.node:
            return Refused("malformed_event")
        if not digest_matches(parsed.envelope, act):
            return Refused("digest_mismatch")
        self._branches.offer(found.node, parsed)
        if event.seq <= found.seq:
            return self._held_place(parsed, found)
        return self._beyond_head(parsed, found, now)

    def _beyond_head(self, parsed: Parsed, chain: Chain, now: Instant) -> Outcome:
        seq = parsed.event.seq
        if 0 < chain.contested <= seq:
            aside = self._set_aside(parsed, chain)
            return Aside(aside) if aside.asides else Refused("equivocation")
        if seq != chain.seq + 1:
            return Deferred("missing_prev")
        return self._admit_next(parsed, chain, now) if seq > 1 else self._admit_first(parsed, chain, now)

    def _new_chain(self, parsed: Parsed) -> Chain | Refused | Deferred:
        """Return an empty chain for an event of a chain that is not held; it is held once an event of it is."""
        event = parsed.event
        node = self.identities.node_of(event.epoch)
        if node is None:
            return Deferred("unknown_peer", epoch=event.epoch)
        code = streams.excludes(event.stream, node)
        if code:
            return Refused(code)
        return Chain(event.epoch, event.stream, node) if self.chains.has_room_for(node) else Deferred(OVER_QUOTA)

    def _admit_next(self, parsed: Parsed, chain: Chain, now: Instant) -> Outcome:
        event = parsed.event
        if event.prev != chain.id:
            return Deferred("missing_prev", want=(event.prev,)) if event.prev else Refused("malformed_event")
        return self._timely(parsed, chain.hlc, now) or self._admit_bounded(parsed, chain)

    def _admit_first(self, parsed: Parsed, chain: Chain, now: Instant) -> Outcome:
        """Admit the first event of a chain: ``prev`` is the cut, and names a branch where there are two."""
        prev = parsed.event.prev
        if prev is None or self.identities.is_void(chain.epoch):
            return self._timely(parsed, None, now) or self._admit_bounded(parsed, chain)
        before = self._known(prev, chain.node)
        ancestors = self.identities.ancestors(chain.epoch)
        if before is None and ancestors:
            return self._want(prev, chain.node)
        if before is None or before.event.stream != chain.stream or before.event.epoch not in ancestors:
            return Refused("malformed_event")
        return self._timely(parsed, before.hlc, now) or self._admit_bounded(parsed, chain, prev)

    @staticmethod
    def _timely(parsed: Parsed, before: Hlc | None, now: Instant) -> Refused | Deferred | None:
        hlc = parsed.event.hlc
        if hlc[0] > now + CLOCK_AHEAD_MAX:
            return Deferred("excessive_drift")
        return None if before is None or hlc > before else Refused("hlc_not_growing")

    def _admit_bounded(self, parsed: Parsed, chain: Chain, cut: bytes | None = None) -> Admitted | Deferred:
        """Append, after taking up the branch that ends with ``cut``, unless we hold too much of that node already."""
        if chain.is_folded:
            is_full = not self.authority.has_room_for(parsed, chain.node)
        else:
            is_full = self.authority.waiting.is_full(chain.epoch) and self.judge_own(parsed, chain).reason == "auth"
            is_full |= parsed.event.act.kind == ERASE and self.erasures.is_full(chain.node)
        if is_full:
            return Deferred(OVER_QUOTA)
        if cut is None or not self.authority.cuts.would_stand(chain.node, chain.epoch, chain.stream):
            return self.append(parsed, chain)
        branch = self.adopt(cut, chain.node)
        if isinstance(branch, Deferred):
            return branch
        admitted = self.append(parsed, chain)
        return Admitted(admitted.entry, join((branch, admitted.commit)))

    def _held_place(self, parsed: Parsed, chain: Chain) -> Outcome:
        """Answer for an event at or below the head: it is held already, or proves a fork."""
        held = self._staged.get(parsed.id)
        if held is not None:
            return self._fill(parsed, held, chain)
        there = self._staged.at(chain.key, parsed.event.seq)
        if there is None:
            is_pruned = self.gaps.behind(chain.key, parsed.event.seq - 1) is not None
            return Refused("pruned") if is_pruned else Deferred("missing_prev")
        proof = make_proof(_parse(there), parsed)
        return Forked(proof, join((self.contest(proof), self._set_aside(parsed, chain))))

    def _set_aside(self, parsed: Parsed, chain: Chain) -> Commit:
        """Keep an event of a branch that the chain does not hold where a held one waits for it: as where it was."""
        event = parsed.event
        is_on_branch = 0 < chain.contested <= event.seq
        if not is_on_branch or not self.authority.waiting.is_awaited(parsed.id):
            return Commit()
        kept = self._without_erased(parsed) if self.erasures.names(parsed.id) else parsed
        entry = _entry(kept, rejected("equivocation"))
        self._staged.set_aside(entry)
        return Commit(asides=[entry], verdicts=self._rechecks.run([], self.authority.arrived(parsed.id)))

    def _fill(self, parsed: Parsed, held: Entry | Row, chain: Chain) -> Duplicate:
        """Take the body of a held event that was missing."""
        salt, body = parsed.envelope.salt, parsed.envelope.body
        if salt is None or body is None or held.envelope.body is not None:
            return Duplicate(Commit())
        if self.erasures.erased_by(parsed.id, parsed.event) is not None:
            return Duplicate(Commit())
        fill = BodyFill(parsed.id, salt, body)
        if isinstance(held, Entry):
            self._staged.fill(held, parsed.envelope)
        erase = self.erasures.get(parsed.id)
        if erase is not None:
            self.erasures.note(parsed, chain)
            return Duplicate(Commit(bodies=[fill], verdicts=self._rechecks.run([], [erase.place])))
        control = self.authority.controls.get(parsed.id)
        if control is None or control.has_body:
            return Duplicate(Commit(bodies=[fill]))
        control.take_body(parsed.envelope)
        changed = self.authority.relearn(chain.stream, None if control.created_room else chain.node)
        return Duplicate(Commit(bodies=[fill], verdicts=self._rechecks.run(*changed)))

    # --- appending ---------------------------------------------------------------------------

    def append(self, parsed: Parsed, chain: Chain) -> Admitted:
        """Make a checked event the head of its chain, and judge it. Own events come here directly."""
        event = parsed.event
        if self.erasures.names(parsed.id):
            parsed = self._without_erased(parsed)
        chain.advance(event.seq, parsed.id, parsed.hlc)
        self._branches.drop(chain.node, parsed.id)
        verdicts = self._open(parsed, chain) if event.seq == 1 else []
        if chain.is_folded:
            control = ControlEvent(parsed, chain.node)
            verdicts += self._rechecks.run(*self.authority.learn(control))
            judged = Judgement(control.verdict, control.reason)
        else:
            judged = self.authority.judge(event, chain, event.seq)
            if judged.reason == "auth":
                self.authority.await_cited(event, chain, event.seq)
            if event.act.kind == ERASE:
                self.erasures.note(parsed, chain)
                judged = self.erasures.judge(parsed.id, judged)
        entry = _entry(parsed, judged, self.withhold(parsed, chain.node, judged.verdict is Verdict.ACCEPTED))
        self._staged.add(entry)
        if self.authority.waiting.is_awaited(parsed.id):
            verdicts += self._rechecks.run([], self.authority.arrived(parsed.id))
        if self.authority.cuts.is_awaited(parsed.id):
            self.authority.cuts.place(parsed.id, (event.epoch, event.seq))
            verdicts += self._refresh(chain)
        return Admitted(entry, Commit((entry,), verdicts=verdicts) if verdicts else None)

    def _without_erased(self, parsed: Parsed) -> Parsed:
        """Return an event, without the body that an erase takes."""
        is_erased = self.erasures.erased_by(parsed.id, parsed.event) is not None
        return parsed._replace(envelope=parsed.envelope.without_body()) if is_erased else parsed

    def _open(self, parsed: Parsed, chain: Chain) -> list[VerdictChange]:
        """Hold a new chain, and let its first event cut what came before."""
        self.chains.keep(chain)
        if self._epoch_number(chain.epoch):
            self._note_opening(parsed)
        return self._refresh(chain)

    def _note_opening(self, parsed: Parsed) -> None:
        event = parsed.event
        self.authority.cuts.note((event.epoch, event.stream), self._opening(event.prev))

    def _opening(self, prev: bytes | None) -> Opening:
        place = self._staged.in_place(prev) if prev is not None else None
        return Opening(prev, (place.epoch, place.seq) if place is not None else None)

    def judge_own(self, parsed: Parsed, chain: Chain) -> Judgement:
        """Return what the verdict of a room event would be, before it is ordered: to refuse its author early."""
        judged = self.authority.judge(parsed.event, chain, parsed.event.seq)
        is_erase = parsed.event.act.kind == ERASE
        return self.erasures.judge_own(parsed, chain, judged, self._staged.get) if is_erase else judged

    def settled(self, entries: Iterable[Entry], asides: Iterable[Entry] = ()) -> None:
        """Let go of entries that are durable now."""
        self._staged.settled(entries, asides)

    def awaited(self, most: int) -> list[bytes]:
        """Return some ids that held events cite and that are of no held event: what to ask for."""
        return self._staged.unheld(self.authority.waiting.some(most))

    def leave_gap(self, gap: Gap) -> Commit:
        """Drop the events of a gap; where it ends beyond the head, the chain goes on from there.

        The caller has checked the checkpoint, and ``may_prune`` where events are held.
        """
        node = self.identities.node_of(gap.epoch)
        if node is None:
            raise ValueError("the epoch of a gap is not held")
        chain = self.chains.ensure(gap.epoch, gap.stream, node)
        if chain.seq < gap.seq:
            chain.advance(gap.seq, gap.id, gap.hlc)
        self.gaps.add(gap)
        dropped = self._staged.span(chain.key, gap.after + 1, gap.seq)
        return Commit(gaps=[gap], values=self.erasures.prune(chain.key, gap.after, gap.seq, dropped))

    # --- what new facts change ---------------------------------------------------------------

    def learn_records(self, node: bytes) -> list[VerdictChange]:
        """Identity records of ``node`` were added to the directory: say which verdicts change. ``heal`` it next."""
        return self._rechecks.run(*self.authority.follow_limits(self.authority.cuts.refresh_node(node)))

    def contest(self, proof: Proof) -> Commit:
        """Keep a valid proof of a chain's fork, unless one as low in the chain is known. ``heal`` its node next."""
        node = self.identities.node_of(proof.epoch)
        if node is None or streams.excludes(proof.stream, node):
            return Commit()
        chain = self.chains.get((proof.epoch, proof.stream))
        if chain is None and self.chains.has_room_for(node):
            chain = self.chains.ensure(proof.epoch, proof.stream, node)
        if chain is None or 0 < chain.contested <= proof.seq:
            return Commit()
        chain.contested = proof.seq
        return Commit(proofs=[proof], verdicts=self._refresh(chain))

    def _refresh(self, chain: Chain) -> list[VerdictChange]:
        moved = self.authority.cuts.refresh(chain.node, chain.stream)
        return self._rechecks.run(*self.authority.follow_limits(moved))

    # --- branches ----------------------------------------------------------------------------

    def heal(self, node: bytes) -> tuple[Commit, tuple[bytes, ...]]:
        """Take up branches that the owner's openings chose before they could be told apart.

        That happens where records or proofs come after the openings. Returns what to store, and the ids of events
        to ask for; call it again when those were admitted.
        """
        commits: list[Commit] = []
        want: tuple[bytes, ...] = ()
        for (owner, _), tip in list(self.authority.cuts.unsettled.items()):
            found = self.adopt(tip, owner) if owner == node else Commit()
            if isinstance(found, Deferred):
                want += found.want
            else:
                commits.append(found)
        return join(commits), want

    def adopt(self, tip: bytes, node: bytes | None = None) -> Commit | Deferred:
        """Make the branch that ends with the event ``tip`` the one that its chain holds, where it is forked.

        An empty commit: it is so already. Deferred: events of the branch are to be asked for, or admitted first.
        ``node``: whose event it is, where it may not be held yet; without it, every node's branches are looked through.
        """
        if self._staged.in_place(tip) is not None:
            return Commit()
        path: list[Parsed] = []
        event_id: bytes | None = tip
        while event_id is not None and self._staged.in_place(event_id) is None:
            parsed = self._known(event_id, node)
            if parsed is None:
                return self._want(event_id, node)
            node = self.identities.node_of(parsed.event.epoch)
            chain = self.chains.get((parsed.event.epoch, parsed.event.stream))
            if chain is None or not 0 < chain.contested <= parsed.event.seq:
                return Deferred("missing_prev")
            path.append(parsed)
            event_id = parsed.event.prev if parsed.event.seq > 1 else None
        path.reverse()
        return self._take_branch(path)

    def _known(self, event_id: bytes, node: bytes | None) -> Parsed | None:
        """Return an event that is held, set aside, or collected for a branch."""
        kept = self._branches.get(node, event_id)
        if kept is not None:
            return kept
        held = self._staged.get(event_id)
        return None if held is None else _parse(held)

    def _want(self, event_id: bytes, node: bytes | None) -> Deferred:
        self._branches.want(node, event_id)
        return Deferred("missing_prev", want=(event_id,))

    def _take_branch(self, path: list[Parsed]) -> Commit | Deferred:
        """Replace the end of a chain by ``path``, where that follows from what is in place before it."""
        first = path[0].event
        chain = self.chains.get((first.epoch, first.stream))
        base = self._staged.in_place(first.prev) if first.seq > 1 and first.prev is not None else None
        if chain is None or not is_path(base, path) or self._staged.holds_from(chain.key, first.seq):
            return Deferred("missing_prev")
        truncations = [Truncate(*chain.key, first.seq)] if chain.seq >= first.seq else []
        verdicts = self._rewind(chain, base, first.seq)
        parts = [self.append(self._without_erased(parsed), chain).commit for parsed in path]
        for key in self.authority.cuts.openings_of(chain.node, chain.stream):
            self.authority.cuts.note(key, self._opening(self.authority.cuts.openings[key].prev))
        taken = join((Commit(truncations=truncations, verdicts=verdicts), *parts))
        again = self._rechecks.run([], self.authority.taken_up(parsed.id for parsed in path))
        return taken._replace(verdicts=[*taken.verdicts, *again, *self._refresh(chain)])

    def _rewind(self, chain: Chain, base: Entry | Row | None, from_seq: int) -> list[VerdictChange]:
        if chain.is_folded:
            self.authority.rests.wake(chain.stream, chain.node)
        else:
            for held in self._staged.span(chain.key, from_seq, chain.seq):
                if held.kind == ERASE:
                    self.erasures.wake(held)
        if chain.seq >= from_seq:
            self._staged.cut(chain.key, from_seq)
        if base is None:
            self.authority.cuts.openings.pop(chain.key, None)
            chain.advance(0, b"", ZERO)
        else:
            chain.advance(base.seq, base.id, base.hlc)
        if not chain.is_folded:
            self.erasures.forget(chain.key, from_seq)
            self.gaps.cut(chain.key, from_seq)
            return []
        rechecks = self.authority.forget(chain.epoch, chain.stream, chain.node, from_seq)
        changes, more = self.authority.relearn(chain.stream)
        return self._rechecks.run(changes, rechecks + more)


def _entry(parsed: Parsed, judged: Judgement, withheld: str = "") -> Entry:
    envelope, event, event_id, _ = parsed
    act = event.act
    return tuple.__new__(Entry, (
        event_id, event.epoch, event.stream, event.seq, event.hlc, act.kind, act.device, act.nonce,
        envelope, *judged, withheld,
    ))  # fmt: skip  # past the class, which takes three times as long, for every event


def _parse(held: Row | Entry) -> Parsed:
    return parse_event(held.envelope)
