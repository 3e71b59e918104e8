"""The webhooks of this node's agents: durable, one for an agent."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.log.port import Value
from foedus.node.store import Store
from foedus.trust.webhooks import Target, parse_target

SPACE = "webhooks"
WEBHOOKS_MAX = 1_024
"""Of one node: each has its own calls under way."""


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an agent's calls are sent. ``by_operator``: who registered it."""

    url: str
    by_operator: bool
    since: Instant

    @property
    def target(self) -> Target:
        """The URL, taken apart."""
        return parse_target(self.url)

    def __repr__(self) -> str:
        """Never show the URL: its path or query may be a secret."""
        return f"Webhook({self.target.origin!r})"


class WebhookBook:
    """By agent (DID). ``put`` and ``remove`` are durable when they return."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = {key.decode(): decode_as(data, Webhook) for key, data in store.log.values(SPACE).items()}

    def __iter__(self) -> Iterator[tuple[str, Webhook]]:
        """Return all."""
        return iter(sorted(self._held.items()))

    def get(self, agent: str) -> Webhook | None:
        """Return an agent's webhook."""
        return self._held.get(agent)

    async def put(self, agent: str, hook: Webhook) -> None:
        """Send the agent's calls there from now on."""
        if agent not in self._held and len(self._held) >= WEBHOOKS_MAX:
            remedy = "remove one: see `foedus webhook list`"
            raise UsageError(f"a node has at most {WEBHOOKS_MAX} webhooks", code="too_many_webhooks", remedy=remedy)
        await self._store.put(Value(SPACE, agent.encode(), encode(to_plain(hook))))
        self._held[agent] = hook

    async def remove(self, agent: str) -> None:
        """Send nothing more; raise NotFound."""
        if agent not in self._held:
            raise NotFound("that agent has no webhook", code="unknown_webhook", remedy="see `foedus webhook list`")
        await self._store.put(Value(SPACE, agent.encode(), None))
        self._held.pop(agent, None)


learn(Webhook)
