"""Events, keys and counters."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from foedus.base.limits import HTTP_PAGE_MAX, STREAM_NAME_MAX
from foedus.node.values import EventsPage, RotationView, VerifyReport
from foedus.surfaces.http import sse
from foedus.surfaces.http.bodies import WordsInput
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import CURSOR_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Raw, Streaming, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.surfaces.http.wire import header

if TYPE_CHECKING:
    from foedus.node.api import NodeService

_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


async def _events(node: NodeService, call: Call) -> EventsPage | Streaming:
    stream = call.query.get("stream", "")
    if sse.MEDIA_TYPE not in (header(call.scope, b"accept") or b""):
        asked: Any = node.events(after=call.query.get("after", ""), limit=call.query["limit"], stream=stream)
        page: EventsPage = await asked if isawaitable(asked) else asked
        return page
    after = last_event_id(call)
    if after is None:
        after = call.query.get("after")
    chunks = await sse.open_stream(node.follow(after=after, stream=stream))
    return Streaming(chunks=chunks, media_type=sse.MEDIA_TYPE)


def last_event_id(call: Call) -> str | None:
    """Return the cursor that a reconnecting client adds by itself: it is newer than the one in its URL."""
    value = header(call.scope, b"last-event-id")
    if value is None:
        return None
    try:
        cursor = value.decode()
    except UnicodeDecodeError:
        cursor = ""
    if len(cursor) > CURSOR_MAX or not cursor.isprintable() or (value and not cursor):
        raise MalformedRequest("Last-Event-ID is not a cursor of this API")
    return cursor


def _metrics(node: NodeService, _: Call) -> Raw:
    return Raw(body=node.metrics(), media_type=_PROMETHEUS)


EVENTS = [
    Operation(
        method="GET",
        path="/events",
        about="Held events in admission order. With Accept: text/event-stream a live stream: from the cursor in "
        "Last-Event-ID or ?after=, else from now on",
        answer=EventsPage,
        query=(
            Text(name="after", about="cursor of an earlier answer", max_length=CURSOR_MAX),
            Number(name="limit", about="events at most", default=100, minimum=1, maximum=HTTP_PAGE_MAX),
            Text(name="stream", about="only this stream", max_length=STREAM_NAME_MAX),
        ),
        media_types=("application/json", "text/event-stream"),
        rule=Rule.PARTICIPANT,
        run=_events,
    ),
    Operation(
        method="POST",
        path="/verify",
        about="Check the whole log again, from disk",
        answer=VerifyReport,
        run=lambda node, _: node.verify(),
    ),
    Operation(
        method="POST",
        path="/keys/rotate",
        about="Open a new epoch with new keys",
        answer=RotationView,
        run=lambda node, _: node.key_rotate(),
    ),
    Operation(
        method="POST",
        path="/keys/recover",
        about="Open a new epoch with the recovery words; it voids what a thief opened",
        answer=RotationView,
        body=WordsInput,
        run=lambda node, call: node.key_recover(call.body.words),
    ),
    Operation(
        method="GET",
        path="/metrics",
        about="Counters in Prometheus' text format",
        answer=str,
        media_types=("text/plain",),
        run=_metrics,
    ),
]
