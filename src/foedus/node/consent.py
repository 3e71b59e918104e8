"""The human in a border crossing, on this side of it: what waits for a person, and what follows from a yes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, UsageError
from foedus.log import streams
from foedus.log.event import Act, digest_of, read_event
from foedus.log.grants import Grant
from foedus.log.participants import Participant
from foedus.log.port import Row, Verdict
from foedus.node.agents import Agents
from foedus.node.approvals import Approval, Approvals, check_open
from foedus.node.author import Author, Draft
from foedus.node.carrying import Carrying, NeedsApproval
from foedus.node.codec import draft_of
from foedus.node.crossings import Crossings
from foedus.node.store import Store
from foedus.trust.border import Crossing
from foedus.trust.evaluator import Allow, Decision, Withhold
from foedus.values.node import SignedAct

log = logging.getLogger("foedus.consent")

_PAGE = 256


class Doing(Protocol):
    """How something that is no event is done, once a human allowed it."""

    def done(self, approval: Approval) -> bytes | None:
        """Return the id of what became of it, None where nothing did."""
        ...

    async def do(self, approval: Approval) -> bytes:
        """Do it; return the id of what became of it."""
        ...


class Consent(Carrying):
    """Keeps what nothing carries for a human, and does what they allow."""

    def __init__(
        self, store: Store, author: Author, agents: Agents, crossings: Crossings, approvals: Approvals
    ) -> None:
        super().__init__(store, agents, crossings)
        self.approvals = approvals
        self._author = author
        self._deciding = asyncio.Lock()
        """Held from finding an approval open until what was decided is durable: each is decided once."""
        self.doing: dict[str, Doing] = {}
        """By kind: how that is done which is no event."""

    async def propose(
        self, draft: Draft, crossings: Sequence[Crossing], wait_ms: int = 0, *, by_salt: bool = False
    ) -> Approval:
        """Put what is no act in a room before a human: a question, a call; nobody is asked twice.

        ``by_salt``: the same words with another salt are something else. Raises UsageError where no node waits for a
        human's word.
        """
        needs = self.needs(draft, crossings)
        if not needs:
            raise UsageError(
                "no node waits for a human's word", code="no_approval_needed", http_status=409, remedy="just do it"
            )
        return self.asked_before(draft, by_salt=by_salt) or await self.ask(draft, *needs, wait_ms=wait_ms)

    async def ask(self, draft: Draft, *needs: NeedsApproval, wait_ms: int = 0) -> Approval:
        """Keep an act until a human decides. ``needs``: of each node that it reaches, the strictest is shown first."""
        needed = {need: self._crossings.approvals_needed(need.crossing) for need in needs}
        first = max(needs, key=lambda need: needed[need])
        hosts = [need.crossing.arguments["host"] for need in needs if need is not first]
        template = _approval(draft, clause=first.clause, needed=needed[first])
        return await self.approvals.ask(replace(template, hosts=tuple(hosts), wait_ms=wait_ms), first.crossing)

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

    def asked_before(self, draft: Draft, *, by_salt: bool = False) -> Approval | None:
        """Return what an agent asked already in these words and has not said since, where that still helps it.

        So an agent that asks, leaves, and asks again when a human has allowed it gets what was allowed.
        """
        wanted = (draft.act.author, draft.act.device, draft.stream, draft.act.kind, draft.body)
        for held in reversed(self.approvals.all()):
            is_meant = (held.did, held.device, held.stream, held.kind, held.body) == wanted
            if by_salt and held.salt != draft.salt:
                continue
            if is_meant and (held.is_open or (held.state == "allowed" and self._still_carries(held))):
                return held
        return None

    def _still_carries(self, approval: Approval) -> bool:
        act = self._draft_of(approval).act
        grants = self._store.admission.authority.grants_of(act)
        usable = [grant for grant in self._with_uses(grants, {}) if self._is_fresh(grant, act)]
        return isinstance(self._decide_all(approval, act, usable), Allow) and self._done(approval) is None

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
        event = self._done(approval)
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
        return self._decide_all(approval, act, self._store.admission.authority.grants_of(act))

    def _decide_all(self, approval: Approval, act: Act, grants: Sequence[Grant]) -> Decision:
        """Give the verdict on what waits: yes where a node would take it, once none waits for more humans."""
        found = [self._decide(crossing, act, grants) for crossing in approval.crossings]
        waits = (it for it in found if isinstance(it, Withhold) and it.code == "grant.approvals")
        allows = (it for it in found if isinstance(it, Allow))
        return next(waits, None) or next(allows, None) or found[0]

    def _draft_of(self, approval: Approval) -> Draft:
        """Return the act as it will be ordered: the same body and salt, hence the digest that was allowed."""
        who = self._agents.find(approval.did)
        auth = [*self._standing(who, approval), *approval.grants]
        draft = self._author.node_act(approval.stream, approval.kind, approval.body, auth)
        act = replace(
            draft.act,
            author=approval.did,
            device=approval.device,
            digest=digest_of(approval.salt, approval.body),
            refs=approval.refs,
        )
        return draft._replace(act=act, salt=approval.salt)

    def _standing(self, who: Participant, approval: Approval) -> list[bytes]:
        """Return the enrolment and the membership on which the agent stands now."""
        room = self._store.admission.authority.rooms.get(bytes.fromhex(approval.arguments.get("room", "")))
        membership = room.of(self._store.node, who.did) if room is not None else None
        device = who.devices.get(approval.device)
        return [entry for entry in (device and device.enrolment, membership and membership.id) if entry]

    async def _do(self, approval: Approval) -> Approval:
        """Do what was allowed."""
        doing = self.doing.get(approval.kind)
        try:
            event = await (doing.do(approval) if doing else self._order(approval))
        except FoedusError as error:
            return await self.approvals.settle(approval, "failed", reason=f"{error.code}: {error}"[:500])
        return await self.approvals.settle(approval, "done", event=event)

    async def _order(self, approval: Approval) -> bytes:
        draft = self._draft_of(approval)._replace(signer=self._agents.key(self._agents.find(approval.did)))
        (row,) = await self._author.order([draft])
        return row.id

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
                event = self._done(approval)
                done = await (self.approvals.settle(approval, "done", event=event) if event else self._do(approval))
                log.info("approval %s, allowed before the node stopped, is %s", done.id, done.state)

    def _done(self, approval: Approval) -> bytes | None:
        """Return the id of what became of it since it was allowed, None where nothing did."""
        doing = self.doing.get(approval.kind)
        return doing.done(approval) if doing else self._ordered(approval)

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
        refs=draft.act.refs,
        command="",
        arguments={},
        clause=clause,
        needed=needed,
        asked_at=0,
        until=0,
    )
