"""May this call be taken up here? Judged as questions are, by the command ``/foedus/agent/call``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.log.grants import Grant
from foedus.log.participants import Participant
from foedus.node.capability_book import Offered
from foedus.node.carrying import is_for_one_act
from foedus.node.invocations import Signatures, decide_here, fault_of, in_force, is_enrolled
from foedus.node.query_judging import EVIDENCE_WAIT, Judge
from foedus.node.spending import Bill, Spent
from foedus.query.call import Call, call_bytes, call_digest, check_time, parse_call
from foedus.query.limits import SKEW_MAX
from foedus.sync.frames.calls import Call as CallFrame
from foedus.trust.border import CALL, Crossing
from foedus.trust.evaluator import Withhold
from foedus.trust.peer import State
from foedus.trust.tiers import may_query

if TYPE_CHECKING:
    from foedus.node.composition import Node


class NotTakenUp(UsageError):
    """The call is not taken up here; ``code`` is the clause."""

    code = "refused"
    http_status = 403
    remedy = "see docs/capabilities.md, who may call"


class CallJudge:
    """Judges calls of peers. ``judge`` waits for what is not held yet, and has what is spent."""

    def __init__(self, node: Node, judge: Judge) -> None:
        self.spending = judge.spending
        self._node = node
        self._judge = judge

    def clause(self, peer: bytes, caller: bytes) -> str:
        """Return the clause by which ``caller``, a peer or this node, may not call at the other, or ''."""
        known = self._node.peers.book.peers.get(peer)
        if known is None or known.state is not State.CONNECTED:
            return "not_connected"
        if known.is_paused:
            return "paused"
        if caller == peer and not may_query(known.tier):
            return "tier"
        terms = self._node.agreements.in_force(peer)
        if terms is None or terms.is_ended:
            return "agreement.ended"
        if terms.is_expired(self._node.store.now()):
            return "agreement.expires"
        refused = terms.allows_command(caller, CALL)
        return f"agreement.{refused}" if refused else ""

    def read(self, frame: CallFrame, peer: bytes) -> Call:
        """Return the call in a frame, which is the peer's own and for this node; raise NotTakenUp or a fault."""
        call = parse_call(frame.call)
        if call.node != peer or call.host != self._node.store.node:
            raise NotTakenUp("a call goes from its own node straight to that of the capability", code="bad_path")
        return call

    async def judge(self, frame: CallFrame, call: Call, offered: Offered) -> Bill | None:
        """Raise NotTakenUp where a call may not be made, or what reading it finds; return what it uses up, if anything.

        Next: store that with the call, or give it back to ``spending``.
        """
        check_time(call, self._node.store.now())
        if offered.id != call.offer:
            raise NotTakenUp("the capability has changed", code="capability_changed", http_status=409)
        soon = self._node.store.now() + EVIDENCE_WAIT
        await self._check_signatures(frame, call, soon)
        self._node.rates.take("queries_per_participant", f"{call.node.hex()}:{call.did}")
        return await self._check_caller(call, offered, soon)

    async def _check_signatures(self, frame: CallFrame, call: Call, soon: Instant) -> None:
        identities = self._node.store.identities
        if not await self._judge.until(lambda: identities.epoch(call.epoch) is not None, soon):
            raise NotTakenUp("the identity of the calling node is not known here", code="unknown_identity")
        fault = fault_of(self._node, call, Signatures(call_bytes(frame.call), frame.sig, frame.asig))
        if fault == "superseded":
            raise NotTakenUp("the call is signed by another epoch than the one in force", code=fault)
        if fault:
            raise NotTakenUp("the call is not signed by its caller and its node", code=fault)

    async def _check_caller(self, call: Call, offered: Offered, soon: Instant) -> Bill | None:
        if call.device is None:
            if self._node.agreements.border_terms(call.node, self._node.store.node).named_only:
                raise NotTakenUp("only named people may call", code="agreement.humans")
            return None
        who, grants = await self._people(call, soon)
        if not is_enrolled(who, call):
            raise NotTakenUp("the device is not enrolled for the caller", code="unknown_device")
        grants = in_force(grants)
        decision = decide_here(self._node, call, call_crossing(call), who, grants)
        if isinstance(decision, Withhold):
            raise NotTakenUp("the caller may not call here", code=decision.code)
        if self._node.crossings.standing_of(call.node, who.did) > offered.offer.standing:
            raise NotTakenUp("the capability asks for a higher standing", code="standing")
        return None if who.did in decision.humans else self._spend(call, grants)

    async def _people(self, call: Call, soon: Instant) -> tuple[Participant, list[Grant]]:
        authority = self._node.store.admission.authority
        await self._judge.until(lambda: all(authority.control(cited) for cited in call.auth), soon)
        held = [event for event in map(authority.control, call.auth) if event is not None]
        who = authority.participants.get((call.node, call.did))
        if who is None:
            raise NotTakenUp("the caller is not known here", code="unknown_participant")
        grants = [grant for grant in map(authority.grant, held) if grant is not None]
        return who, [grant for grant in grants if not authority.is_taken_back(grant)]

    def _spend(self, call: Call, grants: list[Grant]) -> Bill:
        expires = (call.deadline + SKEW_MAX) // SECOND + 1
        # A grant for one act carries one, whoever it was passed on to, and however often the call is made anew.
        for_one = [grant.delegation for grant in grants if is_for_one_act(grant)]
        carried = [Spent(delegation.issuer, call.nonce, delegation.expires) for delegation in for_one]
        own = Spent(did_of(call.device or b""), call.nonce, expires)
        return self.spending.take([*carried, own], grants, self._node.store.now())


def call_crossing(call: Call) -> Crossing:
    """Return what a call asks of the other node. ``digest`` names this one call, so that a human can allow it alone."""
    arguments = {
        "host": call.host.hex(),
        "kind": "agent.call",
        "capability": call.name,
        "digest": call_digest(call).hex(),
    }
    return Crossing(CALL, arguments)
