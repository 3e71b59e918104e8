"""A page or a process on the same machine that does not have the token, and a participant's device that lies."""

import asyncio
import json
import secrets
from contextlib import suppress

import aiohttp
import pytest

from foedus.adapters.key_files import keys_from_seeds
from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode
from foedus.base.errors import FoedusError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log.event import Act, act_plain, act_signing_bytes, digest_of
from foedus.values.node import SignedAct
from tests.hostile.evil import browser, now
from tests.node.nodes import entries, street

STATUS = "/api/v1/status"
SSE = {"Accept": "text/event-stream"}


async def ask(session, victim, path=STATUS, method="GET", **options):
    headers = {"Authorization": f"Bearer {victim.service.token}"} | options.pop("headers", {})
    headers = {name: value for name, value in headers.items() if value is not None}
    async with session.request(method, victim.url + path, headers=headers, **options) as answer:
        body = await answer.read()
        assert b"Traceback" not in body
        assert victim.service.token.encode() not in body
        return answer.status


CASES = [
    ({}, STATUS, 200),
    ({"Authorization": None}, STATUS, 401),
    ({"Authorization": "Bearer "}, STATUS, 401),
    ({"Authorization": "Bearer " + "0" * 64}, STATUS, 401),
    ({"Authorization": "Basic " + "0" * 64}, STATUS, 401),
    ({"Authorization": None}, STATUS + "?token={token}", 401),
    ({"Authorization": None, "Cookie": "token={token}"}, STATUS, 401),
    ({"Host": "evil.example"}, STATUS, 403),
    ({"Host": "127.0.0.1.evil.example"}, STATUS, 403),
    ({"Host": "localhost@evil.example"}, STATUS, 400),
    ({"Origin": "http://evil.example"}, STATUS, 403),
    ({"Origin": "null"}, STATUS, 403),
    ({"Origin": "http://127.0.0.1"}, STATUS, 403),
    ({"Authorization": None}, "/api/v1/../v1/status", 401),
    ({"Authorization": None}, "/api/federation/link/../../v1/status", 401),
    ({"Authorization": None}, "//api/v1/status", 404),
    ({"Authorization": None}, "/api/v1/status/", 401),
    ({"Authorization": None}, "/api/v1/%73tatus", 401),
    ({"Authorization": None}, "/api/v1/rooms/..%2f..%2fstatus", 401),
    ({}, "/%ff%fe", 400),
]


async def test_who_has_no_token_or_comes_from_elsewhere_gets_nothing(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        token = victim.service.token
        for headers, path, status in CASES:
            filled = {name: value and value.replace("{token}", token) for name, value in headers.items()}
            got = await ask(session, victim, path.replace("{token}", token), headers=filled)
            assert got == status or {got, status} <= {400, 401, 404}, (headers, path, got)


BOMBS = [
    b"[" * 100_000,
    b'{"name":' + b'{"a":' * 50_000,
    b'{"name": 1e999999}',
    b'{"name": "' + b"a" * 200_000 + b'"}',
    b'{"name":"x","name":"y","extra":1}',
    b"\xff\xfe",
    b'{"name": "\\ud800"}',
    b"",
]


async def test_json_bombs_are_refused_with_a_code(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for body in BOMBS:
            assert await ask(session, victim, "/api/v1/rooms", "POST", data=body) == 400, body[:20]
        assert await ask(session, victim) == 200


async def test_a_body_beyond_the_bound_is_refused_before_it_is_read(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")

        async def endless():
            for _ in range(64):
                yield bytes(1 << 20)

        with suppress(aiohttp.ClientOSError):  # the server answered and closed while we were still sending
            assert await ask(session, victim, "/api/v1/rooms", "POST", data=endless()) == 413
        assert await ask(session, victim) == 200


async def test_event_streams_have_their_number_and_the_rest_goes_on(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        headers = {"Authorization": f"Bearer {victim.service.token}"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            streams = await asyncio.gather(
                *(session.get(victim.url + "/api/v1/events", headers=SSE) for _ in range(260))
            )
            assert sorted({each.status for each in streams}) == [200, 503]
            assert sum(each.status == 200 for each in streams) == 256
            await victim.service.participant_add_custodial("scout")
            assert await ask(session, victim) == 200
            for each in streams:
                each.close()


def act_of(victim, stream, key, **changes):
    """A signed act as a device would make it, wrong where it says so."""
    salt, body = secrets.token_bytes(32), encode(changes.pop("body", {"text": "hi"}))
    did = did_of(key.public)
    act = Act(
        at=changes.get("at", now()),
        auth=changes.get("auth", ()),
        kind=changes.get("kind", "message.text"),
        refs=(),
        nonce=secrets.token_bytes(16),
        author=changes.get("author", did),
        device=key.public,
        digest=changes.get("digest", digest_of(salt, body)),
    )
    asig = key.sign(act_signing_bytes(act, victim.node.store.epoch, changes.get("signed_for", stream)))
    return SignedAct(
        act=to_base64url(encode(act_plain(act))),
        asig=to_base64url(asig),
        salt=to_base64url(salt),
        body=to_base64url(body),
    )


LIES = [
    {},
    {"signed_for": "room:" + "0" * 64},
    {"digest": bytes(32)},
    {"at": 1},
    {"kind": "member.add"},
    {"kind": "room.create"},
    {"auth": (bytes(32),)},
    {"body": {"text": 1}},
    {"body": {"text": "a" * 70_000}},
    {"author": "did:key:nobody"},
]


async def test_a_device_that_signs_what_it_may_not_is_refused_and_nothing_is_ordered(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        room = (await victim.service.room_create("plans")).room
        start = entries(victim.node)
        for lie in LIES:
            key = Ed25519Key(secrets.token_bytes(32))
            with pytest.raises(FoedusError) as refused:
                await victim.service.say_signed(room, act_of(victim, f"room:{room}", key, **lie))
            assert refused.value.http_status < 500
            assert entries(victim.node) == start
        assert await victim.say("goes on", room=room)


async def test_an_enrolment_that_enrols_somebody_else_is_refused(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        scout = await victim.service.participant_add_custodial("scout")
        key = Ed25519Key(secrets.token_bytes(32))
        body = {
            "did": scout.did,
            "node": victim.node.store.node,
            "kind": "human",
            "name": "scout",
            "custody": "device",
            "device": key.public,
            "possession": None,
            "recovery": None,
        }
        stream = f"participant:{scout.did}"
        act = act_of(victim, stream, key, kind="device.enrol", body=body, author=scout.did)
        with suppress(FoedusError):  # refused here, or ordered and rejected by everyone
            await victim.service.participant_act(scout.did, act)
        devices = [device.key for who in victim.service.participants() for device in who.devices]
        assert key.public.hex() not in devices


def test_secrets_do_not_show_themselves():
    seeds = [secrets.token_bytes(32) for _ in range(3)]
    keys = keys_from_seeds(*seeds)
    shown = f"{keys!r} {keys.ed25519!r} {keys.mldsa65!r} {keys.xwing!r} {keys}"
    assert not [seed for seed in seeds if seed.hex() in shown or repr(seed)[2:-1] in shown]
    assert json.dumps(shown)
