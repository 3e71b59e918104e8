"""The local API: each route reaches its method and answers its view."""

import msgspec
import pytest
from msgspec import UNSET

from foedus.base.limits import BATCH_EVENTS_MAX, HTTP_BODY_MAX
from foedus.values.agreements import HumanWord
from foedus.values.node import Placed
from foedus.values.rooms import MessagesPage
from tests.surfaces.http.fake import TOKEN
from tests.surfaces.http.fake_agreements import PEER as AGREED
from tests.surfaces.http.fake_agreements import PROPOSED
from tests.surfaces.http.fake_values import NODE, a_peer

ACT = {"act": "YWN0", "asig": "c2ln", "salt": "c2FsdA", "body": "Ym9keQ"}
OTHER = "bb" * 32


async def ask(served, method, path, body=None, status=200, **options):
    async with served.client.request(method, f"/api/v1{path}", json=body, **options) as response:
        data = await response.read()
        assert response.status == status, data
        return msgspec.json.decode(data) if data else None


@pytest.mark.parametrize("header", [{}, {"Authorization": ""}, {"Authorization": "Bearer "}, {"Authorization": TOKEN}])
async def test_nothing_is_told_without_the_token(served, header):
    for path in ["/identity", "/events", "/metrics", "/rooms/x/messages"]:
        async with served.client.get(f"/api/v1{path}", headers={"Authorization": "x", **header}) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await response.json())["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["//api/v1/identity", "/api/v1//identity", "/api//v1/identity/"])
async def test_no_spelling_of_a_path_avoids_the_token(served, path):
    async with served.client.get(served.url + path, headers={"Authorization": "Bearer wrong"}) as response:
        assert response.status in {401, 404}


async def test_the_node_shows_itself(served):
    assert (await ask(served, "GET", "/identity"))["node"] == NODE
    assert (await ask(served, "GET", "/status"))["troubles"] == []
    assert (await ask(served, "GET", "/signing"))["epoch"]
    assert (await ask(served, "POST", "/verify"))["ok"]
    assert (await ask(served, "POST", "/keys/rotate"))["epoch_number"] == 1
    assert (await ask(served, "POST", "/keys/recover", {"words": "word " * 24}))["cause"] == "recovery"
    assert (await ask(served, "POST", "/keys/recover", {"words": "word"}, status=400))["code"] == "bad_words"
    async with served.client.get("/api/v1/metrics") as response:
        assert response.content_type == "text/plain"
        assert "foedus_events 0" in await response.text()


async def test_a_request_is_made_and_answered(served):
    served.service.known_peers[OTHER] = a_peer(OTHER)
    assert [peer["node"] for peer in await ask(served, "GET", "/peers/pending")] == [OTHER]
    accepted = await ask(served, "POST", f"/peers/{OTHER}/accept", {"tier": "SANDBOX"})
    assert (accepted["state"], accepted["tier"]) == ("connected", "SANDBOX")
    assert (await ask(served, "POST", f"/peers/{OTHER[:8]}/pause"))["paused"]
    assert not (await ask(served, "POST", f"/peers/{OTHER}/resume", {}))["paused"]
    assert (await ask(served, "POST", f"/peers/{OTHER}/tier", {"tier": "CORE"}))["tier"] == "CORE"
    assert (await ask(served, "POST", f"/peers/{OTHER}/follow"))["held_epoch"] is None
    assert (await ask(served, "GET", f"/peers/{OTHER}"))["tier"] == "CORE"
    assert (await ask(served, "DELETE", f"/peers/{OTHER}", {"reason": "moved"}))["state"] == "disconnected"
    await ask(served, "DELETE", f"/peers/{OTHER}?reason=bye")
    reasons = [arguments[1] for method, arguments in served.service.calls if method == "peer_disconnect"]
    assert reasons == ["moved", "bye"]
    assert (await ask(served, "POST", f"/peers/{OTHER}/decline"))["state"] == "declined"
    assert (await ask(served, "POST", f"/peers/{OTHER}/ignore"))["state"] == "ignored"


async def test_a_request_is_sent(served):
    assert (await ask(served, "POST", "/peers/probe", {"url": "http://b:1"}))["url"] == "http://b:1"
    asked = await ask(served, "POST", "/peers/request", {"url": "http://b:1", "expect": OTHER, "note": "hi"})
    assert (asked["node"], asked["state"]) == (OTHER, "requested")
    assert ("peer_request", ("http://b:1", OTHER, "hi", "CORE")) in served.service.calls
    assert len(await ask(served, "GET", "/peers")) == 1


async def test_an_agreement_is_read_and_changed(served):
    way = f"/agreements/{AGREED}"
    assert [found["peer"] for found in await ask(served, "GET", "/agreements")] == [AGREED]
    assert (await ask(served, "GET", way))["waits_for_us"] == [PROPOSED]
    assert len(await ask(served, "GET", f"{way}/history")) == 2
    assert (await ask(served, "GET", f"{way}/diff?older=1"))[0]["clause"] == "rates"
    terms = {"rooms": "shared", "ours": {"rate": 5}, "expires": 0}
    assert (await ask(served, "POST", f"{way}/draft", terms))["id"] == PROPOSED
    human = {"did": "did:key:z6MkAda", "device": "aa" * 32, "signature": "c2ln"}
    await ask(served, "POST", f"{way}/propose", {"document": "AA", "answers": PROPOSED, "human": human})
    await ask(served, "POST", f"{way}/sign", {"agreement": PROPOSED})
    await ask(served, "POST", f"{way}/decline", {})
    await ask(served, "POST", f"{way}/withdraw", {"agreement": PROPOSED})
    await ask(served, "POST", f"{way}/terminate", {"reason": "done"})
    calls = dict(served.service.calls)
    assert calls["agreement_diff"] == (AGREED, "1", "")
    assert (calls["agreement_draft"][1].ours.rate, calls["agreement_draft"][1].humans) == (5, UNSET)
    assert calls["agreement_propose"][2:] == (PROPOSED, HumanWord(**human))
    assert calls["agreement_sign"] == (AGREED, PROPOSED, None)
    assert calls["agreement_decline"] == (AGREED, "")
    assert calls["agreement_terminate"] == (AGREED, "done")
    await ask(served, "POST", f"{way}/draft", {"rooms": "all"}, status=400)
    await ask(served, "POST", f"{way}/sign", {}, status=400)
    assert (await ask(served, "GET", f"/agreements/{OTHER}", status=404))["code"] == "no_agreement"


async def test_keys_are_trusted_and_no_longer(served):
    for key, body, query in [("k1", {"key": "k1"}, ""), ("k2", None, "?key=k2")]:
        await ask(served, "POST", "/trust", {"key": key, "tier": "CORE"}, status=204)
        assert await ask(served, "GET", "/trust") == {key: "CORE"}
        await ask(served, "DELETE", f"/trust{query}", body, status=204)
    assert (await ask(served, "DELETE", "/trust", status=400))["code"] == "malformed_request"


async def test_participants_are_added_found_and_enrolled(served):
    agent = await ask(served, "POST", "/participants", {"name": "bot", "kind": "agent", "custodial": True}, status=201)
    assert [found["did"] for found in await ask(served, "GET", "/participants?q=bo")] == [agent["did"]]
    assert await ask(served, "GET", "/participants?q=nobody") == []
    assert (await ask(served, "POST", f"/participants/{agent['did']}/acts", ACT, status=201))["seq"] == 1
    assert (await ask(served, "GET", f"/participants/{agent['did']}/devices/{OTHER}/cuts"))[0][1] == 3
    await ask(served, "POST", "/participants", {"name": "bot", "custodial": False}, status=400)
    await ask(served, "POST", "/participants", {"name": "bot", "kind": "human"}, status=400)


async def test_a_room_is_created_shared_and_left(served):
    served.service.known_peers[OTHER] = a_peer(OTHER)
    room = (await ask(served, "POST", "/rooms", {"name": "den"}, status=201))["room"]
    assert len((await ask(served, "POST", "/rooms/den/share", {"peer": OTHER}))["members"]) == 2
    given = await ask(served, "POST", "/rooms/den/role", {"who": OTHER, "role": 120, "title": "guest"})
    assert {(member["role"], member["role_name"]) for member in given["members"]} == {(120, "guest")}
    assert len((await ask(served, "POST", "/rooms/den/unshare", {"peer": OTHER}))["members"]) == 1
    assert (await ask(served, "POST", f"/rooms/{room}/leave"))["left"]
    assert (await ask(served, "GET", f"/rooms/{room}"))["name"] == "den"
    direct = await ask(served, "POST", "/rooms/direct", {"participant": "did:key:z1", "as": "bot"})
    assert direct["name"] == "bot and did:key:z1"
    assert len(await ask(served, "GET", "/rooms")) == 2


async def test_what_is_said_is_placed_and_read(served):
    await served.service.room_create("den")
    async with served.client.post("/api/v1/rooms/den/messages", json={"text": "hi", "as": "bot"}) as response:
        assert response.status == 201
        placed = msgspec.json.decode(await response.read(), type=Placed)
    assert placed.seq == 1
    await ask(served, "POST", "/rooms/den/messages", ACT, status=201)
    page = msgspec.convert(await ask(served, "GET", "/rooms/den/messages?limit=1"), MessagesPage)
    assert [message.text for message in page.messages] == ["(signed)"]
    first = msgspec.convert(await ask(served, "GET", "/rooms/den/messages?after=store1.0"), MessagesPage)
    assert [message.author for message in first.messages] == ["bot", "did:key:zSigned"]


async def test_a_batch_keeps_its_order(served):
    await served.service.room_create("den")
    batch = [{"text": "1"}, {"text": "2", "as": "bot"}, ACT, {"text": "4"}]
    placed = await ask(served, "POST", "/rooms/den/messages:batch", batch, status=201)
    assert [one["seq"] for one in placed] == [1, 2, 3, 4]
    assert [event.message.text for event in served.service.log] == ["1", "2", "(signed)", "4"]
    runs = [method for method, _ in served.service.calls if method.endswith("batch")]
    assert runs == ["say_batch", "say_signed_batch", "say_batch"]
    assert await ask(served, "POST", "/rooms/den/messages:batch", [], status=201) == []
    too_many = [{"text": "x"}] * (BATCH_EVENTS_MAX + 1)
    assert (await ask(served, "POST", "/rooms/den/messages:batch", too_many, status=400))["code"] == "malformed_request"


@pytest.mark.parametrize(
    "message", [{}, {"as": "bot"}, {"text": "x", **ACT}, {"act": "x"}, {"as": "bot", **ACT}, {"text": 1}, [], None, "x"]
)
async def test_half_a_message_is_refused(served, message):
    data = msgspec.json.encode(message)
    async with served.client.post("/api/v1/rooms/den/messages", data=data) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "malformed_request"


async def test_a_body_over_the_limit_is_refused_while_it_is_read(served):
    async def endless():
        for _ in range(HTTP_BODY_MAX // 65_536 + 2):
            yield bytes(65_536)

    async with served.client.post("/api/v1/rooms/den/messages:batch", data=endless()) as response:
        assert response.status == 413
        assert (await response.json())["code"] == "too_large"


async def test_standing_is_proposed_and_confirmed_and_acts_are_explained(served):
    assert [view["name"] for view in await ask(served, "GET", "/standings")] == ["ada"]
    assert (await ask(served, "GET", "/standings/ada"))["missing"] == []
    assert (await ask(served, "POST", "/standings/ada/propose", {"to": 1}))["proposed"] == 1
    assert (await ask(served, "POST", "/standings/ada/confirm"))["standing"] == 2
    explained = await ask(served, "GET", "/explain?who=ada&act=message.text&room=den")
    assert [layer["layer"] for layer in explained["layers"]] == ["agreement", "grant", "room"]
    await ask(served, "GET", "/explain?who=ada", status=400)
