"""What strangers get: the manifest, the identity, and the door for requests. And how epochs are made known."""

import json

import pytest

from foedus.adapters.federation_client import Query, Refused
from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import frame, split_frames
from foedus.identity.manifest import read_manifest
from foedus.identity.record import parse_signed_record, verify_history
from foedus.trust import agreement
from tests.node.federated import (
    RECORDS,
    ROOT,
    ask,
    door_of,
    federated_street,
    is_signed_by,
    send,
    signed_headers,
    two_connected,
)
from tests.node.nodes import until
from tests.node.test_rates import limit

MANIFEST = "/.well-known/mesh-manifest.json"
REGISTER = f"{ROOT}/register"


def application(asker, asked, note="let us talk", **changes):
    store = asker.node.store
    draft = agreement.draft(store.node, asked.node.store.node, (), b"s" * 32)
    fields = {
        "name": store.name,
        "note": note,
        "endpoints": [asker.url],
        "agreement": to_base64url(draft),
        "signature": to_base64url(agreement.sign(store.keys.ed25519, draft)),
    }
    history = store.identities.history(store.node)
    return {"records": [to_base64url(record.encode()) for record in history], "application": fields | changes}


async def register(asker, asked, value, **signing):
    uri = asked.url + REGISTER
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = signed_headers(asker, asked, "POST", uri, body, **signing)
    status, answered, answer = await send("POST", uri, headers, body, "application/json")
    return status, json.loads(answer), (headers, answered, answer)


async def test_connection_requests_over_http_are_counted_per_address(tmp_path, monkeypatch):
    async with federated_street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        limit(it, "bob", requests_per_address="1/hour")
        take = bob.node.rates.take_address
        monkeypatch.setattr(bob.node.rates, "take_address", lambda kind, _: take(kind, "192.0.2.1"))
        assert (await register(alice, bob, application(alice, bob)))[0] == 202
        status, answer, _ = await register(alice, bob, application(alice, bob))
        assert (status, answer["code"]) == (429, "rate_limited")


async def test_a_request_over_http_waits_for_a_human_and_both_sides_prove_their_keys(tmp_path):
    async with federated_street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        status, answer, (headers, answered, body) = await register(alice, bob, application(alice, bob))
        assert (status, answer["state"], answer["node"]) == (202, "pending", bob.id)
        records = [parse_signed_record(from_base64url(record)) for record in answer["records"]]
        verify_history(records)
        assert records[0].node.hex() == bob.id
        is_signed_by(bob, (status, answered, body), headers)
        assert headers["Signature-Input"] == answer["request"]
        (request,) = bob.service.peers_pending()
        assert (request.node, request.name, request.note, request.endpoints) == (
            alice.id, "alice", "let us talk", [alice.url],
        )  # fmt: skip
        assert request.address == "127.0.0.1"
        status, answer, _ = await register(alice, bob, application(alice, bob))
        assert (status, answer["state"], len(bob.service.peers_pending())) == (202, "pending", 1)


async def test_a_requester_hears_of_a_yes_and_a_no_but_not_that_it_is_ignored(tmp_path):
    async with federated_street(tmp_path) as it:
        alice, bob, carol, dave = [await it.add(name) for name in ("alice", "bob", "carol", "dave")]
        asks = {who.name: application(who, bob, endpoints=[]) for who in (alice, carol, dave)}  # bob dials none of them
        for who in (alice, carol, dave):
            assert (await register(who, bob, asks[who.name]))[0] == 202
        await bob.service.peer_accept(alice.id, "CORE")
        await bob.service.peer_decline(carol.id)
        await bob.service.peer_ignore(dave.id)
        states = [(await register(who, bob, asks[who.name]))[1]["state"] for who in (alice, carol, dave)]
        assert states == ["accepted", "declined", "pending"]


async def test_a_request_that_is_not_proved_leaves_nothing(tmp_path):
    async with federated_street(tmp_path) as it:
        alice, bob, eve = [await it.add(name) for name in ("alice", "bob", "eve")]
        good = application(alice, bob)
        for what, value, signer, expected in [
            ("another key signs the request", good, eve, (401, "bad_http_signature")),
            ("no records", {**good, "records": []}, alice, (400, "malformed_request")),
            ("broken record", {**good, "records": ["AAAA"]}, alice, (400, None)),
            ("an agreement of others", application(alice, eve), alice, (400, "agreement_refused")),
            (
                "signed by another",
                application(alice, bob, signature=to_base64url(b"x" * 64)),
                alice,
                (400, "invalid_signature"),
            ),
            ("a signature of no length", application(alice, bob, signature=""), alice, (400, "invalid_signature")),
            ("a name that is too long", application(alice, bob, name="n" * 200), alice, (400, None)),
            ("a note that is too long", application(alice, bob, note="n" * 2_000), alice, (400, None)),
            ("an extra field", {**good, "more": 1}, alice, (400, "malformed_request")),
            ("no application", {"records": good["records"]}, alice, (400, "malformed_request")),
            ("not base64", application(alice, bob, agreement="="), alice, (400, "malformed_request")),
            ("no JSON", b"{", alice, (400, "malformed_request")),
            ("too large", b" " * 1_100_000, alice, (413, "too_large")),
        ]:
            status, answer, _ = await register(signer, bob, value)
            assert status == expected[0], (what, answer)
            assert expected[1] in {None, answer["code"]}, (what, answer)
        assert bob.service.peers_pending() == []


async def test_a_record_whose_signatures_do_not_hold_is_refused(tmp_path):
    async with federated_street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        value = application(alice, bob)
        record = bytearray(from_base64url(value["records"][0]))
        record[-1] ^= 1
        status, _, _ = await register(alice, bob, {**value, "records": [to_base64url(bytes(record))]})
        assert status == 400
        assert bob.node.store.identities.newest(alice.node.store.node) is None


async def test_a_nodes_own_request_to_itself_is_refused(tmp_path):
    async with federated_street(tmp_path) as it:
        bob = await it.add("bob")
        value = {**application(bob, await it.add("alice"))}
        status, answer, _ = await register(bob, bob, value)
        assert (status, answer["code"]) == (400, "own_id")


async def test_the_manifest_shows_agents_to_peers_only_and_its_serial_never_goes_back(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        await bob.service.participant_add_custodial("clerk")
        _, _, public = await send("GET", bob.url + MANIFEST)
        first = read_manifest(public).manifest
        assert (first.node.hex(), first.name, first.agents, first.endpoints) == (bob.id, "bob", (), (bob.url,))
        answer = await alice.node.client.call(door_of(bob), Query("GET", MANIFEST))
        for_peers = read_manifest(answer.body).manifest
        assert [agent.name for agent in for_peers.agents] == ["clerk"]
        assert for_peers.serial > first.serial
        assert (await send("GET", bob.url + MANIFEST))[2] == public
        await bob.node.rename("robert")
        renamed = read_manifest((await send("GET", bob.url + MANIFEST))[2]).manifest
        assert (renamed.name, renamed.serial > for_peers.serial) == ("robert", True)
        await it.restart("bob")
        again = read_manifest((await send("GET", bob.url + MANIFEST))[2]).manifest
        assert again.serial > renamed.serial


async def test_the_serial_grows_although_the_clock_went_back(tmp_path):
    async with federated_street(tmp_path) as it:
        bob = await it.add("bob")
        first = read_manifest((await send("GET", bob.url + MANIFEST))[2]).manifest
        real = bob.node.store.now
        bob.node.store.now = lambda: real() - 86_400_000_000
        await bob.node.rename("robert")
        second = read_manifest((await send("GET", bob.url + MANIFEST))[2]).manifest
        assert second.serial == first.serial + 1


async def test_a_probe_tells_the_name_in_the_manifest(tmp_path):
    async with federated_street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        assert (await alice.service.probe(bob.url)).name == "bob"
        assert await alice.node.claimed_name(bob.url, alice.node.store.node) == ""
        assert await alice.node.claimed_name("http://127.0.0.1:1", bob.node.store.node) == ""


async def test_the_identity_is_for_everyone_and_proves_itself(tmp_path):
    async with federated_street(tmp_path) as it:
        bob = await it.add("bob")
        status, _, body = await send("GET", f"{bob.url}{ROOT}/identity")
        shown = json.loads(body)
        assert (status, shown["node"]) == (200, bob.id)
        records = [parse_signed_record(from_base64url(record)) for record in shown["records"]]
        verify_history(records)
        assert records[-1].id.hex() == shown["epoch"]


async def test_a_peer_brings_its_new_epoch_and_is_known_by_it(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        for link in alice.node.links.all():
            link.close("test", "")
        alice.node.peers.urls = lambda _node: []
        await until(lambda: not bob.node.links.all(), "no link")
        bob.node.peers.urls = lambda _node: []
        store = alice.node.store
        before = store.epoch
        await alice.service.key_rotate()
        with pytest.raises(Refused) as refused:
            await ask(alice, bob, "GET", "/status")
        assert refused.value.http_status == 401
        body = b"".join(frame(record.encode()) for record in store.identities.history(store.node))
        answer = await ask(alice, bob, "POST", "/records", body=body, media_type=RECORDS)
        assert json.loads(answer.body) == {"learned": []}  # the door met it before it took what else was brought
        assert (await ask(alice, bob, "GET", "/status")).status == 200
        assert bob.node.store.identities.newest(store.node).id == store.epoch != before


async def test_records_are_given_of_writers_that_the_peer_may_see(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        carol = await it.add("carol")
        await carol.service.peer_request(bob.url)
        epoch = bob.node.store.epoch
        answer = await ask(alice, bob, "GET", "/records", epoch=epoch.hex())
        (data,) = split_frames(answer.body, 10)
        assert parse_signed_record(data).id == epoch
        for unknown in (carol.node.store.epoch, b"\x00" * 32):
            with pytest.raises(Refused) as refused:
                await ask(alice, bob, "GET", "/records", epoch=unknown.hex())
            assert refused.value.code == "not_found"
        with pytest.raises(Refused) as refused:
            await ask(alice, bob, "GET", "/records", epoch="x")
        assert refused.value.http_status == 400


async def test_records_from_strangers_are_not_kept(tmp_path):
    async with two_connected(tmp_path) as (it, _, bob):
        dave = await it.add("dave")
        store = dave.node.store
        body = frame(store.record.encode())
        uri = f"{bob.url}{ROOT}/records"
        headers = signed_headers(dave, bob, "POST", uri, body)
        status, _, answer = await send("POST", uri, headers, body, RECORDS)
        assert (status, json.loads(answer)["code"]) == (403, "not_connected")
        assert not bob.node.store.holds(store.epoch)
