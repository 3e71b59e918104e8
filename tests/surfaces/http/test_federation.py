"""The doors of other nodes: requests, streams and sockets arrive as they were sent."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import WSMsgType

from foedus.surfaces.http.limits import WEBSOCKET_MESSAGE_MAX
from tests.surfaces.http.running import PATIENCE_S, until

LINK = "/api/federation/link"


async def test_a_request_is_carried_as_it_was_sent(served):
    target = f"{served.url}/api/federation/events?since=a%2Fb&limit=3"
    async with served.client.post(
        aiohttp.client.URL(target, encoded=True), data=b"\x00\x01", headers={"Signature": "sig1=:AA==:"}
    ) as response:
        assert response.status == 202
        assert response.headers["X-Test"] == "1"
    seen = served.doors.seen[-1]
    assert (seen.method, seen.path, seen.body) == ("POST", "/api/federation/events", b"\x00\x01")
    assert seen.target_uri == target
    assert seen.query == {"since": "a/b", "limit": "3"}
    assert seen.headers["signature"] == "sig1=:AA==:"
    assert (seen.address, seen.secure) == ("127.0.0.1", True)


async def test_no_token_is_needed_there(served):
    for path in ["/api/federation/identity", "/.well-known/mesh-manifest.json"]:
        async with aiohttp.ClientSession() as stranger, stranger.get(served.url + path) as response:
            assert response.status == 202
        assert served.doors.seen[-1].path == path


async def test_a_neighbouring_path_is_not_theirs(served):
    async with served.client.get("/api/federationevents") as response:
        assert response.status == 404
    assert served.doors.seen == []


async def test_a_stream_flows_until_the_server_stops(served):
    async with served.client.get("/api/federation/stream") as response:
        assert response.content_type == "text/event-stream"
        await response.content.readuntil(b"data: 3\n\n")
        await served.server.stop()
        async with asyncio.timeout(PATIENCE_S):
            await response.content.read()
        assert response.content.at_eof()


async def test_a_link_carries_binary_messages_both_ways(served):
    async with served.client.ws_connect(LINK) as link:
        for size in [0, 1, 70_000, WEBSOCKET_MESSAGE_MAX]:
            await link.send_bytes(bytes(size))
            assert len(await link.receive_bytes()) == size
        assert link.compress == 0
    assert served.links.addresses == ["127.0.0.1"]


async def closing(served, send):
    async with served.client.ws_connect(LINK, autoping=False) as link:
        await send(link)
        async with asyncio.timeout(PATIENCE_S):
            message = await link.receive()
        assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}
        return link.close_code


async def test_a_link_closes_with_a_code_that_says_why(served):
    assert await closing(served, lambda link: link.send_str("hello")) == 1003
    assert await closing(served, lambda link: link.send_bytes(bytes(WEBSOCKET_MESSAGE_MAX + 1))) == 1009
    assert await closing(served, lambda link: link.send_bytes(b"close")) == 4000
    await until(lambda: served.links.ended >= 3)


async def test_a_failing_link_ends_alone(served, caplog):
    async with served.client.ws_connect(LINK) as link:
        await link.send_bytes(b"fail")
        message = await link.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 1011, "")
    assert "RuntimeError" in caplog.text
    async with served.client.get("/api/v1/identity") as response:
        assert response.status == 200


@pytest.mark.parametrize("message", [b"flood", b"x" * 100])
async def test_an_abrupt_end_is_silent(served, caplog, message):
    link = await served.client.ws_connect(LINK)
    await link.send_bytes(message)
    await link.receive()
    connection = link.get_extra_info("socket")
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # a reset instead of a goodbye
    link._response.connection.transport.abort()
    await until(lambda: served.links.ended)
    assert caplog.text == ""


async def test_a_socket_elsewhere_or_from_elsewhere_is_refused(served):
    for path, headers, status in [
        ("/api/federation/other", {}, 404),
        (LINK, {"Host": "evil.example"}, 403),
        (LINK, {"Origin": "http://evil.example"}, 403),
    ]:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.client.ws_connect(path, headers=headers)
        assert refused.value.status == status
    for path in ["/api/v1/identity", "/schema", "/nowhere"]:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await served.client.ws_connect(path)
    assert served.links.addresses == []


async def test_a_link_is_told_when_the_server_stops(served):
    async with served.client.ws_connect(LINK) as link:
        await link.send_bytes(b"x")
        await link.receive()
        await served.server.stop()
        async with asyncio.timeout(PATIENCE_S):
            assert (await link.receive()).type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}
    assert served.links.ended == 1
