"""What surfaces may do about the webhooks of this node's agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.errors import NotFound
from foedus.node.call_forms import WebhookForm
from foedus.values.calls import WebhookView

if TYPE_CHECKING:
    from foedus.node.composition import Node


class WebhookOperations:
    """Operations on webhooks, for ``Service``."""

    _node: Node

    def webhooks(self, agent: str = "") -> list[WebhookView]:
        """Return where calls are sent; ``agent``: of this one alone (a DID)."""
        return [self._webhook(did) for did, _ in self._node.calls.webhooks.book if agent in {"", did}]

    async def webhook_register(self, form: WebhookForm) -> WebhookView:
        """Bring an agent's calls to a URL; durable when it returns."""
        who = self._node.agents.find(form.agent)
        await self._node.calls.webhooks.register(who.did, form.url, by_operator=form.by_operator)
        return self._webhook(who.did)

    async def webhook_remove(self, agent: str) -> None:
        """Let an agent ask for its work again."""
        webhooks = self._node.calls.webhooks
        held = webhooks.book.get(agent)
        await webhooks.remove(agent if held is not None else self._node.agents.find(agent).did)

    def _webhook(self, did: str) -> WebhookView:
        webhooks = self._node.calls.webhooks
        hook, seen = webhooks.book.get(did), webhooks.seen.get(did)
        if hook is None:
            raise NotFound("that agent has no webhook", code="unknown_webhook", remedy="see `foedus webhook list`")
        return WebhookView(
            agent=did,
            agent_name=self._node.calls.views.participant_name(self._node.store.node, did),
            url=hook.url,
            by_operator=hook.by_operator,
            since=hook.since,
            last_at=seen.at if seen else 0,
            last=seen.last if seen else "",
        )
