"""Agents that are reached by a webhook: their calls are brought to them, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from foedus.base.clock import Instant
from foedus.node.background import Background
from foedus.node.call_desk import CallDesk, Work
from foedus.node.call_life import CallLife
from foedus.node.call_records import CallRecord
from foedus.node.call_views import CallViews
from foedus.node.webhook_book import Webhook, WebhookBook
from foedus.node.webhook_delivery import CallDelivery, Parts
from foedus.trust.policy import WebhookReach
from foedus.trust.webhooks import LOCALHOST, WebhookForbidden, is_address, may_send, parse_target
from foedus.values.calls import WorkView

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.webhooks")
AT_ONCE_MAX = 64
AT_ONCE_PER_AGENT = 8
"""Deliveries that wait for an answer: one slow receiver must not keep the others waiting."""


class Seen(NamedTuple):
    """How the last delivery to an agent went. ``last``: a status, or a code."""

    at: Instant
    last: str


class Webhooks:
    """One per node: who has one, and the deliveries under way."""

    def __init__(self, node: Node, life: CallLife, desk: CallDesk, views: CallViews) -> None:
        self.book = WebhookBook(node.store)
        self.outcomes: Counter[str] = Counter()
        """Deliveries since the node started, by status or code."""
        self.seen: dict[str, Seen] = {}
        self._node = node
        self._life = life
        self._views = views
        self._parts = Parts(node.store, life, desk, self._reach, self._shown, self._note)
        self._background = Background(log)
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._all = asyncio.Semaphore(AT_ONCE_MAX)
        self._slots: dict[str, asyncio.Semaphore] = {}
        life.on_open.append(self._opened)
        life.on_ended.append(self._ended)

    async def close(self) -> None:
        """Stop; what no agent has is brought to it when the node runs again."""
        await self._background.close()

    async def register(self, agent: str, url: str, *, by_operator: bool) -> None:
        """Bring an agent's calls to ``url`` from now on, also those that wait; durable when it returns.

        Raises BadWebhook, or WebhookForbidden where it is an address to which this may not be sent.
        """
        target = parse_target(url)
        address = LOCALHOST if target.host == "localhost" else target.host
        if is_address(address) and not may_send(target, address, self._reach(), by_operator=by_operator):
            raise WebhookForbidden(f"calls may not be sent to {target.origin}")
        await self.book.put(agent, Webhook(url, by_operator, self._node.store.now()))
        self.seen.pop(agent, None)
        for call in self._life.open_of(agent):
            self._begin(call, agent)

    async def remove(self, agent: str) -> None:
        """Bring nothing more: the agent asks for its work. Raises NotFound."""
        await self.book.remove(agent)
        self.seen.pop(agent, None)

    # --- inside -------------------------------------------------------------------------------

    def _opened(self, call: bytes, record: CallRecord) -> None:
        if self.book.get(record.agent) is not None:
            self._begin(call, record.agent)

    def _begin(self, call: bytes, agent: str) -> None:
        if call not in self._tasks:
            self._tasks[call] = self._background.spawn(self._deliver(call, agent))

    def _ended(self, call: bytes, _: CallRecord) -> None:
        task = self._tasks.get(call)
        if task is not None and task is not asyncio.current_task():  # a delivery may have ended it itself
            task.cancel()

    async def _deliver(self, call: bytes, agent: str) -> None:
        delivery = CallDelivery(self._parts, agent, call)
        try:
            while (hook := self.book.get(agent)) is not None:
                async with self._slots.setdefault(agent, asyncio.Semaphore(AT_ONCE_PER_AGENT)), self._all:
                    pause_s = await delivery.attempt(hook)
                self._noted(agent, hook, delivery.last)
                if pause_s is None:
                    return
                await asyncio.sleep(pause_s)
        finally:
            del self._tasks[call]

    def _noted(self, agent: str, hook: Webhook, last: str) -> None:
        self.outcomes[last] += 1
        before = self.seen.get(agent)
        self.seen[agent] = Seen(self._node.store.now(), last)
        if before is None or before.last != last:
            log.info("the webhook of %s at %s: %s", agent, hook.target.origin, last)

    def _reach(self) -> WebhookReach:
        return self._node.policy.current.webhooks.agents

    def _shown(self, call: bytes) -> WorkView:
        record = self._life.record(call)
        if record is None:
            raise LookupError("the call is forgotten")
        return self._views.work(Work(call, record.request, record.deadline))

    async def _note(self, call: bytes, agent: str) -> None:
        """Remember, before it is sent, that an agent reads what another node wrote."""
        record = self._life.record(call)
        if record is not None and record.request.node != self._node.store.node:
            await self._node.consent.note_read(agent)
