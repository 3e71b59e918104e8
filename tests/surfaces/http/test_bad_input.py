"""Any bytes at the doors: an answer with a code below 500, or a closed connection, and the server lives."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from foedus.base.limits import HTTP_BODY_MAX
from foedus.surfaces.http.app import OPERATIONS
from foedus.surfaces.http.limits import HEAD_BYTES_MAX
from tests.surfaces.http.fake import TOKEN
from tests.surfaces.http.running import exchange, request_bytes, status_of

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_problem(response):
    problem = msgspec.json.decode(response.split(b"\r\n\r\n", 1)[1])
    return set(problem) == {"code", "message", "remedy"} and all(problem.values())


def is_alive(live):
    return status_of(exchange(live.port, request_bytes("GET", "/api/v1/identity"))) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"text": NaN}',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "x", "text": 3}',
        b'{"text": "x", "colour": 1}',
        b'{"text": "x", "as": ' + b"9" * 100_000 + b"}",
        b'{"text": "x", "z": ' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        json.dumps({"text": "x" * 40_000}).encode(),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(live, body):
    response = exchange(live.port, request_bytes("POST", "/api/v1/rooms/den/messages", body))
    assert status_of(response) == 400
    assert is_problem(response)
    assert b"malformed_request" in response


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "limit=%C2%B2", "limit=1&limit=2", "colour=1",
              "after=%ff", "after=" + "x" * 600, "&".join(f"p{n}=1" for n in range(100)), "limit=" + "9" * 5000]
)  # fmt: skip
def test_a_query_that_is_not_as_described_is_refused(live, query):
    response = exchange(live.port, request_bytes("GET", f"/api/v1/events?{query}"))
    assert status_of(response) == 400
    assert b"malformed_request" in response


@pytest.mark.parametrize("path", ["/api/v1/rooms/%ff", "/%80", "/api/v1/peers/" + "x" * 300])
def test_a_path_that_is_not_as_described_is_refused(live, path):
    assert status_of(exchange(live.port, request_bytes("GET", path))) == 400


def test_a_foreign_cursor_is_gone(live):
    for accept in ["application/json", "text/event-stream"]:
        response = exchange(live.port, request_bytes("GET", "/api/v1/events?after=other.1", Accept=accept))
        assert status_of(response) == 410
        assert is_problem(response)


def test_a_client_that_sends_on_after_a_refusal_still_hears_it(live):
    body = b"x" * (HTTP_BODY_MAX + 1)
    response = exchange(
        live.port,
        request_bytes("POST", "/api/v1/rooms", body, Connection="keep-alive")
        + request_bytes("GET", "/api/v1/identity"),
    )
    assert response.count(b"HTTP/1.1 ") == 2
    assert status_of(response) == 413
    assert b"HTTP/1.1 200 OK" in response


def test_the_wrong_method_is_told_the_right_ones(live):
    for method in ["PUT", "PATCH", "OPTIONS", "DELETE"]:
        response = exchange(live.port, request_bytes(method, "/api/v1/rooms"))
        assert status_of(response) == 405
        assert b"allow: GET, POST" in response
        assert b"method_not_allowed" in response
    assert status_of(exchange(live.port, request_bytes("HEAD", "/api/v1/rooms"))) == 405


def test_a_head_without_end_is_cut_off(live):
    head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    response = exchange(live.port, head + b"x" * (HEAD_BYTES_MAX + 1))
    assert status_of(response) == 431
    assert is_problem(response)


@FEW
@given(st.binary(max_size=400))
@example(b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n")
@example(b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
@example(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
@example(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
@example(b"POST /api/v1/rooms HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
@example(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n")
@example(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
@example(b"GET /api/federation/link HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
@example(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: \x80\r\n\r\n")
def test_any_bytes_are_answered_or_cut_off(live, data):
    response = exchange(live.port, data, finish=True)
    assert response == b"" or status_of(response) < 500
    assert is_alive(live)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TARGETS = st.sampled_from([o for o in OPERATIONS if o.method != "GET"])


@FEW
@given(TARGETS, JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_any_body_at_any_operation_is_answered(live, operation, body):
    path = "/api/v1" + operation.path.replace("{", "").replace("}", "")
    response = exchange(live.port, request_bytes(operation.method, path, body))
    status = status_of(response)
    assert status < 500
    assert status < 400 or is_problem(response)


@FEW
@given(st.sampled_from(["", "Bearer ", "bearer operator-toke", "Basic "]), st.text(max_size=30))
def test_no_other_token_opens_the_door(live, start, rest):
    value = (start + rest).encode("latin-1", "ignore").decode("latin-1").translate(dict.fromkeys(range(32)))
    assume(value.lower().removeprefix("bearer ").strip() != TOKEN)
    response = exchange(live.port, request_bytes("GET", "/api/v1/identity", Authorization=value))
    assert status_of(response) in {400, 401}


def test_an_inner_failure_tells_nothing(live, caplog):
    response = exchange(live.port, request_bytes("GET", "/api/federation/fail"))
    assert status_of(response) == 500
    assert b'"internal"' in response
    assert b"secret" not in response
    assert b"RuntimeError" not in response
    assert "RuntimeError" in caplog.text
    assert "a secret" not in caplog.records[-1].getMessage().replace('raise RuntimeError("a secret")', "")
