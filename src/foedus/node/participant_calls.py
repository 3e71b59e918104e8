"""Capabilities and calls as one participant may use them: a part of ``participant_service``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from foedus.base.base64url import from_base64url
from foedus.node.call_forms import CallForm, CallSignedForm, CallsMade, CapabilityForm, WebhookForm, WorkResult
from foedus.node.not_yourself import NotYourself
from foedus.node.tokens import Holder
from foedus.query.call import parse_call
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WebhookView, WorkView
from foedus.values.consent import ApprovalView


class ParticipantCalls:
    """A participant offers, calls and works for itself alone."""

    _service: Any
    _holder: Holder

    def capabilities(self) -> list[CapabilityView]:
        """Return what agents of this node offer."""
        found: list[CapabilityView] = self._service.capabilities()
        return found

    async def capability_register(self, form: CapabilityForm) -> CapabilityView:
        """Offer a capability of its own."""
        placed: CapabilityView = await self._service.capability_register(replace(form, agent=self._own_did(form.agent)))
        return placed

    async def capability_withdraw(self, name: str, agent: str = "") -> None:
        """Offer one of its own no more."""
        await self._service.capability_withdraw(name, self._own_did(agent))

    async def call(self, form: CallForm | CallSignedForm) -> CallView:
        """Call, as itself."""
        found: CallView = await self._service.call(self._as_caller(form))
        return found

    async def call_follow(self, form: CallForm | CallSignedForm) -> AsyncIterator[CallProgressView | CallView]:
        """Call, as itself, and return what comes."""
        coming: AsyncIterator[CallProgressView | CallView] = await self._service.call_follow(self._as_caller(form))
        return coming

    async def call_propose(self, form: CallForm) -> ApprovalView:
        """Ask a human to let it make this call."""
        asked: ApprovalView = await self._service.call_propose(replace(form, as_=self._own_did(form.as_)))
        return asked

    def calls_made(self, asked: CallsMade) -> list[CallView]:
        """Return its own calls."""
        found: list[CallView] = self._service.calls_made(replace(asked, caller=self._own_did(asked.caller)))
        return found

    async def call_wait(self, call: str, caller: str = "", *, wait_s: float) -> CallView:
        """Return one of its own, when it is over."""
        found: CallView = await self._service.call_wait(call, self._own_did(caller), wait_s=wait_s)
        return found

    def call_cancel(self, call: str, caller: str = "") -> CallView:
        """Ask for one of its own to end."""
        found: CallView = self._service.call_cancel(call, self._own_did(caller))
        return found

    async def call_work(self, agent: str, wait_ms: int) -> WorkView | None:
        """Take its next call."""
        work: WorkView | None = await self._service.call_work(self._own_did(agent), wait_ms)
        return work

    async def call_progress(self, agent: str, call: str, data: Any) -> None:
        """Tell how far its work is."""
        await self._service.call_progress(self._own_did(agent), call, data)

    async def call_finish(self, agent: str, call: str, result: WorkResult) -> None:
        """End a call that it was handed."""
        await self._service.call_finish(self._own_did(agent), call, result)

    def webhooks(self, agent: str = "") -> list[WebhookView]:
        """Return its own webhook."""
        found: list[WebhookView] = self._service.webhooks(self._own_did(agent))
        return found

    async def webhook_register(self, form: WebhookForm) -> WebhookView:
        """Have its calls brought to it, where the policy lets it."""
        own = replace(form, agent=self._own_did(form.agent), by_operator=False)
        placed: WebhookView = await self._service.webhook_register(own)
        return placed

    async def webhook_remove(self, agent: str) -> None:
        """Ask for its work again."""
        await self._service.webhook_remove(self._own_did(agent))

    def _own_did(self, name: str) -> str:
        if name not in {"", self._holder.did}:
            raise NotYourself("this token is another participant's")
        return self._holder.did

    def _as_caller(self, form: CallForm | CallSignedForm) -> CallForm | CallSignedForm:
        if isinstance(form, CallForm):
            return replace(form, as_=self._own_did(form.as_))
        if parse_call(from_base64url(form.call, "call")).caller != self._holder.did:
            raise NotYourself("the call is another participant's")
        return form
