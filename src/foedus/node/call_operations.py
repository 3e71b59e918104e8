"""What surfaces may do about capabilities and calls: offer, call, and look at calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import dropwhile, islice
from typing import TYPE_CHECKING

from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.log.participants import Participant
from foedus.node.call_approving import CallApproving
from foedus.node.call_forms import CallForm, CallSignedForm, CallsMade, CapabilityForm
from foedus.node.call_making import CallMaker
from foedus.node.call_progress import Progress
from foedus.node.call_records import CallRecord
from foedus.node.call_views import progress_view
from foedus.query.call import call_digest, call_id
from foedus.query.limits import SCHEMA_BYTES_MAX
from foedus.query.offer import Offer
from foedus.query.schemas import write_json
from foedus.values.calls import CallProgressView, CallView, CapabilityView
from foedus.values.consent import ApprovalView

if TYPE_CHECKING:
    from foedus.node.approvals import Approval
    from foedus.node.composition import Node


class CallOperations:
    """Operations on capabilities and calls, for ``Service``."""

    _node: Node
    _call_maker: CallMaker
    _call_approving: CallApproving

    if TYPE_CHECKING:

        def _approval_view(self, approval: Approval) -> ApprovalView: ...

    # --- capabilities -------------------------------------------------------------------------

    def capabilities(self) -> list[CapabilityView]:
        """Return what agents of this node offer, by name."""
        return [self._node.calls.views.capability(held) for held in self._node.calls.book.all()]

    async def capability_register(self, form: CapabilityForm) -> CapabilityView:
        """Offer a capability, or change it; durable when it returns."""
        who = self._node.agents.find(form.agent)
        offer = Offer(
            v=1,
            name=form.name,
            agent=who.did,
            about=form.about,
            takes=b"" if form.takes is None else write_json(form.takes, SCHEMA_BYTES_MAX),
            returns=b"" if form.returns is None else write_json(form.returns, SCHEMA_BYTES_MAX),
            model=form.model,
            provider=form.provider,
            price=form.price,
            standing=form.standing,
        )
        return self._node.calls.views.capability(await self._node.calls.book.register(offer))

    async def capability_withdraw(self, name: str, agent: str = "") -> None:
        """Offer a capability no more; calls under way go on. ``agent``: whose it must be, '' anyone's."""
        await self._node.calls.book.withdraw(name, self._node.agents.find(agent).did if agent else "")

    # --- calling ------------------------------------------------------------------------------

    async def call(self, form: CallForm | CallSignedForm) -> CallView:
        """Call, and return how it is when it is over, or at its deadline."""
        async for one in await self.call_follow(form):
            if isinstance(one, CallView):
                return one
        raise UsageError("the node stops", code="stopping", http_status=503, remedy="see the call when it runs")

    async def call_follow(self, form: CallForm | CallSignedForm) -> AsyncIterator[CallProgressView | CallView]:
        """Call, and return what comes: the call as it was made, its progress, and the call as it is at the end."""
        made = self._call_maker.make(form)
        call, who = call_id(made.record.call), made.who
        self._node.rates.take("queries_per_participant", f"{made.record.request.node.hex()}:{who.did if who else ''}")
        self._call_maker.check_consent(made)
        await self._node.calls.make(call, made.record)
        if who is not None:
            await self._node.consent.done(who.did, call_digest(made.record.request), call)
        return self._follow_call(call, who, self._node.calls.follow(call))

    async def call_propose(self, form: CallForm) -> ApprovalView:
        """Ask a human to let an agent make exactly this call; once they allow it, the node makes it if it can sign."""
        return self._approval_view(await self._call_approving.propose(form))

    def calls_made(self, asked: CallsMade) -> list[CallView]:
        """Return calls made here, the newest first."""
        made = reversed(self._node.calls.made())
        if asked.before:
            before = parse_id(asked.before)
            made = iter([*dropwhile(lambda one: one[0] != before, made)][1:])
        mine = (one for one in made if asked.caller in {"", one[1].request.caller})
        return [self._node.calls.views.call(call, record) for call, record in islice(mine, asked.limit)]

    def call_show(self, call: str, caller: str = "") -> CallView:
        """Return one call; raise NotFound."""
        identity, record = self._made_here(call, caller)
        return self._node.calls.views.call(identity, record)

    async def call_wait(self, call: str, caller: str = "", *, wait_s: float) -> CallView:
        """Return one call when it is over, or as it is after ``wait_s``; raise NotFound."""
        identity, _ = self._made_here(call, caller)
        await self._node.calls.until_over(identity, wait_s)
        return self.call_show(call, caller)

    def call_cancel(self, call: str, caller: str = "") -> CallView:
        """Ask for a call to end; how it did, its receipt says."""
        identity, record = self._made_here(call, caller)
        self._node.calls.cancel(identity)
        return self._node.calls.views.call(identity, record)

    # --- inside -------------------------------------------------------------------------------

    async def _follow_call(
        self, call: bytes, who: Participant | None, coming: AsyncIterator[Progress]
    ) -> AsyncIterator[CallProgressView | CallView]:
        async for one in coming:
            await self._note_output(call, who)
            yield progress_view(call, one)
        record = self._node.calls.record(call)
        if record is not None:
            if record.output is not None:
                await self._note_output(call, who)
            yield self._node.calls.views.call(call, record)

    async def _note_output(self, call: bytes, who: Participant | None) -> None:
        """Remember, before it is shown, that an agent reads what another node wrote."""
        record = self._node.calls.record(call)
        is_foreign = record is not None and record.request.host != self._node.store.node
        if who is not None and who.kind == "agent" and is_foreign:
            await self._node.consent.note_read(who.did)

    def _made_here(self, call: str, caller: str) -> tuple[bytes, CallRecord]:
        identity = parse_id(call)
        record = self._node.calls.record(identity)
        if record is None or (caller and record.request.caller != caller):
            raise NotFound("there is no such call", code="unknown_call", remedy="see GET /api/v1/calls")
        return identity, record
