"""Calls that a human has to allow first: put before them, and made once they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from foedus.base.cbor import decode_as
from foedus.node.approvals import Approval
from foedus.node.call_forms import CallForm
from foedus.node.call_judging import call_crossing
from foedus.node.call_making import CALLED, CallMaker
from foedus.query.call import FORGOTTEN, Called, call_id

if TYPE_CHECKING:
    from foedus.node.composition import Node


class CallApproving:
    """Asks for calls of agents, and makes those of agents whose key the node keeps. ``consent.Doing``."""

    def __init__(self, node: Node, maker: CallMaker) -> None:
        self._node = node
        self._maker = maker
        node.consent.doing[CALLED] = self

    async def propose(self, form: CallForm, *, is_made_by_itself: bool = True) -> Approval:
        """Ask a human to let an agent make exactly this call; nobody is asked twice, but for a nonce that is named.

        ``is_made_by_itself``: the node makes it, if it keeps the agent's key. Raises UsageError where nothing waits for
        a human's word.
        """
        who = self._node.agents.find(form.as_)
        device = self._node.agents.device(who)
        call = self._maker.call(form, who, device.key, (device.enrolment,))
        crossings = [call_crossing(call)] if call.host != self._node.store.node and who.kind == "agent" else []
        draft = self._maker.as_draft(call)
        if is_made_by_itself and who.custody == "node":
            draft = draft._replace(signer=self._node.agents.key(who))
        return await self._node.consent.propose(draft, crossings, form.wait_ms, by_salt=bool(form.nonce))

    def done(self, approval: Approval) -> bytes | None:
        """Return the call that was made of what was allowed; one that was not taken up is none."""
        for call, record in self._node.calls.made():
            if approval.salt not in record.call:  # nearly all of them, without taking them apart
                continue
            is_it = record.request.nonce == approval.salt and record.request.caller == approval.did
            if is_it and (record.state != "refused" or record.code == FORGOTTEN):
                return call
        return None

    async def do(self, approval: Approval) -> bytes:
        """Make a call that was allowed; how it ends, its record says."""
        called = decode_as(approval.body, Called)
        form = CallForm(
            node=called.host.hex(),
            name=called.name,
            offer=called.offer.hex(),
            input=json.loads(called.input),
            wait_ms=approval.wait_ms,
            as_=approval.did,
            nonce=approval.salt,
        )
        made = self._maker.make(form)
        self._maker.check_consent(made)
        call = call_id(made.record.call)
        await self._node.calls.make(call, made.record, is_followed=False)
        return call
