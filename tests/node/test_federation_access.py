"""Who may enter the HTTP doors: signatures, replays, strangers, and what each of them hears."""

import json
import secrets

import pytest

from foedus.adapters.federation_client import Refused
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.sync.http_signature import BadHttpSignature
from tests.node.federated import (
    EVENTS,
    ROOT,
    ask,
    federated_street,
    is_signed_by,
    send,
    signed_headers,
    two_connected,
)
from tests.node.nodes import connect, until

PEERS_DOORS = [
    ("GET", "/events"),
    ("POST", "/events"),
    ("GET", "/stream"),
    ("POST", "/frames"),
    ("GET", "/status"),
    ("GET", "/peers"),
    ("GET", "/peers/" + "00" * 32),
    ("DELETE", "/peers/" + "00" * 32),
    ("GET", "/records?epoch=" + "00" * 32),
]


def code_of(body):
    problem = json.loads(body)
    assert problem.keys() == {"code", "message", "remedy"}
    assert all(problem.values())
    return problem["code"]


async def test_a_signed_request_of_a_peer_is_answered_and_the_answer_is_signed(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        uri = f"{bob.url}{ROOT}/status"
        headers = signed_headers(alice, bob, "GET", uri)
        status, answered, body = await send("GET", uri, headers)
        assert status == 200
        is_signed_by(bob, (status, answered, body), headers)
        with pytest.raises(BadHttpSignature):
            is_signed_by(bob, (status, answered, body + b" "), headers)
        with pytest.raises(BadHttpSignature):
            is_signed_by(bob, (201, answered, body), headers)


async def test_what_is_not_signed_rightly_is_refused_with_one_code(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        uri = f"{bob.url}{ROOT}/events"
        now = alice.node.store.now()
        body = b"\x00\x00\x00\x01a"
        wrong = {
            "unsigned": {},
            "stale": signed_headers(alice, bob, "POST", uri, body, now=now - 61 * SECOND),
            "from the future": signed_headers(alice, bob, "POST", uri, body, now=now + 62 * SECOND),
            "of another method": signed_headers(alice, bob, "GET", uri, body),
            "of another path": signed_headers(alice, bob, "POST", uri + "?a=b", body),
            "of another body": signed_headers(alice, bob, "POST", uri, body + b"x"),
            "for another node": signed_headers(alice, bob, "POST", uri, body, node=secrets.token_bytes(32)),
            "by another key": signed_headers(alice, bob, "POST", uri, body, key=Ed25519Key(secrets.token_bytes(32))),
            "by the node itself": signed_headers(bob, bob, "POST", uri, body),
        }
        for what, headers in wrong.items():
            status, _, answer = await send("POST", uri, headers, body, EVENTS)
            assert (status, code_of(answer)) == (401, "bad_http_signature"), what
        good = signed_headers(alice, bob, "POST", uri, body)
        for name in ("Signature", "Signature-Input", "Content-Digest", "Foedus-To"):
            for value in ("", "x", good[name].swapcase(), good[name] + ", " + good[name]):
                status, _, answer = await send("POST", uri, {**good, name: value}, body, EVENTS)
                assert (status, code_of(answer)) == (401, "bad_http_signature"), (name, value)
        assert (await send("POST", uri, good, body, EVENTS))[0] == 200
        assert bob.node.ingest.refusals["bad_http_signature"] >= len(wrong)


async def test_a_replayed_request_is_refused_also_after_a_restart(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        uri = f"{bob.url}{ROOT}/status"
        headers = signed_headers(alice, bob, "GET", uri)
        assert (await send("GET", uri, headers))[0] == 200
        status, _, body = await send("GET", uri, headers)
        assert (status, code_of(body)) == (401, "replayed_nonce")
        await it.restart("bob")
        status, _, body = await send("GET", uri, headers)
        assert (status, code_of(body)) == (401, "replayed_nonce")


async def test_spent_nonces_are_forgotten_on_the_disk_too(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        real, ahead = bob.node.store.now, 0
        bob.node.store.now = lambda: real() + ahead
        for _ in range(3):
            await ask(alice, bob, "GET", "/status")
        assert len(bob.node.log.values("http_nonces")) == 3
        ahead = 121 * SECOND
        uri = f"{bob.url}{ROOT}/status"
        headers = signed_headers(alice, bob, "GET", uri, now=real() + ahead)
        assert (await send("GET", uri, headers))[0] == 200
        assert len(bob.node.log.values("http_nonces")) == 1


async def test_a_node_that_is_no_peer_gets_the_same_answer_at_every_door(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        carol = await it.add("carol")
        await carol.service.peer_request(bob.url)
        await until(lambda: bob.node.store.holds(carol.node.store.epoch), "bob knows her keys")
        await until(bob.service.peers_pending, "her request waits")
        room = await bob.service.room_create("plans")
        for state in ("waiting", "ignored"):
            if state == "ignored":
                await bob.service.peer_ignore("carol")
            for method, path in [*PEERS_DOORS, ("GET", f"/peers/{carol.id}"), ("GET", f"/peers/{alice.id}")]:
                uri = f"{bob.url}{ROOT}{path}"
                headers = signed_headers(carol, bob, method, uri)
                status, _, body = await send(method, uri, headers)
                assert (status, code_of(body)) == (403, "not_connected"), (state, method, path)
                assert room.room.encode() not in body
                status, _, body = await send(method, uri)
                assert (status, code_of(body)) == (401, "bad_http_signature")


async def test_a_node_whose_keys_are_unknown_cannot_sign(tmp_path):
    async with two_connected(tmp_path) as (it, _, bob):
        dave = await it.add("dave")
        uri = f"{bob.url}{ROOT}/status"
        status, _, body = await send("GET", uri, signed_headers(dave, bob, "GET", uri))
        assert (status, code_of(body)) == (401, "bad_http_signature")


async def test_a_peer_sees_itself_and_nobody_else(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        carol = await it.add("carol")
        await carol.service.peer_request(bob.url)
        answer = json.loads((await ask(alice, bob, "GET", "/peers")).body)
        assert [peer["node"] for peer in answer["peers"]] == [alice.id]
        mine = json.loads((await ask(alice, bob, "GET", f"/peers/{alice.id}")).body)
        assert (mine["state"], mine["tier"], mine["link"]) == ("connected", "CORE", "link")
        for other in (carol.id, "00" * 32, "x", alice.id.upper()):
            with pytest.raises(Refused) as refused:
                await ask(alice, bob, "GET", f"/peers/{other}")
            assert (refused.value.http_status, refused.value.code) == (404, "not_found")
            with pytest.raises(Refused):
                await ask(alice, bob, "DELETE", f"/peers/{other}")
        status = json.loads((await ask(alice, bob, "GET", "/status")).body)
        assert (status["node"], status["peer"]["node"]) == (bob.id, alice.id)


async def test_a_peer_disconnects_itself(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        assert (await ask(alice, bob, "DELETE", f"/peers/{alice.id}")).status == 200
        assert bob.peer(alice).state == "disconnected"
        with pytest.raises(Refused) as refused:
            await ask(alice, bob, "GET", "/events")
        assert refused.value.code == "not_connected"


async def test_unknown_doors_and_methods_have_codes(tmp_path):
    async with federated_street(tmp_path) as it:
        bob = await it.add("bob")
        for method, path, expected in [
            ("GET", "/nowhere", (404, "not_found")),
            ("GET", "/peersx", (404, "not_found")),
            ("PUT", "/events", (405, "method_not_allowed")),
            ("GET", "/register", (405, "method_not_allowed")),
            ("POST", "/identity", (405, "method_not_allowed")),
        ]:
            status, _, body = await send(method, f"{bob.url}{ROOT}{path}")
            assert (status, code_of(body)) == expected


async def test_no_signer_takes_the_places_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.node.http_nonces.PER_EPOCH_MAX", 3)
    async with two_connected(tmp_path) as (it, alice, bob):
        carol = await it.add("carol")
        await connect(carol, bob)
        for _ in range(3):
            await ask(alice, bob, "GET", "/status")
        with pytest.raises(Refused) as refused:
            await ask(alice, bob, "GET", "/status")
        assert (refused.value.http_status, refused.value.code) == (429, "too_many_requests")
        assert (await ask(carol, bob, "GET", "/status")).status == 200
