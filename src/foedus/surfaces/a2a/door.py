"""The doors of A2A: cards, and messages to agents. A2A itself is loaded when the first client comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from foedus.surfaces.a2a.directory import Directory, Target
from foedus.surfaces.http.other_protocols import admitted, answered, loaded, while_admitted
from foedus.surfaces.http.problems import MethodNotAllowed
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import Receive, Scope, Send, header

if TYPE_CHECKING:
    from foedus.node.api import NodeService

CARD_PATH = "/.well-known/agent-card.json"
NODE_PATH = "/a2a"
AGENT_PATH = "/a2a/{node}/{agent}"
AGENT_CARD_PATH = f"{AGENT_PATH}{CARD_PATH}"


class A2aDoor:
    """Serves A2A for all agents that the node knows."""

    def __init__(self, node: NodeService, streams: Streams) -> None:
        self._node = node
        self._streams = streams
        self._directory = Directory(node)
        self._loading = asyncio.Lock()
        self._notices: Any = None
        self._serving: Any = None

    def begin(self) -> None:
        """Go on with notices of an earlier run, where there are any. Called in the loop, when the server starts."""
        if self._node.errands(""):
            self._notices_made().begin()

    async def close(self) -> None:
        """Stop telling."""
        if self._notices is not None:
            await self._notices.close()

    async def card(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show the node's card to anyone, and an agent's to participants."""
        await answered(self._card, self._node, scope, receive, send)

    async def call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to the node, or to an agent."""
        await answered(self._call, self._node, scope, receive, send)

    async def _card(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowed("a card is got with GET")
        target = _target(scope)
        if target.agent:
            await admitted(self._node, scope, receive)
        await (await self._loaded()).card(send, target)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed("messages come by POST")
        caller, again = await admitted(self._node, scope, receive)
        serving = await self._loaded()
        work = serving.call(scope, again, send, caller.did, _target(scope))
        await while_admitted(self._node, self._streams, caller, work)

    async def _loaded(self) -> Any:
        """Return what speaks A2A."""
        async with self._loading:
            if self._serving is None:
                module = await loaded("foedus.surfaces.a2a.serving")
                self._serving = module.Serving(self._node, self._directory, self._notices_made())
            return self._serving

    def _notices_made(self) -> Any:
        from foedus.surfaces.a2a.notices import Notices  # noqa: PLC0415  # with an HTTP client: when first used

        if self._notices is None:
            self._notices = Notices(self._node)
        return self._notices


def _target(scope: Scope) -> Target:
    found = scope["path_params"]
    host = (header(scope, b"host") or b"").decode("latin-1")
    root = f"{scope['scheme']}://{host}{NODE_PATH}"
    if not found:
        return Target("", "", root)
    return Target(found["node"], found["agent"], f"{root}/{found['node']}/{found['agent']}")
