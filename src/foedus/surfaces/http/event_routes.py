"""Events, keys and counters."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from foedus.base.limits import HTTP_PAGE_MAX, STREAM_NAME_MAX
from foedus.surfaces.http import sse
from foedus.surfaces.http.bodies import Erasure, RetentionInput, SkipInput, WordsInput
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import CURSOR_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Raw, Streaming, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.surfaces.http.wire import header
from foedus.values.node import Placed, PruningView, RotationView, SignedAct, VerifyReport
from foedus.values.rooms import EventsPage, EventView

if TYPE_CHECKING:
    from collections.abc import Awaitable

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


def _erase(node: NodeService, call: Call) -> Awaitable[Placed]:
    asked = call.body.value()
    event = call.path["event"]
    return node.erase_signed(event, asked) if isinstance(asked, SignedAct) else node.erase(event, asked)


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
        method="GET",
        path="/events/{event}",
        about="One held event, by its whole id",
        answer=EventView,
        run=lambda node, call: node.event(call.path["event"]),
    ),
    Operation(
        method="POST",
        path="/events/{event}/erase",
        about="Erase what an event says, here and at peers that comply: by a reason, where the node keeps the author's "
        "key or is the room's host, or by a signed event.erase. Durable when answered; the body goes right after",
        answer=Placed,
        status=201,
        body=Erasure,
        run=_erase,
    ),
    Operation(
        method="POST",
        path="/retention/run",
        about="Drop what is older than its days, up to checkpoints that are",
        answer=PruningView,
        body=RetentionInput,
        run=lambda node, call: node.retention_run(call.body.days, call.body.room),
    ),
    Operation(
        method="POST",
        path="/retention/skip",
        about="Go on without the events of a room that peers no longer have",
        answer=PruningView,
        body=SkipInput,
        run=lambda node, call: node.retention_skip(call.body.room),
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
