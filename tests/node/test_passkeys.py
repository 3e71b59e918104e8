"""Where the policy asks for it, a grant by a person's token is ordered only once their passkey confirmed that act."""

import json
import os

import pytest

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.identity.passkeys import addition, challenge, removal
from foedus.node.passkeys import PASSKEYS_EACH_MAX
from tests.node.authenticator import PRESENT, Authenticator
from tests.node.nodes import street
from tests.node.paired import further, paired
from tests.node.people import Person, agent


@pytest.fixture
async def required(tmp_path):
    """A node that requires passkeys; ada with a device there, and the custodial agent scout."""
    async with street(tmp_path) as it:
        b = await it.add("b")
        b.path.joinpath("foedus.toml").write_text("[federation.policy]\nrequire_passkey = true\n")
        assert b.node.policy.reload()
        yield it, await paired(b), await agent(b, "scout")


def key_of(device, **options):
    return Authenticator(device.running.url, "127.0.0.1", **options)


async def add(device, key, name="phone", **flags):
    salt = os.urandom(32)
    statement = addition(parse_id(device.running.id), device.did, name, salt)
    if (await device.ask("GET", "/api/v1/passkeys"))[1]["passkeys"] and "by" in flags:
        assert (await show(device, flags.pop("by"), statement))[0] == 204
    body = {"name": name, "salt": to_base64url(salt), "response": key.create(challenge(statement), **flags)}
    return await device.ask("POST", "/api/v1/passkeys", body)


async def show(device, key, statement, response=None, **flags):
    response = key.get(challenge(statement), **flags) if response is None else response
    body = {"credential": to_base64url(key.id), "statement": to_base64url(statement), "response": response}
    return await device.ask("POST", "/api/v1/passkeys/show", body)


def grant(device, scout):
    act = Person(device.running, device.name, device.key, device.did).signed_grant(scout)
    return {name: getattr(act, name) for name in ("act", "asig", "salt", "body")}


async def give(device, act):
    return await device.ask("POST", f"/api/v1/participants/{device.did}/acts", act)


def said(act):
    return from_base64url(act["act"])


async def test_a_grant_waits_for_a_passkey_that_confirms_exactly_it(required):
    _, ada, scout = required
    one, other = grant(ada, scout), grant(ada, scout)
    assert (await give(ada, one))[1]["code"] == "passkey_needed"
    key = key_of(ada)
    status, added = await add(ada, key)
    assert (status, added["origin"]) == (201, ada.running.url), added
    assert (await give(ada, one))[1]["code"] == "passkey_needed"
    assert (await show(ada, key, said(one)))[0] == 204
    assert (await give(ada, other))[1]["code"] == "passkey_needed"
    assert (await give(ada, one))[0] == 201
    assert (await give(ada, other))[1]["code"] == "passkey_needed"
    (view,) = (await ada.ask("GET", "/api/v1/grants"))[1]
    assert view["audience"]["participant"] == scout


async def test_who_runs_the_node_needs_none_nor_does_what_is_no_grant_and_agents_have_none(required):
    _, ada, scout = required
    act = Person(ada.running, ada.name, ada.key, ada.did).signed_grant(scout)
    assert (await ada.running.service.participant_act(ada.did, act)).id
    assert (await further(ada.running, ada)).did == ada.did
    headers = {"Authorization": f"Bearer {(await ada.running.service.token_issue('scout', '')).token}"}
    body = {"name": "x", "salt": to_base64url(bytes(32)), "response": "{}"}
    assert (await ada.send("POST", "/api/v1/passkeys", body, headers))[1]["code"] == "not_human"


async def test_a_further_passkey_is_let_in_by_one_that_is_there_and_goes_likewise(required):
    _, ada, _ = required
    first, second = key_of(ada), key_of(ada)
    assert (await add(ada, first))[0] == 201
    assert (await add(ada, second, "thief's"))[1]["code"] == "passkey_needed"
    assert (await add(ada, second, "spare", by=first))[0] == 201
    held = (await ada.ask("GET", "/api/v1/passkeys"))[1]
    assert (held["required"], [each["name"] for each in held["passkeys"]]) == (True, ["phone", "spare"])
    gone = held["passkeys"][0]["passkey"]
    assert (await ada.ask("DELETE", f"/api/v1/passkeys/{gone}"))[1]["code"] == "passkey_needed"
    await show(ada, second, removal(parse_id(ada.running.id), ada.did, parse_id(gone)))
    assert (await ada.ask("DELETE", f"/api/v1/passkeys/{gone}"))[0] == 204
    assert [each.name for each in ada.running.service.passkeys().passkeys] == ["spare"]
    with pytest.raises(NotFound):
        await ada.running.service.passkey_remove(gone)
    await ada.running.service.passkey_remove(ada.running.service.passkeys().passkeys[0].passkey)


async def test_they_outlast_a_restart_and_a_copied_one_is_noticed(required):
    street_, ada, _ = required
    key = key_of(ada)
    await add(ada, key)
    await show(ada, key, b"something")
    ada.running = await street_.restart("b")
    key.origin = ada.running.url
    statement = b"something else"
    assert (await show(ada, key, statement))[0] == 204
    key.count -= 1
    assert (await show(ada, key, statement))[1]["code"] == "bad_passkey"


async def test_what_an_authenticator_did_not_say_confirms_nothing(required):
    _, ada, scout = required
    eve = await paired(ada.running, "eve")
    key, hers = key_of(ada), key_of(eve)
    await add(ada, key)
    await add(eve, hers)
    act = grant(ada, scout)
    statement = said(act)
    far = key_of(ada)
    far.id, far._key, far.origin = key.id, key._key, "https://evil.example"
    elsewhere = key_of(ada)
    elsewhere.id, elsewhere._key, elsewhere.host = key.id, key._key, "evil.example"
    forged = json.loads(key.get(challenge(statement)))
    forged["response"]["signature"] = forged["response"]["signature"][:-4] + "AAAA"
    for code, answer in (
        ("another statement", key.get(challenge(b"other"))),
        ("nobody verified", key.get(challenge(statement), flags=PRESENT)),
        ("another page", far.get(challenge(statement))),
        ("another host", elsewhere.get(challenge(statement))),
        ("another signature", json.dumps(forged)),
        ("nothing", "{}"),
        ("no JSON", "\x00"),
        ("deep", "[" * 10_000),
        ("no CBOR", json.dumps(forged | {"response": dict.fromkeys(forged["response"], "AAAA")})),
    ):
        status, problem = await show(ada, key, statement, answer)
        assert (status, problem["code"]) == (403, "bad_passkey"), code
    assert (await show(eve, key, statement))[1]["code"] == "bad_passkey"
    assert (await show(eve, hers, statement))[0] == 204
    assert (await give(ada, act))[1]["code"] == "passkey_needed"


async def test_a_new_one_is_verified_and_there_are_so_many_at_most(required):
    _, ada, _ = required
    assert (await add(ada, key_of(ada), flags=PRESENT))[1]["code"] == "bad_passkey"
    far = Authenticator("https://evil.example", "evil.example")
    assert (await add(ada, far))[1]["code"] == "bad_passkey"
    body = {"name": "x", "salt": "AAAA", "response": "{}"}
    assert (await ada.ask("POST", "/api/v1/passkeys", body))[1]["code"] == "bad_salt"
    first = key_of(ada, count=None)
    await add(ada, first)
    for n in range(1, PASSKEYS_EACH_MAX):
        assert (await add(ada, key_of(ada), f"number {n}", by=first))[0] == 201
    assert (await add(ada, key_of(ada), "one more"))[1]["code"] == "too_many_passkeys"
