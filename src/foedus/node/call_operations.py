"""What surfaces may do about capabilities and calls: offer, find, call, and do the work."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import FoedusError, NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.crypto import ed25519
from foedus.log.participants import Participant
from foedus.node.author import Draft
from foedus.node.call_hosting import Ending, Work, failed
from foedus.node.call_judging import call_crossing
from foedus.node.call_records import CallRecord
from foedus.node.call_values import (
    CallForm,
    CallProgressView,
    CallSignedForm,
    CallView,
    CapabilityForm,
    CapabilityView,
    WorkResult,
    WorkView,
)
from foedus.node.calls import Progress
from foedus.node.capability_book import Offered
from foedus.query.call import Call, call_bytes, call_id, check_time, encode_call, parse_call
from foedus.query.limits import SCHEMA_BYTES_MAX
from foedus.query.offer import Offer
from foedus.query.schemas import write_json
from foedus.sync.frames import CALL_PROGRESS_MAX
from foedus.trust.evaluator import Withhold

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.views import Views


class CallOperations:
    """Operations on capabilities and calls, for ``Service``."""

    _node: Node
    _views: Views

    # --- capabilities -------------------------------------------------------------------------

    def capabilities(self) -> list[CapabilityView]:
        """Return what agents of this node offer, by name."""
        return [self._capability(held) for held in self._node.calls.book.all()]

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
        return self._capability(await self._node.calls.book.register(offer))

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
        record, who = self._signed_call(form) if isinstance(form, CallSignedForm) else self._made_call(form)
        call = call_id(record.call)
        self._node.rates.take("queries_per_participant", f"{record.request.node.hex()}:{who.did if who else ''}")
        self._check_consent(record, who)
        await self._node.calls.make(call, record)
        return self._follow_call(call, who)

    def calls_made(self, caller: str = "") -> list[CallView]:
        """Return the calls made here, the newest first; ``caller``: a participant's alone."""
        made = reversed(self._node.calls.made())
        return [self._call(call, record) for call, record in made if not caller or record.request.caller == caller]

    def call_show(self, call: str, caller: str = "") -> CallView:
        """Return one call; raise NotFound."""
        identity, record = self._made_here(call, caller)
        return self._call(identity, record)

    def call_cancel(self, call: str, caller: str = "") -> CallView:
        """Ask for a call to end; how it did, its receipt says."""
        identity, record = self._made_here(call, caller)
        self._node.calls.cancel(identity)
        return self._call(identity, record)

    # --- working ------------------------------------------------------------------------------

    async def call_work(self, agent: str, wait_ms: int) -> WorkView | None:
        """Hand an agent its next call, once; None where none comes in time."""
        who = self._node.agents.find(agent)
        work = await self._node.calls.host.work(who.did, wait_ms / 1_000)
        if work is not None and work.call.node != self._node.store.node and who.kind == "agent":
            await self._node.consent.note_read(who.did)
        return None if work is None else self._work(work)

    async def call_progress(self, agent: str, call: str, data: Any) -> None:
        """Tell the caller how far the work is."""
        who = self._node.agents.find(agent)
        self._node.calls.host.progress(who.did, parse_id(call), write_json(data, CALL_PROGRESS_MAX))

    async def call_finish(self, agent: str, call: str, result: WorkResult) -> None:
        """End a call by its output or an error; durable when it returns."""
        who = self._node.agents.find(agent)
        if (result.output is UNSET) == (not result.code):
            raise UsageError("a call ends by an output, or by the code of an error", code="bad_result")
        if result.output is UNSET:
            ending = failed(result.code, result.message)
        else:
            ending = Ending("result", output=write_json(result.output))
        await self._node.calls.host.finish(who.did, parse_id(call), ending)

    # --- inside -------------------------------------------------------------------------------

    async def _follow_call(self, call: bytes, who: Participant | None) -> AsyncIterator[CallProgressView | CallView]:
        async for one in self._node.calls.follow(call):
            await self._note_output(call, who)
            yield _progress(call, one)
        record = self._node.calls.record(call)
        if record is not None:
            if record.output is not None:
                await self._note_output(call, who)
            yield self._call(call, record)

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

    def _made_call(self, form: CallForm) -> tuple[CallRecord, Participant | None]:
        """Return a call of a custodial agent, or of the node itself, signed."""
        store = self._node.store
        who = self._node.agents.find(form.as_) if form.as_ else None
        key = self._node.agents.key(who) if who is not None else None
        auth = (self._node.agents.enrolment(who),) if who is not None else ()
        now = store.now()
        call = Call(
            v=1,
            node=store.node,
            epoch=store.epoch,
            caller=who.did if who is not None else store.node,
            device=key.public if key is not None else None,
            host=parse_id(form.node) if form.node else store.node,
            name=form.name,
            offer=parse_id(form.offer),
            input=write_json(form.input),
            at=now,
            deadline=now + form.wait_ms * 1_000,
            auth=auth,
            nonce=form.nonce or secrets.token_bytes(NONCE_BYTES),
        )
        if who is not None and who.kind == "agent" and call.host != store.node:
            grants = self._node.consent.carrying(self._as_draft(call), call_crossing(call, bytes(32)))
            call = replace(call, auth=(*auth, *(grant.id for grant in grants))[:AUTH_MAX])
        try:
            data = encode_call(call)
        except FoedusError as error:
            raise UsageError(f"the call: {error}", code="malformed_call") from None
        asig = key.sign(call_bytes(data)) if key is not None else None
        return self._record(data, asig, call), who

    def _signed_call(self, form: CallSignedForm) -> tuple[CallRecord, Participant | None]:
        """Return a call that a participant's device signed."""
        data, asig = from_base64url(form.call, "call"), from_base64url(form.asig, "asig")
        store = self._node.store
        try:
            call = parse_call(data)
            check_time(call, store.now())
        except FoedusError as error:
            raise UsageError(str(error), code=error.code, remedy=error.remedy) from None
        if call.device is None or (call.node, call.epoch) != (store.node, store.epoch):
            raise UsageError(
                "the call is not of a device of this node, in the epoch in force",
                code="superseded",
                remedy="make it with what GET /api/v1/signing returns",
            )
        who = self._node.agents.find(call.did)
        device = who.devices.get(call.device)
        if device is None or device.cuts is not None or device.enrolment not in call.auth:
            raise UsageError("the device is not enrolled, or not cited", code="unknown_device", http_status=403)
        if not ed25519.verify(call.device, call_bytes(data), asig):
            raise UsageError("the call is not signed by its device", code="invalid_signature")
        if self._node.calls.record(call_id(data)) is not None:
            raise UsageError("that call was made", code="duplicate", http_status=409, remedy="look at it")
        return self._record(data, asig, call), who

    def _record(self, data: bytes, asig: bytes | None, call: Call) -> CallRecord:
        sig = self._node.store.keys.ed25519.sign(call_bytes(data))
        return CallRecord(call=data, asig=asig, sig=sig, deadline=call.deadline)

    def _check_consent(self, record: CallRecord, who: Participant | None) -> None:
        """Raise UsageError where the other node would not take the call up, as far as this node can tell."""
        call, store = record.request, self._node.store
        if who is None or call.host == store.node:
            return
        authority = store.admission.authority
        held = [event for event in map(authority.controls.get, call.auth) if event is not None]
        grants = [grant for grant in map(authority.grant, held) if grant is not None]
        cited = [grant for grant in grants if grant.device.cuts is None and not authority.is_taken_back(grant)]
        crossing = call_crossing(call, call_id(record.call))
        act = self._as_draft(call).act
        decision = self._node.crossings.decide(crossing, act, store.node, cited, store.now())
        if isinstance(decision, Withhold):
            raise UsageError(
                f"the call may not cross: {decision.code}",
                code=decision.code,
                http_status=403,
                remedy="a person allows it: `foedus grant create AGENT --command agent/call --as NAME`",
            )

    def _as_draft(self, call: Call) -> Draft:
        """Return the call as the evaluator looks at an act: who, and by which device."""
        draft = self._node.author.node_act("participant:", "agent.call", {}, call.auth)
        return draft._replace(act=replace(draft.act, author=call.caller, device=call.device))

    # --- views --------------------------------------------------------------------------------

    def _capability(self, held: Offered) -> CapabilityView:
        offer, node = held.offer, self._node.store.node
        return CapabilityView(
            name=offer.name,
            node=node.hex(),
            node_name=self._views.node_name(node),
            offer=held.id.hex(),
            agent=offer.agent,
            agent_name=self._participant_name(node, offer.agent),
            about=offer.about,
            takes=_json(offer.takes or None),
            returns=_json(offer.returns or None),
            model=offer.model,
            provider=offer.provider,
            price=offer.price,
            standing=offer.standing,
        )

    def _participant_name(self, node: bytes, did: str) -> str:
        who = self._node.store.admission.authority.participants.get((node, did))
        return who.name if who is not None else ""

    def _call(self, call: bytes, record: CallRecord) -> CallView:
        request, receipt = record.request, record.outcome
        return CallView(
            call=call.hex(),
            node=request.host.hex(),
            node_name=self._views.node_name(request.host),
            name=request.name,
            offer=request.offer.hex(),
            caller=request.did or request.node.hex(),
            at=request.at,
            deadline=record.deadline,
            state=record.state,
            outcome=receipt.outcome if receipt else "",
            code=receipt.code if receipt else record.code,
            message=record.message,
            agent=receipt.agent if receipt else "",
            began=receipt.began if receipt else 0,
            ended=receipt.ended if receipt else 0,
            output=_json(record.output),
            receipt=to_base64url(record.receipt or b""),
            receipt_sig=to_base64url(record.receipt_sig or b""),
            countersig=to_base64url(record.countersig or b""),
        )

    def _work(self, work: Work) -> WorkView:
        call = work.call
        return WorkView(
            call=work.id.hex(),
            name=call.name,
            offer=call.offer.hex(),
            caller=call.did or call.node.hex(),
            caller_name=self._participant_name(call.node, call.did),
            node=call.node.hex(),
            node_name=self._views.node_name(call.node),
            input=_json(call.input),
            deadline=work.deadline,
        )


def _progress(call: bytes, one: Progress) -> CallProgressView:
    return CallProgressView(call=call.hex(), number=one.number, data=_json(one.data))


def _json(data: bytes | None) -> Any:
    """Return the value in bytes of JSON; what another node sent as something else is shown as nothing."""
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None
