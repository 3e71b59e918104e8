"""Questions over the real API of real nodes: by the operator, by a participant's token, as a stream."""

import json

import aiohttp
import pytest

from tests.node.nodes import connect, street
from tests.node.people import agent, enrol
from tests.node.questions import remember


@pytest.fixture
async def two(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        remember(a, "the lamp of a")
        remember(b, "the lamp of b")
        async with aiohttp.ClientSession() as session:
            yield a, b, session


def post(session, running, body, token="", accept="application/json"):
    headers = {"Authorization": f"Bearer {token or running.service.token}", "Accept": accept}
    return session.post(f"{running.url}/api/v1/queries", json=body, headers=headers)


async def test_json_has_everything_at_the_end(two):
    a, b, session = two
    async with post(session, a, {"kind": "text", "text": "lamp"}) as response:
        assert response.status == 200
        said = await response.json()
    assert {found["body"]["text"] for found in said["results"]} == {"the lamp of a", "the lamp of b"}
    assert {node["node"]: node["outcome"] for node in said["nodes"]} == {a.id: "answered", b.id: "answered"}


async def test_a_stream_has_each_result_and_then_all(two):
    a, _, session = two
    names, datas = [], []
    async with post(session, a, {"kind": "text", "text": "lamp"}, accept="text/event-stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.content:
            if line.startswith(b"event: "):
                names.append(line[7:].strip().decode())
            if line.startswith(b"data: "):
                datas.append(json.loads(line[6:]))
    assert names == ["result", "result", "answers"]
    assert {datas[0]["body"]["text"], datas[1]["body"]["text"]} == {"the lamp of a", "the lamp of b"}
    assert len(datas[2]["results"]) == 2


async def test_a_participant_asks_as_itself_alone(two):
    a, b, session = two
    ada, scout = await enrol(a, "ada"), await agent(a, "scout")
    token = (await a.service.token_issue("scout", "")).token
    body = {"kind": "text", "text": "lamp", "scope": "local"}
    async with post(session, a, body, token) as response:
        assert response.status == 200
    async with post(session, a, body | {"as": ada.did}, token) as response:
        assert (response.status, (await response.json())["code"]) == (403, "not_yourself")
    async with post(session, a, body | {"scope": "direct"}, token) as response:
        assert (response.status, (await response.json())["code"]) == (403, "grant.human_required")
    assert scout
    assert b


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "malformed_request"),
        ({"kind": "text", "text": ""}, "bad_text"),
        ({"kind": "causal", "event": "abc"}, "bad_id"),
        ({"kind": "text", "text": "x", "scope": "direct", "hops": 2}, "bad_hops"),
        ({"kind": "text", "text": "x", "hops": 9, "scope": "global"}, "malformed_request"),
        ({"kind": "text", "text": "x" * 1_025}, "malformed_request"),
        ({"kind": "text", "text": "x", "wait_ms": 60_001}, "malformed_request"),
        ({"kind": "text", "text": "x", "results": 201}, "malformed_request"),
        ({"kind": "text", "text": "x", "as": "nobody"}, "unknown_participant"),
        ({"kind": "dance"}, "malformed_request"),
        ({"question": "oA", "asig": "AA"}, "malformed_query"),
        ({"question": "=", "asig": "AA"}, "malformed_request"),
        ({"kind": "text", "text": "x", "question": "oA", "asig": "AA"}, "malformed_request"),
    ],
    ids=str,
)
async def test_bad_input_is_told_by_a_code(two, body, code):
    a, _, session = two
    async with post(session, a, body) as response:
        assert 400 <= response.status < 500
        assert (await response.json())["code"] == code
