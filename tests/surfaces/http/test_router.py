"""Paths: which door answers, by our router as by Litestar's, and what is answered where none does."""

import asyncio
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.utils import normalize_path

from foedus.surfaces.http import wire
from foedus.surfaces.http.app import OPERATIONS
from foedus.surfaces.http.router import Router
from tests.surfaces.http.running import exchange, request_bytes, status_of

ADDRESSES = sorted({operation.address for operation in OPERATIONS})
AWKWARD = ["/a", "/a/b/{c}/e", "/a/{x}/d", "/a/{x}", "/a/b", "/a/b/f", "/{any}/{thing}"]
WORDS = sorted({word for address in [*ADDRESSES, *AWKWARD] for word in address.split("/") if not word.startswith("{")})


def ours(addresses):
    router = Router()
    for address in addresses:
        router.add(address, address)
    return router


def litestars(addresses):
    """Return what finds as Litestar does: the slow twin."""

    def handler(address):
        async def handle() -> None:
            pass

        return HTTPRouteHandler(address.replace("}", ":str}"), http_method=["GET"], status_code=200, name=address)(
            handle
        )

    app = Litestar([handler(address) for address in addresses], openapi_config=None, logging_config=None)

    def find(path):
        try:
            _, found, path, parameters, _ = app.asgi_router.handle_routing(path=normalize_path(path), method="GET")
        except NotFoundException:
            return None
        return found.name, path, parameters

    return find


TABLES = [(ours(addresses), litestars(addresses)) for addresses in (ADDRESSES, AWKWARD)]
SEGMENTS = st.one_of(st.sampled_from(["", *WORDS]), st.text(max_size=4))
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=8).map("/".join),
    st.tuples(st.sampled_from([*ADDRESSES, *AWKWARD]), SEGMENTS, SEGMENTS, st.sampled_from(["", "/", "//x"])).map(
        lambda drawn: drawn[0].replace("{room}", drawn[1]).replace("{x}", drawn[2]) + drawn[3]
    ),
)


@given(PATHS)
@example("")
@example("/")
@example("//")
@example("/a/b/d")
@example("//api//v1/rooms/{room}//messages/")
@example("/api/v1/credentials/issuers/revoke")
@example("/api/v1/rooms/direct/messages")
@example("/api/v1/rooms/\n/messages")
def test_a_path_leads_where_litestar_would_lead_it(path):
    for router, oracle in TABLES:
        found = router.find(path)
        assert (tuple(found) if found is not None else None) == oracle(path)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/v1/identity/", 200),
        ("//api/v1///identity//", 200),
        ("/api/v1/%69dentity", 200),
        ("/api%2Fv1/identity", 200),
        ("/api/v1/identity%2F", 200),
        ("/api/v1/Identity", 404),
        ("/api/v1/identity%20", 404),
        ("/api/v1/identity%2Fx", 404),
        ("/api/v1/./identity", 404),
        ("/api/v1/events;x=1", 404),
        ("/api/v1/rooms/a%2Fmessages", 404),
        ("/api/v1/credentials/issuers/revoke", 404),
        ("/api/v1/rooms/den/messages%3Abatch", 405),
        ("/api/v1/peers/pending/accept", 405),
        ("/api/v1/rooms/direct", 405),
        ("/api/federationx", 404),
        ("/schema/", 200),
        ("/schema/x", 404),
        ("//", 404),
        ("http://127.0.0.1/api/v1/identity", 200),
    ],
)
def test_a_path_is_answered_however_it_is_spelled(live, target, status):
    response = exchange(live.port, request_bytes("GET", target))
    assert status_of(response) == status
    if status == 404:
        assert msgspec.json.decode(response.split(b"\r\n\r\n", 1)[1])["code"] == "not_found"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "CONNECT"])
def test_a_method_that_a_path_does_not_take_is_named(live, method):
    response = exchange(live.port, request_bytes(method, "/api/v1/rooms/den/messages"))
    head, _, body = response.partition(b"\r\n\r\n")
    assert status_of(response) == 405
    allowed = head.lower().split(b"allow: ")[1].split(b"\r\n")[0].split(b", ")
    assert {b"get", b"post"} <= set(allowed)
    assert body == b"" if method == "HEAD" else b"method_not_allowed" in body


def test_the_audit_log_hears_of_a_path_without_needless_slashes(live):
    live.service.audited.clear()
    exchange(live.port, request_bytes("POST", "//api/v1//keys/rotate/"))
    assert live.service.audited == [("operator", "POST /api/v1/keys/rotate", "")]


async def test_a_socket_at_the_path_of_an_operation_is_refused(served):
    async with served.client.get(
        "/api/v1/identity",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    ) as response:
        assert response.status == 403


async def test_only_a_body_that_is_there_as_a_whole_is_read_without_a_deadline(served, monkeypatch):
    timers, timeout = [], asyncio.timeout
    monkeypatch.setattr(wire, "asyncio", SimpleNamespace(timeout=lambda s: timers.append(s) or timeout(s)))
    whole = request_bytes("POST", "/api/v1/rooms", b'{"name": "den"}', Connection="keep-alive")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(whole + whole)
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 201 " in head
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    assert not timers
    head, _, body = whole.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    async with timeout(10):
        while not timers:  # noqa: ASYNC110  # the door tells nobody that it waits
            await asyncio.sleep(0.01)
    writer.write(body)
    assert b" 201 " in await reader.readuntil(b"\r\n\r\n")
    writer.close()
