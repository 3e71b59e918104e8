"""Requests of A2A clients, answered by the official package: JSON-RPC of versions 1.0 and 0.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from starlette.requests import Request

from foedus.surfaces.a2a import cards
from foedus.surfaces.a2a.directory import Directory, Target
from foedus.surfaces.a2a.handler import Handler
from foedus.surfaces.a2a.notices import Notices
from foedus.surfaces.http.wire import JSON, Receive, Scope, Send, send_whole

if TYPE_CHECKING:
    from foedus.node.api import NodeService

FROM = "foedus.a2a"
"""Key of a scope: whose request it is, and whom it is for."""


class Serving:
    """One per server."""

    def __init__(self, node: NodeService, directory: Directory, notices: Notices) -> None:
        self._directory = directory
        self._node = node
        handler = Handler(node, directory, notices, self._signer())
        self._dispatcher = JsonRpcDispatcher(handler, _Builder(), enable_v0_3_compat=True)

    async def call(self, scope: Scope, receive: Receive, send: Send, did: str, target: Target) -> None:
        """Answer one JSON-RPC request of a participant."""
        inner = {**scope, FROM: (did, target)}
        response = await self._dispatcher.handle_requests(Request(inner, receive))
        await response(inner, receive, send)

    async def card(self, send: Send, target: Target) -> None:
        """Show the node's card as anyone may see it, or that of an agent."""
        if target.agent:
            agent = await self._directory.find(
                target.node, target.agent, anew=target.node != self._node.identity().node
            )
            card = cards.agent_card(self._signer(), target.url, agent)
        else:
            card = cards.node_card(self._signer(), target.url, ())
        await send_whole(send, 200, cards.shown(card), JSON)

    def _signer(self) -> cards.Signer:
        identity = self._node.identity()
        return cards.Signer(identity.did, identity.name, self._node.sign_card)


class _Participant(User):
    def __init__(self, did: str) -> None:
        self._did = did

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def user_name(self) -> str:
        return self._did


class _Builder(ServerCallContextBuilder):
    def build(self, request: Request) -> ServerCallContext:
        did, target = request.scope[FROM]
        state = {"headers": dict(request.headers), "did": did, "target": target}
        return ServerCallContext(user=_Participant(did), state=state)
