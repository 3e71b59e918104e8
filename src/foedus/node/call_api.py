"""What surfaces may ask of a running node about capabilities and calls: a part of ``api.NodeService``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from foedus.node.call_forms import CallForm, CallSignedForm, CallsMade, CapabilityForm, WebhookForm, WorkResult
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WebhookView, WorkView
from foedus.values.consent import ApprovalView


class CallService(Protocol):
    """Capabilities of this node, and calls made here."""

    def capabilities(self) -> list[CapabilityView]:
        """Return what agents of this node offer, by name."""
        ...

    async def capability_register(self, form: CapabilityForm) -> CapabilityView:
        """Offer a capability, or change it; durable when it returns."""
        ...

    async def capability_withdraw(self, name: str, agent: str = "") -> None:
        """Offer a capability no more; ``agent``: whose it must be, '' anyone's."""
        ...

    async def call(self, form: CallForm | CallSignedForm) -> CallView:
        """Call, and return how it is when it is over, or at its deadline."""
        ...

    async def call_follow(self, form: CallForm | CallSignedForm) -> AsyncIterator[CallProgressView | CallView]:
        """Call, and return its progress, and the call as it is at the end."""
        ...

    def calls_made(self, asked: CallsMade) -> list[CallView]:
        """Return calls made here, the newest first."""
        ...

    async def call_propose(self, form: CallForm) -> ApprovalView:
        """Ask a human to let an agent make exactly this call."""
        ...

    async def call_wait(self, call: str, caller: str = "", *, wait_s: float) -> CallView:
        """Return one call when it is over, or as it is after ``wait_s``; raise NotFound."""
        ...

    def call_cancel(self, call: str, caller: str = "") -> CallView:
        """Ask for a call to end."""
        ...

    async def call_work(self, agent: str, wait_ms: int) -> WorkView | None:
        """Hand an agent its next call, once; None where none comes in time."""
        ...

    async def call_progress(self, agent: str, call: str, data: Any) -> None:
        """Tell the caller how far the work is."""
        ...

    async def call_finish(self, agent: str, call: str, result: WorkResult) -> None:
        """End a call by its output or an error; durable when it returns."""
        ...

    def webhooks(self, agent: str = "") -> list[WebhookView]:
        """Return where calls are sent; ``agent``: of this one alone."""
        ...

    async def webhook_register(self, form: WebhookForm) -> WebhookView:
        """Bring an agent's calls to a URL; durable when it returns."""
        ...

    async def webhook_remove(self, agent: str) -> None:
        """Let an agent ask for its work again."""
        ...
