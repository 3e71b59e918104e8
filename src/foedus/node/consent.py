"""The human in a border crossing, on this side of it: which grants an act cites, and what waits for a person."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, UsageError
from foedus.base.limits import AUTH_MAX
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.log.event import Act, digest_of, read_event
from foedus.log.grants import Grant, is_untouched
from foedus.log.participants import Participant
from foedus.log.port import Row, Value, Verdict
from foedus.node.agents import Agents
from foedus.node.approvals import Approval, Approvals, check_open
from foedus.node.author import Author, Draft
from foedus.node.author_bounds import Refusal
from foedus.node.codec import draft_of
from foedus.node.crossings import Crossings, counts_after_foreign
from foedus.node.store import Store
from foedus.node.values import SignedAct
from foedus.trust.border import Crossing
from foedus.trust.evaluator import CHAINS_MAX, Allow, Decision, Withhold, chains_to

log = logging.getLogger("foedus.consent")

_PAGE = 256
READ_FOREIGN = "read_foreign"
"""The space of values that names the agents which have read what another node's people or agents wrote."""

AFTER_FOREIGN = "grant.after_foreign"
"""The clause by which an act waits that a standing grant carried until its agent read strangers."""


class NeedsApproval(UsageError):
    """A human has to allow the act first."""

    code = "needs_approval"
    http_status = 403
    remedy = "ask for it: `foedus say` waits for a human, who runs `foedus approval allow ID --as NAME`"

    def __init__(self, crossing: Crossing, clause: str) -> None:
        super().__init__(f"{crossing.command} needs a human: {clause}")
        self.crossing = crossing
        self.clause = clause


class Consent:
    """Finds what carries an agent's act across a border, and keeps what nothing carries for a human."""

    def __init__(
        self, store: Store, author: Author, agents: Agents, crossings: Crossings, approvals: Approvals
    ) -> None:
        self.approvals = approvals
        self._store = store
        self._author = author
        self._agents = agents
        self._crossings = crossings
        self._deciding = asyncio.Lock()
        """Held from finding an approval open until what was decided is durable: each is decided once."""
        self._readers = {key.decode() for key in store.log.values(READ_FOREIGN)}

    # --- before ordering ---------------------------------------------------------------------

    def cite(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts with the grants that carry them across; raise NeedsApproval or Refusal where none do.

        Acts that a device signed already are only judged: what they cite is fixed.
        """
        ahead: dict[bytes, int] = {}
        return [self._cite(draft, ahead) for draft in drafts]

    def _cite(self, draft: Draft, ahead: dict[bytes, int]) -> Draft:
        crossing = self._crossings.crossing(draft.act, draft.stream, self._store.node)
        if crossing is None:
            clause = self._crossings.unnamed(draft.act, draft.stream, self._store.node)
            if clause:
                raise Refusal(
                    "the agreement takes the words of named people only, and this node is none",
                    code=clause,
                    remedy="let one of them say it: `foedus say --as NAME`",
                )
            return draft
        if draft.asig is not None:
            self._check_signed(draft, crossing, ahead)
            return draft
        chosen = self._choose(draft, crossing, ahead)
        auth = (*draft.act.auth, *(grant.id for grant in chosen))
        return draft._replace(act=replace(draft.act, auth=auth))

    def carried_to(self, draft: Draft, crossings: Sequence[Crossing]) -> tuple[Draft, list[str]]:
        """Return a draft that crosses to several peers, with grants that carry it, and the clause of each that none do.

        '' where it passes. Nothing is refused, since it is published at home in any case. What a device signed already
        is only judged.
        """
        cited = list(self._store.admission.authority.grants_of(draft.act))
        clauses = []
        for crossing in crossings:
            decision = self._decide(crossing, draft.act, cited)
            if isinstance(decision, Withhold) and draft.asig is None:
                with suppress(NeedsApproval, Refusal):
                    chosen = self._choose(draft, crossing, {})
                    if len(draft.act.auth) + len(cited) + len(chosen) <= AUTH_MAX:
                        cited += [grant for grant in chosen if grant not in cited]
                decision = self._decide(crossing, draft.act, cited)
            clauses.append(decision.code if isinstance(decision, Withhold) else "")
        if draft.asig is not None:
            return draft, clauses
        auth = (*draft.act.auth, *(grant.id for grant in cited))
        return draft._replace(act=replace(draft.act, auth=auth)), clauses

    def _check_signed(self, draft: Draft, crossing: Crossing, ahead: dict[bytes, int]) -> None:
        cited = self._store.admission.authority.grants_of(draft.act)
        carrying = self._with_uses(cited, ahead)
        usable = [grant for grant in carrying if self._is_fresh(grant, draft.act)]
        decision = self._decide(crossing, draft.act, usable)
        self._raise_unless_allowed(decision, crossing, draft.act, cited)
        _count(ahead, [grant.id for grant in usable])

    def _choose(self, draft: Draft, crossing: Crossing, ahead: dict[bytes, int]) -> list[Grant]:
        """Return the grants to cite: chain after chain until the evaluator says yes; each human's once."""
        chosen: dict[bytes, Grant] = {}
        decision = self._decide(crossing, draft.act, ())
        if isinstance(decision, Allow):
            return []
        in_force = self._in_force()
        for chain in self._chains(self._audience(draft.act), in_force):
            is_fresh = all(self._is_fresh(grant, draft.act) for grant in chain)
            if not is_fresh or not is_untouched(chain) or len(self._with_uses(chain, ahead)) < len(chain):
                continue
            if not isinstance(self._decide(crossing, draft.act, chain), Withhold) or self._is_one_of_several(
                crossing, draft.act, chain
            ):
                chosen.update((grant.id, grant) for grant in chain)
                decision = self._decide(crossing, draft.act, list(chosen.values()))
                if isinstance(decision, Allow):
                    _count(ahead, chosen)
                    return list(chosen.values())
        self._raise_unless_allowed(decision, crossing, draft.act, in_force)
        return []

    def carrying(self, draft: Draft, crossing: Crossing) -> list[Grant]:
        """Return the grants that carry an act of a custodial agent which is not ordered; raise as ``cite``."""
        return self._choose(draft, crossing, {})

    def _is_one_of_several(self, crossing: Crossing, act: Act, chain: Sequence[Grant]) -> bool:
        decision = self._decide(crossing, act, chain)
        return isinstance(decision, Withhold) and decision.code == "grant.approvals"

    def _audience(self, act: Act) -> str:
        return did_of(self._store.admission.authority.signer(act, self._store.node) or b"")

    def _chains(self, audience: str, candidates: Sequence[Grant]) -> Iterator[tuple[Grant, ...]]:
        for count, chain in enumerate(chains_to(audience, candidates)):
            if count >= CHAINS_MAX * CHAINS_MAX:
                return
            yield chain

    def _decide(self, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> Decision:
        return self._crossings.decide(crossing, act, self._store.node, grants, self._store.now())

    def _raise_unless_allowed(self, decision: Decision, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> None:
        """``grants``: those in force, also what does not count any more for who has read strangers."""
        if isinstance(decision, Allow):
            return
        if decision.layer == "grant":
            is_stale = act.author in self._readers and self._was_carried(crossing, act, grants)
            raise NeedsApproval(crossing, AFTER_FOREIGN if is_stale else decision.code)
        raise Refusal(
            f"{crossing.command} is not allowed: {decision.code}",
            code=decision.code,
            remedy="the agreement with the other node does not allow it: see `foedus agreement show`",
        )

    def _in_force(self) -> list[Grant]:
        """Return the grants of this node's participants that carry now."""
        authority = self._store.admission.authority
        now = self._store.now()
        found = []
        for who in self._agents.local():
            for grant in who.grants.values():
                since, until = grant.window()
                if since <= now < until and grant.device.cuts is None and not authority.is_taken_back(grant):
                    found.append(grant)
        return found

    def _with_uses(self, grants: Sequence[Grant], ahead: dict[bytes, int]) -> list[Grant]:
        now = self._store.now()
        return [grant for grant in grants if self._crossings.has_uses(grant, now, ahead.get(grant.id, 0))]

    def _is_fresh(self, grant: Grant, act: Act) -> bool:
        return act.author not in self._readers or counts_after_foreign(grant) or is_for_one_act(grant)

    def _was_carried(self, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> bool:
        """Whether a chain would carry an act, had its agent not read strangers."""
        now = self._store.now()
        for chain in self._chains(self._audience(act), grants):
            has_uses = all(self._crossings.has_uses(grant, now) for grant in chain)
            if has_uses and is_untouched(chain) and isinstance(self._decide(crossing, act, chain), Allow):
                return True
        return False

    # --- reading -----------------------------------------------------------------------------

    async def note_read(self, did: str) -> None:
        """Remember that an agent has read what was written at another node."""
        if did not in self._readers:
            await self._store.put(Value(READ_FOREIGN, did.encode(), b"\x01"))
            self._readers.add(did)

    # --- approvals ---------------------------------------------------------------------------

    async def ask(self, draft: Draft, need: NeedsApproval) -> Approval:
        """Keep an act until a human decides."""
        needed = self._crossings.approvals_needed(need.crossing)
        return await self.approvals.ask(_approval(draft, clause=need.clause, needed=needed), need.crossing)

    def carried(self, draft: Draft, grants: Sequence[bytes]) -> Approval:
        """Return that an act needs nobody's yes, and what it cites; it is not kept."""
        crossing = self._crossings.crossing(draft.act, draft.stream, self._store.node)
        if crossing is None:
            raise UsageError("this crosses no border", code="no_approval_needed", http_status=409, remedy="just say it")
        approval = _approval(draft, clause="", needed=0)
        return replace(
            approval,
            state="allowed",
            command=crossing.command,
            arguments=dict(crossing.arguments),
            grants=tuple(grants),
        )

    def asked_before(self, draft: Draft) -> Approval | None:
        """Return what an agent asked already in these words and has not said since, where that still helps it.

        So an agent that asks, leaves, and asks again when a human has allowed it gets what was allowed.
        """
        wanted = (draft.act.author, draft.act.device, draft.stream, draft.act.kind, draft.body)
        for held in reversed(self.approvals.all()):
            if (held.did, held.device, held.stream, held.kind, held.body) == wanted and (
                held.is_open or (held.state == "allowed" and self._still_carries(held))
            ):
                return held
        return None

    def _still_carries(self, approval: Approval) -> bool:
        act = self._draft_of(approval).act
        grants = self._store.admission.authority.grants_of(act)
        usable = [grant for grant in self._with_uses(grants, {}) if self._is_fresh(grant, act)]
        decision = self._decide(Crossing(approval.command, approval.arguments), act, usable)
        return isinstance(decision, Allow) and self._ordered(approval) is None

    async def said(self, act: Act, event: bytes) -> None:
        """Note that an agent with a key of its own said what a human allowed."""
        await self.done(str(act.author), act.digest, event)

    async def done(self, did: str, digest: bytes, event: bytes) -> None:
        """Note that a participant did what a human allowed. ``event``: what became of it."""
        approval = self.approvals.allowed(did, digest)
        if approval is not None:
            await self.approvals.settle(approval, "done", event=event)

    async def allow(self, wanted: str, did: str, signed: SignedAct) -> Approval:
        """Order a human's grant for a waiting act; once enough humans allowed it, the act itself."""
        async with self._deciding:
            return await self._allow(wanted, did, signed)

    async def _allow(self, wanted: str, did: str, signed: SignedAct) -> Approval:
        approval = self.approvals.get(wanted)
        check_open(approval)
        event = self._ordered(approval)
        if event is not None:  # a backup from before the yes made it wait again
            approval = await self.approvals.settle(approval, "done", event=event)
            check_open(approval)
        draft = draft_of(streams.participant(did), signed)
        if draft.act.kind != "grant.create" or draft.act.author != did:
            raise UsageError("a human allows an act by a grant of their own", code="not_permitted", http_status=403)
        (row,) = await self._author.order([draft])
        grant = self._granted(row, did)
        approval = replace(
            approval, grants=(*approval.grants, grant.id), humans=tuple(dict.fromkeys((*approval.humans, did)))
        )
        decision = self._decide_for(approval)
        if isinstance(decision, Withhold) and decision.code == "grant.approvals":
            return await self.approvals.save(approval)
        if isinstance(decision, Withhold):
            raise UsageError(
                f"the grant was made, but does not carry this act: {decision.code}",
                code="grant_does_not_fit",
                http_status=409,
                remedy="sign the grant with `foedus approval allow`, by a human signer of the agreement",
            )
        approval = await self.approvals.settle(approval, "allowed", grants=approval.grants)
        return await self._do(approval) if approval.is_custodial else approval

    def _granted(self, row: Row, did: str) -> Grant:
        who = self._store.admission.authority.participants.get((self._store.node, did))
        grant = who.grants.get(row.id) if who is not None else None
        if row.verdict is not Verdict.ACCEPTED or grant is None:
            raise UsageError(f"the grant was ordered, but is {row.reason}", code=row.reason, http_status=403)
        return grant

    def _decide_for(self, approval: Approval) -> Decision:
        act = self._draft_of(approval).act
        grants = self._store.admission.authority.grants_of(act)
        return self._decide(Crossing(approval.command, approval.arguments), act, grants)

    def _draft_of(self, approval: Approval) -> Draft:
        """Return the act as it will be ordered: the same body and salt, hence the digest that was allowed."""
        who = self._agents.find(approval.did)
        auth = [*self._standing(who, approval), *approval.grants]
        draft = self._author.node_act(approval.stream, approval.kind, approval.body, auth)
        act = replace(
            draft.act, author=approval.did, device=approval.device, digest=digest_of(approval.salt, approval.body)
        )
        return draft._replace(act=act, salt=approval.salt)

    def _standing(self, who: Participant, approval: Approval) -> list[bytes]:
        """Return the enrolment and the membership on which the agent stands now."""
        room = self._store.admission.authority.rooms.get(bytes.fromhex(approval.arguments.get("room", "")))
        membership = room.of(self._store.node, who.did) if room is not None else None
        device = who.devices.get(approval.device)
        return [entry for entry in (device and device.enrolment, membership and membership.id) if entry]

    async def _do(self, approval: Approval) -> Approval:
        """Order an act that was allowed."""
        try:
            who = self._agents.find(approval.did)
            draft = self._draft_of(approval)._replace(signer=self._agents.key(who))
            (row,) = await self._author.order([draft])
        except FoedusError as error:
            return await self.approvals.settle(approval, "failed", reason=f"{error.code}: {error}"[:500])
        return await self.approvals.settle(approval, "done", event=row.id)

    async def deny(self, wanted: str, did: str, reason: str) -> Approval:
        """Say no to a waiting act."""
        async with self._deciding:
            approval = self.approvals.get(wanted)
            check_open(approval)
            humans = (did,) if did else ()
            return await self.approvals.settle(approval, "denied", humans=humans, reason=reason)

    async def resume(self) -> None:
        """Do what was allowed just before a crash, unless it is done and only that is not noted."""
        for approval in self.approvals.all():
            if approval.state == "allowed" and approval.is_custodial:
                event = self._ordered(approval)
                done = await (self.approvals.settle(approval, "done", event=event) if event else self._do(approval))
                log.info("approval %s, allowed before the node stopped, is %s", done.id, done.state)

    def _ordered(self, approval: Approval) -> bytes | None:
        """Return the id of the event that an act became since it was allowed, None where it became none."""
        digest = digest_of(approval.salt, approval.body)
        since = approval.decided_at or approval.asked_at
        rows = (row for row in self._own_rows(approval.stream, since) if row.kind == approval.kind)
        return next((row.id for row in rows if read_event(row.envelope).act.digest == digest), None)

    def _own_rows(self, stream: str, since: Instant) -> Iterator[Row]:
        """Yield what this node wrote in a stream since an instant, of each of its epochs the newest first."""
        for chain in self._store.admission.chains.of_stream(stream):
            before = chain.seq + 1 if chain.node == self._store.node else 0
            while rows := self._store.log.chain_backwards(chain.epoch, stream, before, _PAGE) if before > 1 else []:
                timely = [row for row in rows if row.hlc.us >= since]
                yield from timely
                before = rows[-1].seq if len(timely) == len(rows) else 0


def _approval(draft: Draft, *, clause: str, needed: int) -> Approval:
    """Return what an approval says of an act; id, times and crossing are still to come."""
    return Approval(
        id="",
        did=draft.act.author,
        device=draft.act.device or b"",
        is_custodial=draft.signer is not None,
        stream=draft.stream,
        kind=draft.act.kind,
        body=draft.body,
        salt=draft.salt,
        command="",
        arguments={},
        clause=clause,
        needed=needed,
        asked_at=0,
        until=0,
    )


def _count(ahead: dict[bytes, int], grants: Iterable[bytes]) -> None:
    """Note that an act of this batch uses these grants, which the next ones cannot use again."""
    for grant in grants:
        ahead[grant] = ahead.get(grant, 0) + 1


def is_for_one_act(grant: Grant) -> bool:
    """Whether a grant names the digest of one act: a human saw what it says."""
    return any(list(statement[:2]) == ["==", ".digest"] for statement in grant.delegation.policy.plain)
