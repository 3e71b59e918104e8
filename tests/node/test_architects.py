"""An architect: a human whose own the node is, and what their device opens beside the operator's token."""

import aiohttp
import pytest

from foedus.values.access import PairCodeView
from tests.node.nodes import street
from tests.node.paired import Device, further, paired


@pytest.fixture
async def north(tmp_path):
    async with street(tmp_path) as town:
        yield await town.add("north")


async def architect(north, name="ada"):
    device = Device(north, name)
    await device.claim(north.service.pair_generate("", "human", architect=True).code)
    assert (await device.prove())[1]["state"] == "paired"
    return device


async def test_a_code_for_an_architect_makes_one_who_may_do_what_the_operator_may(north):
    ada = await architect(north)
    assert (await ada.ask("GET", "/api/v1/caller"))[1]["architect"] is True
    assert north.service.standing("ada").standing == 1
    for target in ("/api/v1/status", "/api/v1/peers", "/api/v1/audit", "/api/v1/policy", "/api/v1/agreements"):
        assert (await ada.ask("GET", target))[0] == 200
    status, room = await ada.ask("POST", "/api/v1/rooms", {"name": "harbour"})
    assert (status, room["is_host"]) == (201, True)
    assert (await ada.ask("POST", "/api/pair/generate", {"kind": "agent"}))[0] == 201


async def test_what_they_do_stands_in_the_audit_log_in_their_name(north):
    ada = await architect(north)
    await ada.ask("POST", "/api/v1/rooms", {"name": "harbour"})
    await north.node.audit.flush()
    rows = (await north.service.audit_rows(limit=1000)).rows
    assert [row.actor for row in rows if row.subject == "POST /api/v1/rooms"] == [ada.did]


async def test_nobody_else_gets_in_that_way(north):
    bob = await paired(north, "bob")
    bot = await paired(north, "bot", "agent")
    for device in (bob, bot):
        assert (await device.ask("GET", "/api/v1/caller"))[1]["architect"] is False
        assert (await device.ask("GET", "/api/v1/status"))[1]["code"] == "operator_only"
        answer = (await device.ask("POST", "/api/pair/generate", {"architect": True}))[1]
        assert answer["code"] == "not_yourself"


async def test_their_token_without_their_key_opens_nothing(north):
    ada = await architect(north)
    bare = {"Authorization": f"Bearer {ada.token}"}
    assert (await ada.send("GET", "/api/v1/status", headers=bare))[1]["code"] == "token_not_bound"
    other = Device(north).key
    assert (await ada.ask("GET", "/api/v1/status", key=other))[1]["code"] == "token_not_bound"


async def test_who_falls_is_no_architect_from_the_next_request_on(north):
    ada = await architect(north)
    phone = await further(north, ada)
    assert (await phone.ask("GET", "/api/v1/status"))[0] == 200
    await north.service.standing_propose("ada", 2)
    for device in (ada, phone):
        assert (await device.ask("GET", "/api/v1/status"))[1]["code"] == "operator_only"


async def test_what_they_have_open_as_architect_ends_with_the_standing_and_not_first_with_the_token(north):
    ada = await architect(north)
    bob = await architect(north, "bob")
    target = "/api/v1/audit"
    sse = {"Accept": "text/event-stream"}
    async with aiohttp.ClientSession(north.url) as session:
        streams = [
            await session.get(target, headers=each.headers("GET", target) | sse, timeout=aiohttp.ClientTimeout(60))
            for each in (ada, bob)
        ]
        assert [stream.status for stream in streams] == [200, 200]
        await north.service.standing_propose("ada", 2)
        while await streams[0].content.read(65_536):
            pass  # to its end
        await north.service.room_create("harbour")
        assert await streams[1].content.readany()
    assert (await ada.ask("GET", "/api/v1/caller"))[1]["architect"] is False
    assert (await bob.ask("GET", "/api/v1/status"))[0] == 200


async def test_as_themselves_they_speak_only_for_themselves(north):
    ada = await architect(north)
    bob = await paired(north, "bob")
    await ada.ask("POST", "/api/v1/rooms", {"name": "harbour"})
    assert (await ada.say("harbour", "mine"))[0] == 201
    assert (await ada.say("harbour", "his", author=bob.did))[1]["code"] == "not_yourself"


@pytest.mark.parametrize("asked", [{"participant": "ada"}, {"kind": "agent"}])
async def test_only_a_new_human_begins_as_one(north, asked):
    ada = await architect(north)
    status, answer = await ada.ask("POST", "/api/pair/generate", asked | {"architect": True})
    assert (status, answer["code"]) == (400, "not_permitted")
    code: PairCodeView = north.service.pair_generate("ada", "human")
    assert code.did == ada.did
