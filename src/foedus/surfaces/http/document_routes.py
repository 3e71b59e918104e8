"""Documents of rooms: tickets, and the WebSocket that stock y-websocket clients use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.errors import FoedusError
from foedus.base.limits import NAME_MAX
from foedus.state.documents.limits import UPDATE_BYTES_MAX
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.connection import DIRECT
from foedus.surfaces.http.exposure import refuse_websocket
from foedus.surfaces.http.federation import WebSocketStream
from foedus.surfaces.http.operations import API, Operation, Text
from foedus.surfaces.http.problems import error_of
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import Receive, Scope, Send, query_of
from foedus.values.documents import TicketView

if TYPE_CHECKING:
    from foedus.node.api import NodeService

SOCKET = f"{API}/rooms/{{room}}/documents/{{name}}"
MESSAGE_MAX = UPDATE_BYTES_MAX + 1_024
"""Bytes of a message of who was let in: the largest update, and what stands before it."""
_FAILED = 1011

DOCUMENTS = [
    Operation(
        method="POST",
        path="/rooms/{room}/documents/{name}/ticket",
        about="A ticket that opens a document once, or what a device has to sign before there is one",
        answer=TicketView,
        status=201,
        query=(Text(name="as", about="who edits, where the operator asks", max_length=NAME_MAX),),
        rule=Rule.SELF,
        run=lambda node, call: node.document_ticket(call.path["room"], call.path["name"], call.query.get("as", "")),
    ),
]


class DocumentDoor:
    """Serves the WebSockets of documents; the ticket in the query says who comes."""

    def __init__(self, service: NodeService, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry one socket."""
        await receive()  # websocket.connect
        try:
            room, name = scope["path_params"]["room"], scope["path_params"]["name"]
            visit = self._service.document_visit(room, name, query_of(scope).get("ticket", ""))
            with self._streams.counted(visit.did):
                await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
                scope["extensions"][DIRECT]["take_up_to"](MESSAGE_MAX)
                stream = WebSocketStream(receive, send, lambda _make: False)
                code, reason = _FAILED, "internal"
                try:
                    code, reason = await visit.run(stream)
                finally:
                    await stream.close(code, reason)
        except FoedusError as error:
            await refuse_websocket(scope, send, error)
        except Exception as error:  # noqa: BLE001  # one failing socket ends alone
            error_of(error)
