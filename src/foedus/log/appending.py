"""How a chain grows, and what follows from that: the head moves, the event is judged, others are judged anew.

``Appending`` holds all that admission knows. What is a branch of a chain, and which is taken up, is for ``Branching``;
what becomes of a foreign event at the door for ``Admission``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.authority import Authority
from foedus.log.branches import Branches
from foedus.log.chains import Chain, Chains
from foedus.log.control import ControlEvent
from foedus.log.cuts import Opening
from foedus.log.erasures import ERASE, Erasures
from foedus.log.event import Parsed, parse_event
from foedus.log.gaps import Gaps
from foedus.log.loading import index_waiting, judge_controls, read_chains, read_erasures
from foedus.log.outcomes import Admitted
from foedus.log.participants import ACCEPTED, Judgement
from foedus.log.port import Commit, Entry, EventLog, Gap, Proof, Row, Verdict, VerdictChange
from foedus.log.rechecks import Allowed, Rechecks
from foedus.log.staged import Staged

Withhold: TypeAlias = Callable[[Parsed, bytes, bool], str]
"""The door: (event, its node, whether it is accepted) → the clause by which it is withheld here, or ''."""

_ACCEPTED = Verdict.ACCEPTED


class Appending:
    """The log in memory, and its one way to grow."""

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
                self._note_opening(parse_held(first))

    def _epoch_number(self, epoch: bytes) -> int:
        view = self.identities.epoch(epoch)
        return 0 if view is None else view.n

    # --- appending ---------------------------------------------------------------------------

    def append(self, parsed: Parsed, chain: Chain) -> Admitted:
        """Make a checked event the head of its chain, and judge it. Own events come here directly."""
        _, event, event_id, _ = parsed
        authority = self.authority
        if self.erasures.names(event_id):
            parsed = self._without_erased(parsed)
        chain.advance(event.seq, event_id, event.hlc)
        if self._branches.by_node:
            self._branches.drop(chain.node, event_id)
        verdicts = self._open(parsed, chain) if event.seq == 1 else []
        if chain.is_folded:
            control = ControlEvent(parsed, chain.node)
            verdicts += self._rechecks.run(*authority.learn(control))
            judged = Judgement(control.verdict, control.reason)
        else:
            judged = authority.judge(event, chain, event.seq)
            if judged is not ACCEPTED and judged.reason == "auth":
                authority.await_cited(event, chain, event.seq)
            if event.act.kind == ERASE:
                self.erasures.note(parsed, chain)
                judged = self.erasures.judge(event_id, judged)
        entry = entry_of(parsed, judged, self.withhold(parsed, chain.node, judged[0] is _ACCEPTED))
        self._staged.add(entry)
        if authority.waiting.is_awaited(event_id):
            verdicts += self._rechecks.run([], authority.arrived(event_id))
        if authority.cuts.is_awaited(event_id):
            authority.cuts.place(event_id, (event.epoch, event.seq))
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


def entry_of(parsed: Parsed, judged: Judgement, withheld: str = "") -> Entry:
    """Return an event with its verdicts, as it is stored."""
    envelope, event, event_id, _ = parsed
    act = event.act
    return tuple.__new__(Entry, (
        event_id, event.epoch, event.stream, event.seq, event.hlc, act.kind, act.device, act.nonce,
        envelope, *judged, withheld,
    ))  # fmt: skip  # past the class, which takes three times as long, for every event


def parse_held(held: Row | Entry) -> Parsed:
    """Return a held event decoded."""
    return parse_event(held.envelope)
