"""Answers that no node should give: the clients stay bounded, and tell nobody else their token."""

import json
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.errors import FoedusError, PeerViolation, Unavailable, UsageError
from foedus.sdk import BadAnswer, Client, NoAnswer, Question, StreamLost, transport
from foedus.sdk.errors import error_of
from foedus.sdk.sse import LINE_MAX, Message, Parser


@asynccontextmanager
async def answering(handler):
    """Serve every request with ``handler``, and give a client."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with Client(f"http://127.0.0.1:{port}", "secret") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b'{"node": 1}', b"\xff\xfe", b"[" * 100_000])
async def test_an_answer_that_is_none_is_an_error_with_a_code(body):
    async def handler(_):
        return web.Response(body=body)

    async with answering(handler) as client:
        with pytest.raises(BadAnswer):
            await client.node.identity()


async def test_an_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(transport, "ANSWER_MAX", 10_000)

    async def handler(_):
        return web.Response(body=bytes(20_000))

    async with answering(handler) as client:
        with pytest.raises(BadAnswer, match="over 10000"):
            await client.node.identity()


async def test_a_redirection_is_not_followed():
    asked = []

    async def handler(request):
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with answering(handler) as client:
        with pytest.raises(FoedusError):
            await client.node.identity()
    assert asked == ["/api/v1/identity"]


async def test_names_in_paths_stay_in_their_place():
    asked = []

    async def handler(request):
        asked.append(request.raw_path)
        return web.json_response({"code": "unknown_room", "message": "m", "remedy": "r"}, status=404)

    async with answering(handler) as client:
        with pytest.raises(UsageError):
            await client.rooms.show("../peers?a=b#c%2F")
    assert asked == ["/api/v1/rooms/..%2Fpeers%3Fa%3Db%23c%252F"]


async def test_a_stream_goes_on_where_it_stood(monkeypatch):
    monkeypatch.setattr(transport, "_FIRST_DELAY_S", 0.001)
    opened = []

    async def handler(request):
        opened.append(request.headers.get("Last-Event-ID"))
        number = len(opened)
        if number == 4:
            return web.json_response({"code": "rate_limited", "message": "m", "remedy": "r"}, status=429)
        if number == 6:
            return web.json_response({"code": "gone", "message": "m", "remedy": "r"}, status=410)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if number == 2:
            await response.write(b"id: c2\nevent: resume\ndata:\n\n")
        elif number == 3:
            await response.write(b'event: problem\ndata: {"code":"busy","message":"m","remedy":"r"}\n\n')
        else:
            await response.write(b"retry: 1\n\n: still here\n\nid: c%d\ndata: {}\n\n" % number)
        return response

    async with answering(handler) as client:
        coming = client.transport.follow("/api/v1/events", "c0")
        first = await anext(coming)
        second = await anext(coming)
        with pytest.raises(UsageError) as gone:
            await anext(coming)
    assert gone.value.code == "gone"
    assert (first.cursor, second.cursor) == ("c1", "c5")
    assert opened == ["c0", "c1", "c2", "c2", "c2", "c5"]


async def test_a_question_whose_stream_breaks_says_so():
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        return response

    async with answering(handler) as client:
        with pytest.raises(StreamLost):
            async for _ in client.queries.follow(Question(text="t")):
                pass


async def test_nobody_there_is_told_at_once():
    async with Client("http://127.0.0.1:1", "secret") as client:
        with pytest.raises(NoAnswer):
            await anext(client.events.follow())


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [
        (400, "usage", UsageError),
        (409, "wrong_node", UsageError),
        (403, "invalid_signature", PeerViolation),
        (400, "ucan_expired", PeerViolation),
        (503, "unavailable", Unavailable),
        (500, "internal", Unavailable),
    ],
)
def test_errors_come_in_their_families(status, code, family):
    error = error_of(status, json.dumps({"code": code, "message": "m", "remedy": "do it"}).encode())
    assert type(error) is family
    assert (error.code, error.http_status, str(error), error.remedy) == (code, status, "m", "do it")


STREAM = (
    b"retry: 1000\n\n: hm\n\nid: a\ndata: 1\n\nevent: answers\r\ndata: 2\r\ndata: 3\r\n\r\nid: b\ndata:4\n\ndata: cut"
)
MESSAGES = [Message("", "a", b"1"), Message("answers", "a", b"2\n3"), Message("", "b", b"4")]


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_are_the_same_however_they_are_cut(cuts):
    parser, places = Parser(), [0, *sorted(cuts), len(STREAM)]
    found = [it for start, end in pairwise(places) for it in parser.feed(STREAM[start:end])]
    assert found == MESSAGES


def test_a_line_without_end_is_refused():
    with pytest.raises(BadAnswer):
        Parser().feed(b"x" * (LINE_MAX + 1))
