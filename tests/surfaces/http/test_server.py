"""Starting, stopping, and clients that waste time."""

import asyncio
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest

from foedus.surfaces.http import connection, wire
from foedus.surfaces.http.server import BadCertificate, CannotListen, HttpServer
from tests.surfaces.http.running import PATIENCE_S, Served, request_bytes, serving, status_of, until


async def until_closed(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(PATIENCE_S):
        received = await reader.read()
    writer.close()
    return received


async def test_a_taken_port_is_named(served):
    second = HttpServer(served.app, "127.0.0.1", served.port)
    with pytest.raises(CannotListen) as refused:
        await second.start()
    assert refused.value.code == "port_in_use"
    assert "--port" in refused.value.remedy
    await second.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 300, ""])
async def test_an_address_that_is_not_ours_is_named(host):
    server = HttpServer(Served().app, host or "\0", 0)
    with pytest.raises(CannotListen):
        await server.start()


async def test_a_certificate_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    app = Served().app
    for path in [tmp_path / "cert.pem", tmp_path / "missing.pem"]:
        with pytest.raises(BadCertificate):
            await HttpServer(app, "127.0.0.1", 0, path, path).start()
    with pytest.raises(BadCertificate):
        HttpServer(app, "127.0.0.1", 0, tls_cert=path)


async def test_it_speaks_tls(tmp_path):
    command = "openssl req -x509 -newkey ed25519 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
    await asyncio.to_thread(subprocess.run, command.split(), cwd=tmp_path, check=True, capture_output=True)
    served = Served()
    server = HttpServer(served.app, "127.0.0.1", 0, tmp_path / "cert.pem", tmp_path / "key.pem")
    await server.start()
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"https://127.0.0.1:{server.port}/api/federation/identity", ssl=False) as response,
    ):
        assert response.status == 202
    assert served.doors.seen[-1].target_uri.startswith("https://127.0.0.1:")
    await server.stop()


async def test_it_leaves_signals_to_the_command_line():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_it_stops_at_once_when_nothing_is_in_flight(monkeypatch):
    monkeypatch.setattr("foedus.surfaces.http.server._GRACE_S", 2 * PATIENCE_S)
    monkeypatch.setattr("foedus.surfaces.http.server.STOP_TIMEOUT_S", 2 * PATIENCE_S)
    async with serving() as served:
        async with served.client.get("/api/v1/identity"):
            pass
        stream = await served.client.get("/api/v1/events", headers={"Accept": "text/event-stream"})
        async with asyncio.timeout(PATIENCE_S):
            await served.server.stop()
        await stream.content.read()
        assert stream.content.at_eof()
        await served.server.stop()


@pytest.mark.slow
async def test_it_stops_within_its_bound_whatever_is_in_flight(caplog):
    async with serving() as served:
        served.service.verify = lambda: asyncio.sleep(60)
        asked = asyncio.create_task(served.client.post("/api/v1/verify").__aenter__())
        await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            await served.server.stop()
        response = await asked
        assert response.status == 503
        assert (await response.json())["code"] == "stopping"
    assert caplog.text == ""


async def test_a_head_that_dawdles_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.1)
    assert status_of(await until_closed(served.port, b"GET / HTTP/1.1\r\nHost: l")) == 408
    assert await until_closed(served.port, b"") == b""


async def test_a_body_that_dawdles_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(wire, "PROGRESS_S", 0.1)
    request = request_bytes("POST", "/api/v1/rooms", b"", **{"Content-Length": 10})
    assert b"too_slow" in await until_closed(served.port, request)


@pytest.mark.parametrize(("piece", "count", "answer"), [(2_000, 3, b"too_slow"), (70_000, 8, b"malformed_request")])
async def test_a_body_may_take_long_while_it_makes_progress(served, monkeypatch, piece, count, answer):
    """A piece each quarter of a second: three of 2,000 bytes are not 64 KiB in 1.5 s, each of 70,000 is."""
    monkeypatch.setattr(wire, "PROGRESS_S", 1.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request_bytes("POST", "/api/v1/rooms", b"", **{"Content-Length": 8 * piece}))
    for _ in range(count):
        writer.write(b"x" * piece)
        await asyncio.sleep(0.25)
    assert answer in await reader.read()
    writer.close()


async def test_a_reader_that_stands_still_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(connection, "PROGRESS_S", 0.2)

    async def flood():
        while True:
            yield bytes(65_536)
            await asyncio.sleep(0)

    served.doors._count = flood
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(request_bytes("GET", "/api/federation/stream"))
        await asyncio.sleep(0.1)
        connections = served.server._server.server_state.connections
        assert len(connections) == 1
        await until(lambda: not connections)


@pytest.mark.parametrize(("piece", "stays"), [(2_048, False), (262_144, True)])
async def test_a_reader_is_cut_off_by_its_pace_and_not_for_being_behind(served, monkeypatch, piece, stays):
    monkeypatch.setattr(connection, "PROGRESS_S", 1.0)

    async def flood():
        while True:
            yield bytes(262_144)
            await asyncio.sleep(0)

    served.doors._count = flood
    connections = served.server._server.server_state.connections
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    with client:
        await loop.sock_connect(client, ("127.0.0.1", served.port))
        await loop.sock_sendall(client, request_bytes("GET", "/api/federation/stream"))
        await until(lambda: connections)
        for _ in range(25):
            taken = 0
            while taken < piece and connections:
                taken += len(await asyncio.wait_for(loop.sock_recv(client, piece), PATIENCE_S) or b"x" * piece)
            await asyncio.sleep(0.1)
            if not connections:
                break
        assert bool(connections) is stays


async def test_a_connection_serves_many_requests(served):
    once = request_bytes("GET", "/api/v1/identity", Connection="keep-alive")
    last = request_bytes("GET", "/api/v1/identity")
    received = await until_closed(served.port, once * 20 + last)
    assert received.count(b"HTTP/1.1 200 OK") == 21


def test_importing_it_is_quick_and_pulls_in_no_client():
    check = (
        "import sys, foedus.surfaces.http.app, foedus.surfaces.http.server;"
        "print([m for m in ('aiohttp', 'httpx', 'jinja2', 'schemathesis', 'h11') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
