"""A call of this node, made: for an agent whose key it keeps, for itself, or as a device signed it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from foedus.base.base64url import from_base64url
from foedus.base.errors import FoedusError, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.log.participants import Participant
from foedus.node.author import Draft
from foedus.node.call_forms import CallForm, CallSignedForm
from foedus.node.call_judging import call_crossing
from foedus.node.call_records import CallRecord
from foedus.node.invocations import signer_of
from foedus.query.call import (
    Call,
    call_bytes,
    call_digest,
    call_id,
    called_of,
    check_time,
    encode_call,
    parse_call,
)
from foedus.query.schemas import write_json
from foedus.trust.evaluator import Withhold

if TYPE_CHECKING:
    from foedus.node.composition import Node


CALLED = "agent.call"
"""The kind of a call, where it is looked at as an act."""


class Made(NamedTuple):
    """A call that is ready to be sent. ``who``: the participant who calls, None where the node does."""

    record: CallRecord
    who: Participant | None


class CallMaker:
    """Signs calls, checks those that were signed, and says which of them would not cross."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def make(self, form: CallForm | CallSignedForm) -> Made:
        """Return the call that is meant; raise UsageError."""
        return self._read(form) if isinstance(form, CallSignedForm) else self._sign(form)

    def _sign(self, form: CallForm) -> Made:
        """Return a call of a custodial agent, or of the node itself, signed."""
        who = self._node.agents.find(form.as_) if form.as_ else None
        key = self._node.agents.key(who) if who is not None else None
        auth = (self._node.agents.enrolment(who),) if who is not None else ()
        call = self.call(form, who, key.public if key is not None else None, auth)
        if who is not None and who.kind == "agent" and call.host != self._node.store.node:
            grants = self._node.consent.carrying(self.as_draft(call), call_crossing(call))
            call = replace(call, auth=(*auth, *(grant.id for grant in grants))[:AUTH_MAX])
        data = _encoded(call)
        asig = key.sign(call_bytes(data)) if key is not None else None
        return Made(self._record(data, asig, call), who)

    def call(self, form: CallForm, who: Participant | None, device: bytes | None, auth: tuple[bytes, ...]) -> Call:
        """Return a call of a participant by one of its devices, or of the node itself; raise UsageError."""
        store = self._node.store
        now = store.now()
        call = Call(
            v=1,
            node=store.node,
            epoch=store.epoch,
            caller=who.did if who is not None else store.node,
            device=device,
            host=parse_id(form.node) if form.node else store.node,
            name=form.name,
            offer=parse_id(form.offer),
            input=write_json(form.input),
            at=now,
            deadline=now + form.wait_ms * 1_000,
            auth=auth,
            nonce=form.nonce or secrets.token_bytes(NONCE_BYTES),
        )
        _encoded(call)
        return call

    def _read(self, form: CallSignedForm) -> Made:
        """Return a call that a participant's device signed."""
        data, asig = from_base64url(form.call, "call"), from_base64url(form.asig, "asig")
        try:
            call = parse_call(data)
            check_time(call, self._node.store.now())
        except FoedusError as error:
            raise UsageError(str(error), code=error.code, remedy=error.remedy) from None
        who = signer_of(self._node, "call", call, call.did, (call_bytes(data), asig))
        if self._node.calls.is_known(call_id(data)):
            raise UsageError("that call was made", code="duplicate", http_status=409, remedy="look at it")
        return Made(self._record(data, asig, call), who)

    def _record(self, data: bytes, asig: bytes | None, call: Call) -> CallRecord:
        sig = self._node.store.keys.ed25519.sign(call_bytes(data))
        return CallRecord(call=data, asig=asig, sig=sig, deadline=call.deadline)

    def check_consent(self, made: Made) -> None:
        """Raise UsageError where the other node would not take the call up, as far as this node can tell."""
        call, store = made.record.request, self._node.store
        if made.who is None or call.host == store.node:
            return
        authority = store.admission.authority
        held = [event for event in map(authority.control, call.auth) if event is not None]
        grants = [grant for grant in map(authority.grant, held) if grant is not None]
        cited = [grant for grant in grants if grant.device.cuts is None and not authority.is_taken_back(grant)]
        crossing = call_crossing(call)
        act = self.as_draft(call).act
        decision = self._node.crossings.decide(crossing, act, store.node, cited, store.now())
        if isinstance(decision, Withhold):
            raise UsageError(
                f"the call may not cross: {decision.code}",
                code=decision.code,
                http_status=403,
                remedy="a person allows it: once, if the agent asks for that (POST /api/v1/calls/approvals), or "
                "`foedus grant create AGENT --command agent/call --as NAME`",
            )

    def as_draft(self, call: Call) -> Draft:
        """Return the call as the evaluator looks at an act: who, and by which device. Its nonce is the salt."""
        draft = self._node.author.node_act("participant:", CALLED, called_of(call), call.auth)
        act = replace(draft.act, author=call.caller, device=call.device, digest=call_digest(call))
        return draft._replace(act=act, salt=call.nonce)


def _encoded(call: Call) -> bytes:
    try:
        return encode_call(call)
    except FoedusError as error:
        raise UsageError(f"the call: {error}", code="malformed_call") from None
