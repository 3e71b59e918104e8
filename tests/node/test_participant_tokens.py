"""What a participant's token reaches, and what it does not: each refusal over HTTP, by a real node."""

import asyncio
import json
import time

import aiohttp
import pytest

from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.request_proof import PROOF_HEADER
from foedus.surfaces.http.app import OPERATIONS
from foedus.surfaces.http.callers import Rule
from tests.node.nodes import connect, street, until
from tests.node.paired import further, paired


@pytest.fixture
async def town(tmp_path):
    async with street(tmp_path) as it:
        yield it


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def custodial(running, name="robot"):
    """Return (DID, headers) of a custodial agent with a token."""
    who = await running.service.participant_add_custodial(name)
    issued = await running.service.token_issue(who.did, "")
    return who.did, bearer(issued.token)


# --- a token and its device -----------------------------------------------------------------------


async def test_a_stolen_token_alone_is_refused_and_counted(town):
    north = await town.add("north")
    ada, eve = await paired(north), await paired(north, "eve")
    status, answer = await ada.send("GET", "/api/v1/caller", headers=bearer(ada.token))
    assert (status, answer["code"]) == (401, "token_not_bound")
    eve.token = ada.token
    assert (await eve.ask("GET", "/api/v1/caller"))[1]["code"] == "token_not_bound"
    assert north.node.access.counts["token_not_bound"] == 2


async def test_a_proof_serves_once_for_its_request_and_for_a_minute(town):
    north = await town.add("north")
    ada = await paired(north)
    headers = ada.headers("GET", "/api/v1/caller")
    assert (await ada.send("GET", "/api/v1/caller", headers=headers))[0] == 200
    assert (await ada.send("GET", "/api/v1/caller", headers=headers))[1]["code"] == "replayed_nonce"
    moved = ada.headers("GET", "/api/v1/caller")
    assert (await ada.send("GET", "/api/v1/rooms", headers=moved))[1]["code"] == "token_not_bound"
    other = ada.headers("GET", "/api/v1/events?limit=1")
    assert (await ada.send("GET", "/api/v1/events?limit=2", headers=other))[1]["code"] == "token_not_bound"
    body = ada.headers("POST", "/api/pair/generate", b'{"kind":"human"}')
    assert (await ada.send("POST", "/api/pair/generate", {"kind": "agent"}, body))[1]["code"] == "token_not_bound"
    now = time.time_ns() // 1000
    for at in (now - 61 * SECOND, now + 61 * SECOND):
        assert (await ada.ask("GET", "/api/v1/caller", at=at))[1]["code"] == "stale_proof"
    garbled = bearer(ada.token) | {PROOF_HEADER: "1.2.3"}
    assert (await ada.send("GET", "/api/v1/caller", headers=garbled))[1]["code"] == "token_not_bound"
    forged = ada.headers("GET", "/api/v1/caller", key=Ed25519Key(bytes(32)))
    assert (await ada.send("GET", "/api/v1/caller", headers=forged))[1]["code"] == "token_not_bound"


async def test_a_proof_is_not_replayed_after_a_restart_and_the_token_still_serves(town):
    north = await town.add("north")
    ada = await paired(north)
    headers = ada.headers("GET", "/api/v1/caller")
    assert (await ada.send("GET", "/api/v1/caller", headers=headers))[0] == 200
    ada.running = await town.restart("north")
    assert (await ada.send("GET", "/api/v1/caller", headers=headers))[1]["code"] == "replayed_nonce"
    assert (await ada.ask("GET", "/api/v1/caller"))[0] == 200


async def test_a_new_token_voids_the_former(town):
    north = await town.add("north")
    ada = await paired(north)
    status, issued = await ada.ask("POST", f"/api/v1/participants/{ada.did}/token")
    assert status == 201
    assert (await ada.ask("GET", "/api/v1/caller"))[0] == 401
    ada.token = issued["token"]
    assert (await ada.ask("GET", "/api/v1/caller"))[0] == 200
    assert (await ada.ask("DELETE", f"/api/v1/participants/{ada.did}/token"))[0] == 204
    assert (await ada.ask("GET", "/api/v1/caller"))[0] == 401


async def test_a_custodial_agents_token_is_bearer_only_and_says_so(town):
    north = await town.add("north")
    ada = await paired(north)
    did, headers = await custodial(north)
    _, answer = await ada.send("GET", "/api/v1/caller", headers=headers)
    assert (answer["did"], answer["kind"], answer["bound"]) == (did, "agent", False)
    await north.service.token_revoke("robot", "")
    assert (await ada.send("GET", "/api/v1/caller", headers=headers))[0] == 401


# --- what it reaches ------------------------------------------------------------------------------


async def test_every_operators_route_refuses_a_participant(town):
    north = await town.add("north")
    _, headers = await custodial(north)
    ada = await paired(north)
    for operation in OPERATIONS:
        if operation.rule is not Rule.OPERATOR:
            continue
        target = operation.address.replace("{", "").replace("}", "")
        status, answer = await ada.send(operation.method, target, None, headers)
        assert (status, answer["code"]) == (403, "operator_only"), operation.address


async def test_a_participant_speaks_as_itself_only(town):
    north = await town.add("north")
    room = (await north.service.room_create("plans")).room
    ada, eve = await paired(north), await paired(north, "eve")
    did, robot = await custodial(north)
    assert (await ada.say(room, "hello"))[0] == 201
    assert (await ada.say(room, "hello", author=eve.did))[1]["code"] == "not_yourself"
    where = f"/api/v1/rooms/{room}/messages"
    assert (await ada.ask("POST", where, {"text": "x", "as": "robot"}))[1]["code"] == "not_yourself"
    assert (await ada.ask("POST", where, {"text": "x"}))[1]["code"] == "not_custodial"
    assert (await ada.send("POST", where, {"text": "beep"}, robot))[0] == 201
    assert (await ada.send("POST", where, {"text": "x", "as": "ada"}, robot))[1]["code"] == "not_yourself"
    batch = f"{where}:batch"
    refused = await ada.send("POST", batch, [{"text": "x", "as": "robot"}, {"text": "y", "as": "ada"}], robot)
    assert refused[1]["code"] == "not_yourself"
    assert north.texts() == ["hello", "beep"]
    authors = [view.author for view in north.service.messages(room).messages]
    assert authors == [ada.did, did]
    direct = {"participant": did, "as": eve.did}
    assert (await ada.ask("POST", "/api/v1/rooms/direct", direct))[1]["code"] == "not_yourself"


async def test_a_room_that_it_is_not_in_is_as_absent_as_one_that_is_not(town):
    north = await town.add("north")
    await north.service.room_create("plans")
    ada, eve = await paired(north), await paired(north, "eve")
    did, robot = await custodial(north)
    secret = await north.service.room_direct(did, eve.did)
    await north.service.say(secret.room, north_said("psst"))
    assert [view["name"] for view in (await ada.ask("GET", "/api/v1/rooms"))[1]] == ["plans"]
    assert len((await ada.send("GET", "/api/v1/rooms", headers=robot))[1]) == 2
    for path in ("", "/messages"):
        answers = [await ada.ask("GET", f"/api/v1/rooms/{room}{path}") for room in (secret.room, "ab" * 32)]
        assert [(status, answer["code"]) for status, answer in answers] == [(404, "unknown_room")] * 2
    assert (await ada.ask("POST", f"/api/v1/rooms/{secret.room}/messages", {"text": "x"}))[0] == 404
    page = (await ada.ask("GET", "/api/v1/events?limit=1000"))[1]
    kinds = {event["stream"].partition(":")[0] for event in page["events"]}
    assert kinds == {"participant", "members"}
    assert "psst" not in json.dumps(page)
    mine = {event["stream"] for event in page["events"] if event["stream"].startswith("participant:")}
    assert mine == {f"participant:{ada.did}"}
    assert (await ada.ask("GET", f"/api/v1/events?stream=room:{secret.room}"))[1]["events"] == []


async def test_an_agent_opens_no_room_with_another_node_by_its_own_token(town):
    north, south = await town.add("north"), await town.add("south")
    ada = await paired(north)
    did, robot = await custodial(north)
    await connect(north, south)
    away = (await south.service.participant_add_custodial("away")).did
    await until(lambda: north.service.participants("away"), "north knows it")
    body = {"participant": away, "as": did}
    status, answer = await ada.send("POST", "/api/v1/rooms/direct", body, headers=robot)
    assert (status, answer["code"]) == (403, "human_required")
    room = await north.service.room_direct(away, did)
    status, answer = await ada.send("POST", "/api/v1/rooms/direct", body, headers=robot)
    assert (status, answer["room"]) == (200, room.room), "one that a person opened is found"
    at_home = {"participant": ada.did, "as": did}
    assert (await ada.send("POST", "/api/v1/rooms/direct", at_home, headers=robot))[0] == 200


def north_said(text):
    from foedus.node.room_forms import Said  # noqa: PLC0415  # one use

    return Said(text=text, as_="robot")


async def test_a_participant_sees_the_others_but_no_other_humans_devices(town):
    north = await town.add("north")
    ada, eve = await paired(north), await paired(north, "eve")
    await custodial(north)
    seen = {who["name"]: len(who["devices"]) for who in (await ada.ask("GET", "/api/v1/participants"))[1]}
    assert seen == {"ada": 1, "eve": 0, "robot": 1}
    cuts = f"/api/v1/participants/{eve.did}/devices/{eve.public}/cuts"
    assert (await ada.ask("GET", cuts))[1]["code"] == "not_yourself"
    assert (await ada.ask("POST", f"/api/v1/participants/{eve.did}/token"))[1]["code"] == "not_yourself"


# --- revocation -----------------------------------------------------------------------------------


class Follower:
    """An open stream of events, read in a task."""

    def __init__(self, device, target="/api/v1/events"):
        self.device, self.target = device, target
        self.received, self.opened = b"", asyncio.Event()
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        headers = {"Accept": "text/event-stream", **self.device.headers("GET", self.target)}
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.device.running.url + self.target, headers=headers) as response,
        ):
            assert response.status == 200
            async for chunk in response.content.iter_any():
                self.received += chunk
                self.opened.set()


async def test_a_revoked_device_loses_its_token_and_its_stream_at_once(town):
    north = await town.add("north")
    room = (await north.service.room_create("plans")).room
    ada = await paired(north)
    phone = await further(north, ada)
    follower, other = Follower(phone), Follower(ada)
    await asyncio.gather(follower.opened.wait(), other.opened.wait())
    assert (await ada.say(room, "before"))[0] == 201
    await until(lambda: b"before" in follower.received and b"before" in other.received, "both hear it")
    assert (await ada.revoke(phone))[0] == 201
    async with asyncio.timeout(5):
        await follower.task
    assert (await phone.ask("GET", "/api/v1/caller"))[1]["code"] == "unauthorized"
    assert (await ada.say(room, "after"))[0] == 201
    await until(lambda: b"after" in other.received, "the other device still hears")
    assert b"after" not in follower.received
    assert not other.task.done()
    other.task.cancel()
    await asyncio.gather(other.task, return_exceptions=True)
    assert (await town.restart("north")).service.holder_of(phone.token.encode()) is None


async def test_a_stream_shows_only_what_its_participant_may_see(town):
    north = await town.add("north")
    await north.service.room_create("plans")
    ada, eve = await paired(north), await paired(north, "eve")
    did, _ = await custodial(north)
    follower = Follower(ada)
    await follower.opened.wait()
    secret = await north.service.room_direct(did, eve.did)
    await north.service.say(secret.room, north_said("psst"))
    await north.say("for all", "robot")
    await until(lambda: b"for all" in follower.received, "what is for all arrives")
    assert b"psst" not in follower.received
    assert secret.room.encode() not in follower.received
    follower.task.cancel()
    await asyncio.gather(follower.task, return_exceptions=True)
