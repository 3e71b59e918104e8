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

from foedus.base.clock import Hlc, Instant
from foedus.base.limits import CLOCK_AHEAD_MAX
from foedus.log import streams
from foedus.log.appending import entry_of, parse_held
from foedus.log.branching import Branching
from foedus.log.chains import Chain
from foedus.log.erasures import ERASE
from foedus.log.event import Parsed, digest_matches
from foedus.log.evidence import make_proof
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
from foedus.log.participants import rejected
from foedus.log.port import BodyFill, Commit, Entry, Row

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


class Admission(Branching):
    """All that admission knows. One instance per node, used by one thread."""

    def is_held(self, parsed: Parsed) -> bool:
        """Whether this event is held already, so that its signatures need no check and it need not be admitted.

        Only a body that is missing here is worth admitting then, and the digest vouches for that.
        """
        event = parsed.event
        chain = self.chains.get((event.epoch, event.stream))
        if chain is None or event.seq > chain.seq:
            return False
        if event.seq == chain.seq:
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
        if self._branches.by_node:
            self._branches.offer(found.node, parsed)
        if event.seq <= found.seq:
            return self._held_place(parsed, found)
        return self._beyond_head(parsed, found, now)

    def _beyond_head(self, parsed: Parsed, chain: Chain, now: Instant) -> Outcome:
        event = parsed.event
        seq = event.seq
        if 0 < chain.contested <= seq:
            aside = self._set_aside(parsed, chain)
            return Aside(aside) if aside.asides else Refused("equivocation")
        if seq != chain.seq + 1:
            return Deferred("missing_prev")
        if seq == 1:
            return self._admit_first(parsed, chain, now)
        if event.prev != chain.id:
            return Deferred("missing_prev", want=(event.prev,)) if event.prev else Refused("malformed_event")
        return self._timely(event.hlc, chain.hlc, now) or self._admit_bounded(parsed, chain)

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

    def _admit_first(self, parsed: Parsed, chain: Chain, now: Instant) -> Outcome:
        """Admit the first event of a chain: ``prev`` is the cut, and names a branch where there are two."""
        prev = parsed.event.prev
        if prev is None or self.identities.is_void(chain.epoch):
            return self._timely(parsed.event.hlc, None, now) or self._admit_bounded(parsed, chain)
        before = self._known(prev, chain.node)
        ancestors = self.identities.ancestors(chain.epoch)
        if before is None and ancestors:
            return self._want(prev, chain.node)
        if before is None or before.event.stream != chain.stream or before.event.epoch not in ancestors:
            return Refused("malformed_event")
        return self._timely(parsed.event.hlc, before.hlc, now) or self._admit_bounded(parsed, chain, prev)

    @staticmethod
    def _timely(hlc: Hlc, before: Hlc | None, now: Instant) -> Refused | Deferred | None:
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
        proof = make_proof(parse_held(there), parsed)
        return Forked(proof, join((self.contest(proof), self._set_aside(parsed, chain))))

    def _set_aside(self, parsed: Parsed, chain: Chain) -> Commit:
        """Keep an event of a branch that the chain does not hold where a held one waits for it: as where it was."""
        event = parsed.event
        is_on_branch = 0 < chain.contested <= event.seq
        if not is_on_branch or not self.authority.waiting.is_awaited(parsed.id):
            return Commit()
        kept = self._without_erased(parsed) if self.erasures.names(parsed.id) else parsed
        entry = entry_of(kept, rejected("equivocation"))
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
