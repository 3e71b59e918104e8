"""Who may reach what from where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.surfaces.http.exposure import OPEN_PATHS, Exposure, host_name, judge


def scope(path="/api/v1/status", client="127.0.0.1", host="127.0.0.1:8102", scheme="http", **headers):
    fields = [(b"host", host.encode("latin-1"))] if host is not None else []
    fields += [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
    return {"type": "http", "path": path, "client": (client, 1), "scheme": scheme, "headers": fields}


def code(asked, exposure=None):
    refusal = judge(asked, exposure or Exposure(host="0.0.0.0", hosts=frozenset({"node.example"})))  # noqa: S104
    return refusal.code if refusal else None


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_on_the_same_machine_every_door_answers(client):
    assert code(scope(client=client)) is None


@pytest.mark.parametrize("client", ["192.168.1.7", "2001:db8::7", "::ffff:10.0.0.1", "", "not an address"])
def test_beyond_it_without_tls_only_the_open_doors_answer(client):
    assert code(scope(client=client)) == "needs_tls"
    assert code(scope("/schema", client=client)) == "needs_tls"
    assert code(scope("/api/pair", client=client)) == "needs_tls"
    assert code(scope("/api/pair/generate", client=client)) == "needs_tls"
    assert code(scope("/api/federation/events", client=client)) == "needs_tls"
    assert code(scope("/api/federation/register/../events", client=client)) == "needs_tls"
    assert code(scope("/api/credentials/status/../../v1/status", client=client)) == "needs_tls"
    for path in [*OPEN_PATHS, "/api/credentials/status/" + "ab" * 16]:
        assert code(scope(path, client=client)) is None


def test_with_tls_every_door_answers_everywhere():
    assert code(scope(client="192.168.1.7", scheme="https"), Exposure(tls=True)) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "[::1]:8102", "192.168.1.5:8102", "node.example:99"]
)
def test_own_names_and_addresses_are_answered(host):
    assert code(scope(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xnode.example"])
def test_a_rebound_name_is_refused(host):
    assert code(scope(host=host)) == "foreign_host"
    assert code(scope("/api/federation/link", host=host)) == "foreign_host"


@pytest.mark.parametrize("host", [None, "", "a b", "user@localhost", "localhost:x", "[::1", "localhost/x", "é"])
def test_a_host_header_that_is_missing_or_malformed_is_refused(host):
    assert code(scope(host=host)) == "malformed_request"


def test_two_host_headers_are_refused():
    asked = scope()
    asked["headers"].append((b"host", b"localhost"))
    assert code(asked) == "malformed_request"


def test_only_our_own_page_may_send_an_origin():
    assert code(scope(origin="http://127.0.0.1:8102")) is None
    for origin in ["http://127.0.0.1:9999", "https://127.0.0.1:8102", "null", "", "http://evil.example"]:
        assert code(scope(origin=origin)) == "foreign_origin"
    assert code(scope(scheme="wss", origin="https://127.0.0.1:8102")) is None


@given(st.binary(max_size=200))
def test_any_host_header_is_judged_without_a_crash(value):
    name = host_name(value)
    assert name is None or name == name.lower()
