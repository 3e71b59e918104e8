"""The audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.limits import HTTP_PAGE_MAX
from foedus.surfaces.http import sse
from foedus.surfaces.http.event_routes import last_event_id
from foedus.surfaces.http.limits import CURSOR_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Streaming, Text
from foedus.surfaces.http.wire import header
from foedus.values.audit import AuditPage

if TYPE_CHECKING:
    from foedus.node.api import NodeService


async def _rows(node: NodeService, call: Call) -> AuditPage | Streaming:
    if sse.MEDIA_TYPE not in (header(call.scope, b"accept") or b""):
        return await node.audit_rows(
            after=call.query.get("after", ""), limit=call.query["limit"], newest=call.query["newest"] == 1
        )
    after = last_event_id(call)
    if after is None:
        after = call.query.get("after")
    chunks = await sse.open_stream(node.audit_follow(after=after))
    return Streaming(chunks=chunks, media_type=sse.MEDIA_TYPE)


AUDIT = [
    Operation(
        method="GET",
        path="/audit",
        about="Rows of the audit log, oldest first. With Accept: text/event-stream a live stream: after the row in "
        "Last-Event-ID or ?after=, else from now on",
        answer=AuditPage,
        query=(
            Text(name="after", about="the number of a row", max_length=CURSOR_MAX),
            Number(name="limit", about="rows at most", default=100, minimum=1, maximum=HTTP_PAGE_MAX),
            Number(name="newest", about="1: the last rows, whatever after says", default=0, minimum=0, maximum=1),
        ),
        media_types=("application/json", "text/event-stream"),
        run=_rows,
    ),
]
