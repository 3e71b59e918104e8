"""The application: one gate stands in front, one door per path answers; Litestar serves what is no operation.

Operations do not pass through Litestar: for each request it looks up handlers, guards, hooks and types that no
operation has, which cost more than the rest of the way to the node (docs/adr/0015).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, Response, asgi
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import ASGIRouteHandler
from litestar.plugins.core import MsgspecDIPlugin

from foedus.base.errors import FoedusError, NotFound
from foedus.surfaces.a2a.door import AGENT_CARD_PATH, AGENT_PATH, CARD_PATH, NODE_PATH, A2aDoor
from foedus.surfaces.http import openapi
from foedus.surfaces.http.agreement_routes import AGREEMENTS
from foedus.surfaces.http.audit_routes import AUDIT
from foedus.surfaces.http.call_routes import CALLS
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.consent_routes import CONSENT
from foedus.surfaces.http.council_member_routes import COUNCIL_MEMBERS
from foedus.surfaces.http.council_routes import COUNCILS
from foedus.surfaces.http.crdt_routes import CRDTS
from foedus.surfaces.http.credential_routes import CREDENTIALS
from foedus.surfaces.http.document_routes import DOCUMENTS, SOCKET, DocumentDoor
from foedus.surfaces.http.event_routes import EVENTS
from foedus.surfaces.http.exposure import MANIFEST_PATH, STATUS_PATH, Exposure, Gate
from foedus.surfaces.http.federation import FederationApp
from foedus.surfaces.http.knowledge_routes import KNOWLEDGE
from foedus.surfaces.http.name_routes import NAMES
from foedus.surfaces.http.operations import Door, Operation
from foedus.surfaces.http.other_protocols import Door as ProtocolDoor
from foedus.surfaces.http.pair_routes import ACCESS, PAIRING
from foedus.surfaces.http.passkey_routes import PASSKEYS
from foedus.surfaces.http.peer_routes import NODE, PEERS, TRUST
from foedus.surfaces.http.problems import MalformedRequest, MethodNotAllowed, error_of, no_such_path, problem_bytes
from foedus.surfaces.http.query_routes import QUERIES
from foedus.surfaces.http.room_routes import MESSAGES, PARTICIPANTS, ROOMS
from foedus.surfaces.http.router import Router
from foedus.surfaces.http.standing_routes import STANDING
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.webhook_routes import WEBHOOKS
from foedus.surfaces.http.wire import JSON, Receive, Scope, Send, header, send_error, send_whole
from foedus.surfaces.mcp.door import PATH as MCP_PATH
from foedus.surfaces.mcp.door import McpDoor
from foedus.surfaces.web.page import Page

if TYPE_CHECKING:
    from litestar.plugins import PluginProtocol

    from foedus.node.api import NodeService
    from foedus.node.ports import FederationDoors, LinkDoor

OPERATIONS: list[Operation] = [
    *NODE,
    *PEERS,
    *TRUST,
    *AGREEMENTS,
    *PARTICIPANTS,
    *ROOMS,
    *MESSAGES,
    *CRDTS,
    *DOCUMENTS,
    *CONSENT,
    *STANDING,
    *EVENTS,
    *ACCESS,
    *PAIRING,
    *PASSKEYS,
    *NAMES,
    *CREDENTIALS,
    *AUDIT,
    *KNOWLEDGE,
    *QUERIES,
    *CALLS,
    *WEBHOOKS,
    *COUNCILS,
    *COUNCIL_MEMBERS,
]
FEDERATION = "/api/federation"
SCHEMA = "/schema"
OTHER_ROUTES = {
    FEDERATION: Rule.NODES,
    MANIFEST_PATH: Rule.ANYONE,
    STATUS_PATH: Rule.ANYONE,
    SCHEMA: Rule.ANYONE,
    MCP_PATH: Rule.SELF,
    CARD_PATH: Rule.ANYONE,
    NODE_PATH: Rule.SELF,
    AGENT_PATH: Rule.SELF,
    AGENT_CARD_PATH: Rule.PARTICIPANT,
}
"""Who may call the routes that are no operations."""
A2A = {CARD_PATH: "card", NODE_PATH: "call", AGENT_PATH: "call", AGENT_CARD_PATH: "card"}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
"""These go to the door of an operation's path, which refuses those that are not its own, but to nobody unknown."""
_HTML = b"text/html; charset=utf-8"


def create_app(service: NodeService, federation: FederationDoors, links: LinkDoor, exposure: Exposure) -> Application:
    """Return the ASGI application of a node."""
    streams = Streams()
    carrier = FederationApp(federation, links, exposure, streams)
    others = _Litestar(
        route_handlers=[*_federation_doors(carrier), _schema_door()],
        exception_handlers={Exception: _show_error},
        openapi_config=None,
        logging_config=None,
    )
    sockets: Router[DocumentDoor] = Router()
    sockets.add(SOCKET, DocumentDoor(service, streams))
    dispatch = Dispatch(_local_doors(service, streams), sockets, Page(), others)
    dispatch.add(MCP_PATH, McpDoor(service, dispatch, streams))
    agents = A2aDoor(service, streams)
    for path, door in A2A.items():
        dispatch.add(path, getattr(agents, door))
    return Application(Gate(dispatch, exposure), streams, links.has_room, agents)


class _Litestar(Litestar):
    """Litestar for what is typed by msgspec alone: its plugins for pydantic would load that at each start, 20 MB."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


class Application:
    """The ASGI application of a node, and what its server asks of it.

    ``streams.close()`` ends its open streams; ``has_room(address)`` tells whether a link may be opened from there now;
    ``begin`` and ``close`` when the server starts and has stopped.
    """

    def __init__(self, gate: Gate, streams: Streams, has_room: Callable[[str], bool], agents: A2aDoor) -> None:
        self.streams = streams
        self.has_room = has_room
        self.begin = agents.begin
        self.close = agents.close
        self._gate = gate

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a request or carry a socket."""
        return self._gate(scope, receive, send)


class Dispatch:
    """Brings a request to the door of its path, to a file of the page, and else to Litestar."""

    def __init__(self, doors: Router[Door], sockets: Router[DocumentDoor], page: Page, others: Any) -> None:
        self._doors = doors
        self._sockets = sockets
        self._page = page
        self._others = others
        self._protocols: Router[ProtocolDoor] = Router()

    def add(self, path: str, door: ProtocolDoor) -> None:
        """Let a door of another protocol answer a path, whatever the method."""
        self._protocols.add(path, door)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a request or carry a socket."""
        if scope["type"] == "websocket" and (socket := self._sockets.find(scope["path"])) is not None:
            scope["path_params"] = socket.parameters
            return socket.target(scope, receive, send)
        found = self._doors.find(scope["path"]) if scope["type"] == "http" else None
        if found is None and scope["type"] == "http" and (protocol := self._protocols.find(scope["path"])) is not None:
            scope["path_params"] = protocol.parameters
            return protocol.target(scope, receive, send)
        if found is None:
            target = self._page.find(scope["path"]) if scope["type"] == "http" else None
            answer: Awaitable[None] = (target or self._others)(scope, receive, send)
            return answer
        if scope["method"] not in _METHODS:
            return send_error(
                send, MethodNotAllowed("this path does not take this method"), ", ".join(sorted(_METHODS))
            )
        scope["path"], scope["path_params"] = found.path, found.parameters
        return found.target(scope, receive, send)


def _local_doors(service: NodeService, streams: Streams) -> Router[Door]:
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        by_path[operation.address].append(operation)
    router: Router[Door] = Router()
    for path, operations in by_path.items():
        router.add(path, Door(service, operations, streams))
    return router


def _federation_doors(carrier: FederationApp) -> list[ASGIRouteHandler]:
    @asgi(FEDERATION, is_mount=True, copy_scope=True)
    async def federation(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/"):  # Litestar's mounts match by prefix
            raise NotFoundException
        await carrier.serve(f"{FEDERATION}{scope['path']}".rstrip("/"), scope, receive, send)

    @asgi(MANIFEST_PATH, copy_scope=True)
    async def manifest(scope: Scope, receive: Receive, send: Send) -> None:
        await carrier.serve(MANIFEST_PATH, scope, receive, send)

    @asgi(STATUS_PATH, is_mount=True, copy_scope=True)
    async def status_lists(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/"):
            raise NotFoundException
        await carrier.serve(f"{STATUS_PATH}{scope['path']}".rstrip("/"), scope, receive, send)

    return [federation, manifest, status_lists]


def _schema_door() -> ASGIRouteHandler:
    made: dict[str, bytes] = {}

    @asgi(SCHEMA, copy_scope=True)
    async def schema(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  # ASGI
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "not_found"})
        elif scope["method"] not in {"GET", "HEAD"}:
            await send_error(send, MethodNotAllowed("this path takes GET"), "GET")
        elif b"text/html" in (header(scope, b"accept") or b""):
            await send_whole(send, 200, openapi.page(OPERATIONS).encode(), _HTML)
        else:
            if not made:
                made["json"] = msgspec.json.encode(await asyncio.to_thread(openapi.document, OPERATIONS))
            await send_whole(send, 200, made["json"], JSON)

    return schema


def _show_error(_: Any, error: Exception) -> Response[bytes]:
    """Answer what Litestar itself raises (routing), and whatever a door let through."""
    if not isinstance(error, HTTPException):
        shown: FoedusError = error_of(error)
    elif error.status_code == MethodNotAllowed.http_status:
        shown = MethodNotAllowed("this path does not take this method")
    elif error.status_code == NotFound.http_status:
        shown = no_such_path()
    else:
        shown = MalformedRequest("this request cannot be understood")
    headers = {"allow": error.headers.get("allow", "")} if isinstance(error, HTTPException) and error.headers else None
    return Response(problem_bytes(shown), status_code=shown.http_status, media_type=JSON.decode(), headers=headers)
