"""Events as a page and as a stream."""

import asyncio

import msgspec
import pytest

from foedus.base.limits import SSE_QUEUE_MAX
from foedus.node.room_forms import Said
from foedus.surfaces.http import sse
from foedus.surfaces.http.streams import Streams, TooManyStreams
from foedus.values.rooms import EventView
from tests.surfaces.http.fake_values import an_event
from tests.surfaces.http.running import until

STREAM = {"Accept": "text/event-stream"}


async def a_room(served, *texts):
    await served.service.room_create("den")
    await say(served, *texts)


async def say(served, *texts):
    await served.service.say_batch("den", [Said(text=text) for text in texts])


async def take(response, count):
    """Return [(id, text)] of the next events."""
    found = []
    async with asyncio.timeout(30):
        while len(found) < count:
            block = (await response.content.readuntil(b"\n\n")).decode()
            fields = dict(line.split(": ", 1) for line in block.strip().split("\n") if ": " in line)
            if "data" in fields and "event" not in fields:
                event = msgspec.json.decode(fields["data"], type=EventView)
                found.append((fields["id"], event.message.text))
    return found


async def test_a_page_ends_with_the_cursor_of_the_next(served):
    await a_room(served, "1", "2", "3")
    async with served.client.get("/api/v1/events?limit=2") as response:
        page = await response.json()
    async with served.client.get("/api/v1/events", params={"after": page["cursor"]}) as response:
        rest = await response.json()
    assert [event["message"]["text"] for event in page["events"] + rest["events"]] == ["1", "2", "3"]


async def test_a_stream_without_a_cursor_begins_now(served):
    await a_room(served, "before")
    async with served.client.get("/api/v1/events", headers=STREAM) as response:
        assert response.content_type == "text/event-stream"
        await say(served, "after")
        assert await take(response, 1) == [("store1.2", "after")]


async def test_a_stream_takes_up_where_it_was_left(served):
    await a_room(served, "1", "2", "3")
    async with served.client.get("/api/v1/events?after=store1.1", headers=STREAM) as response:
        assert [text for _, text in await take(response, 2)] == ["2", "3"]
    again = {**STREAM, "Last-Event-ID": "store1.2"}
    async with served.client.get("/api/v1/events?after=store1.1", headers=again) as response:
        assert await take(response, 1) == [("store1.3", "3")]
    whole = {**STREAM, "Last-Event-ID": ""}
    async with served.client.get("/api/v1/events", headers=whole) as response:
        assert [text for _, text in await take(response, 3)] == ["1", "2", "3"]


async def test_a_stream_is_let_go_when_its_reader_leaves(served):
    await a_room(served)
    async with served.client.get("/api/v1/events", headers=STREAM):
        assert served.service.followers == 1
    await until(lambda: not served.service.followers)


async def test_a_bad_last_event_id_is_refused(served):
    async with served.client.get("/api/v1/events", headers={**STREAM, "Last-Event-ID": "x" * 600}) as response:
        assert response.status == 400


async def endless():
    number = 0
    while True:
        number += 1
        yield an_event(number, text="x" * 10)


async def test_a_silent_stream_has_a_heartbeat(served, monkeypatch):
    monkeypatch.setattr(sse, "SSE_HEARTBEAT_S", 0.05)
    async with served.client.get("/api/v1/events", headers=STREAM) as response, asyncio.timeout(30):
        assert await response.content.readuntil(b"\n\n") == sse.OPENING
        assert await response.content.readuntil(b"\n\n") == sse.HEARTBEAT


async def test_a_reader_that_stands_still_is_told_to_resume(monkeypatch):
    monkeypatch.setattr(sse, "SSE_STALL_S", 0.05)
    chunks = await sse.open_stream(endless())
    assert await anext(chunks) == sse.OPENING
    await asyncio.sleep(0.3)  # the queue fills and nobody takes from it
    rest = [chunk async for chunk in chunks]
    assert rest[-1] == sse.RESUME
    assert b"".join(rest).count(b"id: ") == SSE_QUEUE_MAX


async def test_a_reader_that_is_merely_slow_gets_everything():
    async def some():
        for number in range(3 * SSE_QUEUE_MAX):
            yield an_event(number + 1)

    chunks = await sse.open_stream(some())
    received = b"".join([chunk async for chunk in chunks])
    assert received.count(b"id: ") == 3 * SSE_QUEUE_MAX
    assert sse.RESUME not in received


async def test_a_failure_in_the_middle_is_told():
    async def failing():
        yield an_event(1)
        raise RuntimeError("a secret")

    chunks = await sse.open_stream(failing())
    received = b"".join([chunk async for chunk in chunks])
    assert b"event: problem" in received
    assert b"secret" not in received


def test_there_are_places_for_so_many_streams(monkeypatch):
    monkeypatch.setattr("foedus.surfaces.http.streams.STREAMS_MAX", 1)
    streams = Streams()
    with streams.counted(), pytest.raises(TooManyStreams), streams.counted():
        pass
    with streams.counted():
        pass
