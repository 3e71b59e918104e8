"""Which agents there are, here and at connected peers: what they offered when they were last asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from foedus.base.errors import FoedusError, NotFound
from foedus.values.calls import CapabilityView

if TYPE_CHECKING:
    from foedus.node.api import NodeService


AGAIN_S = 5.0
"""What peers offer changes seldom, and each look asks all of them."""


class Agent(NamedTuple):
    """An agent, and what it offers by name."""

    node: str
    did: str
    name: str
    offers: dict[str, CapabilityView]


class Target(NamedTuple):
    """Who is meant: an agent, or ('' and '') the node's agents; and where that is served."""

    node: str
    agent: str
    url: str


class Directory:
    """One per server. What peers offer is kept by the node, so it is known also while a peer is away."""

    def __init__(self, node: NodeService) -> None:
        self._node = node
        self._asking = asyncio.Lock()
        self._asked_at = 0.0

    async def look(self) -> list[Agent]:
        """Ask the peers what they offer, but not all the time; return all agents. Who is silent is as before."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if not self._asked_at or loop.time() > self._asked_at + AGAIN_S:
                with suppress(FoedusError):  # the terms let this node ask nobody
                    await self._node.offers_ask()
                self._asked_at = loop.time()
        return self.agents()

    def agents(self) -> list[Agent]:
        """Return all agents that are known."""
        return _agents([*self._node.capabilities(), *self._node.offers_known()])

    async def find(self, node: str, did: str, *, anew: bool = False) -> Agent:
        """Return one, as it is known, or (``anew``) as it is now; raise NotFound."""
        found = None if anew else self._find(node, did)
        if found is None:
            await self.look()
            found = self._find(node, did)
        if found is None:
            raise NotFound("there is no such agent", code="unknown_agent", remedy="see the node's extended agent card")
        return found

    def _find(self, node: str, did: str) -> Agent | None:
        return next((it for it in self.agents() if (it.node, it.did) == (node, did)), None)


def _agents(offers: Sequence[CapabilityView]) -> list[Agent]:
    found: dict[tuple[str, str], Agent] = {}
    for offer in offers:
        key = (offer.node, offer.agent)
        agent = found.setdefault(key, Agent(offer.node, offer.agent, offer.agent_name, {}))
        agent.offers[offer.name] = offer
    return list(found.values())
