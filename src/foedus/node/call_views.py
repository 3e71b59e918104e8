"""Capabilities and calls as they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from foedus.base.base64url import to_base64url
from foedus.node.call_desk import Work
from foedus.node.call_progress import Progress
from foedus.node.call_records import CallRecord
from foedus.node.capability_book import Offered
from foedus.query.call import FORGOTTEN
from foedus.query.schemas import BadJson, read_json
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WorkView

if TYPE_CHECKING:
    from foedus.node.store import Store

UNREADABLE = "unreadable_output"
"""The code of a result that is no JSON within the bounds: what its node signed cannot be shown."""


class CallViews:
    """Makes views. ``node_name`` knows how nodes are called."""

    def __init__(self, store: Store, node_name: Callable[[bytes], str]) -> None:
        self._store = store
        self._node_name = node_name

    def capability(self, held: Offered) -> CapabilityView:
        """Return what is offered here."""
        offer, node = held.offer, self._store.node
        return CapabilityView(
            name=offer.name,
            node=node.hex(),
            node_name=self._node_name(node),
            offer=held.id.hex(),
            agent=offer.agent,
            agent_name=self.participant_name(node, offer.agent),
            about=offer.about,
            takes=_json(offer.takes or None),
            returns=_json(offer.returns or None),
            model=offer.model,
            provider=offer.provider,
            price=offer.price,
            standing=offer.standing,
        )

    def participant_name(self, node: bytes, did: str) -> str:
        """Return how a participant is called, '' where that is not known here."""
        who = self._store.admission.authority.participants.get((node, did))
        return who.name if who is not None else ""

    def call(self, call: bytes, record: CallRecord) -> CallView:
        """Return a call made here."""
        request, receipt = record.request, record.outcome
        outcome, code = (receipt.outcome, receipt.code) if receipt else ("", record.code)
        output = _json(record.output)
        if record.state == "refused" and code == FORGOTTEN:
            outcome = "outcome_unknown"
        elif output is None and record.output not in {None, b"null"}:
            code = code or UNREADABLE
        return CallView(
            call=call.hex(),
            node=request.host.hex(),
            node_name=self._node_name(request.host),
            name=request.name,
            offer=request.offer.hex(),
            caller=request.did or request.node.hex(),
            at=request.at,
            deadline=record.deadline,
            state=record.state,
            outcome=outcome,
            code=code,
            message=record.message,
            agent=receipt.agent if receipt else "",
            began=receipt.began if receipt else 0,
            ended=receipt.ended if receipt else 0,
            output=output,
            receipt=to_base64url(record.receipt or b""),
            receipt_sig=to_base64url(record.receipt_sig or b""),
            countersig=to_base64url(record.countersig or b""),
        )

    def work(self, work: Work) -> WorkView:
        """Return a call as its agent gets it."""
        call = work.call
        return WorkView(
            call=work.id.hex(),
            name=call.name,
            offer=call.offer.hex(),
            caller=call.did or call.node.hex(),
            caller_name=self.participant_name(call.node, call.did),
            node=call.node.hex(),
            node_name=self._node_name(call.node),
            input=_json(call.input),
            deadline=work.deadline,
        )


def progress_view(call: bytes, one: Progress) -> CallProgressView:
    """Return a word of progress."""
    return CallProgressView(call=call.hex(), number=one.number, data=_json(one.data))


def _json(data: bytes | None) -> Any:
    """Return the value in bytes of JSON; what another node sent as something else is shown as nothing."""
    try:
        return None if data is None else read_json(data)
    except BadJson:
        return None
