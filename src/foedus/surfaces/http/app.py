"""The application: Litestar routes, one door per path answers, one gate stands in front.

Doors are bare ASGI handlers: Litestar's typed handlers read signatures and bodies again for every route and
request, which costs start-up time and latency that the operation tables do not.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, Response, asgi
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Method

from foedus.base.errors import FoedusError, NotFound
from foedus.surfaces.http import openapi
from foedus.surfaces.http.agreement_routes import AGREEMENTS
from foedus.surfaces.http.audit_routes import AUDIT
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.consent_routes import CONSENT
from foedus.surfaces.http.credential_routes import CREDENTIALS
from foedus.surfaces.http.event_routes import EVENTS
from foedus.surfaces.http.exposure import MANIFEST_PATH, STATUS_PATH, Exposure, Gate
from foedus.surfaces.http.federation import FederationApp
from foedus.surfaces.http.knowledge_routes import KNOWLEDGE
from foedus.surfaces.http.name_routes import NAMES
from foedus.surfaces.http.operations import Door, Operation
from foedus.surfaces.http.pair_routes import ACCESS, PAIRING
from foedus.surfaces.http.peer_routes import NODE, PEERS, TRUST
from foedus.surfaces.http.problems import MalformedRequest, MethodNotAllowed, error_of, no_such_path, problem_bytes
from foedus.surfaces.http.room_routes import MESSAGES, PARTICIPANTS, ROOMS
from foedus.surfaces.http.standing_routes import STANDING
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import JSON, Receive, Scope, Send, header, send_error, send_whole

if TYPE_CHECKING:
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
    *CONSENT,
    *STANDING,
    *EVENTS,
    *ACCESS,
    *PAIRING,
    *NAMES,
    *CREDENTIALS,
    *AUDIT,
    *KNOWLEDGE,
]
FEDERATION = "/api/federation"
SCHEMA = "/schema"
OTHER_ROUTES = {
    FEDERATION: Rule.NODES,
    MANIFEST_PATH: Rule.ANYONE,
    STATUS_PATH: Rule.ANYONE,
    SCHEMA: Rule.ANYONE,
}
"""Who may call the routes that are no operations."""
_METHODS: list[Method] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
"""All go to the door, which knows those of its path and answers the others in the form of every error."""
_HTML = b"text/html; charset=utf-8"


def create_app(service: NodeService, federation: FederationDoors, links: LinkDoor, exposure: Exposure) -> Litestar:
    """Return the ASGI application of a node.

    ``app.state.streams.close()`` ends its open streams; ``app.state.has_room(address)`` tells whether a link may be
    opened from there now.
    """
    streams = Streams()
    carrier = FederationApp(federation, links, exposure, streams)
    app = Litestar(
        route_handlers=[*_local_doors(service, streams), *_federation_doors(carrier), _schema_door()],
        exception_handlers={Exception: _show_error},
        state=State({"streams": streams, "has_room": links.has_room}),
        openapi_config=None,
        logging_config=None,
    )
    gate: Any = Gate(app.asgi_handler, exposure)
    app.asgi_handler = gate  # outside of routing, so that it also judges paths that do not exist
    return app


def _local_doors(service: NodeService, streams: Streams) -> list[HTTPRouteHandler]:
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        by_path[operation.address].append(operation)
    return [_routed(path, Door(service, operations, streams)) for path, operations in by_path.items()]


def _routed(path: str, door: Door) -> HTTPRouteHandler:
    async def handle() -> ASGIApp:
        return answer

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await door(scope, receive, send)

    return HTTPRouteHandler(path.replace("}", ":str}"), http_method=_METHODS)(handle)


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
