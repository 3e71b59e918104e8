"""A stock A2A client at one node reaches agents of its own node and, through the federation, of another."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from a2a.client.errors import A2AClientError
from a2a.types import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils.errors import A2AError, TaskNotFoundError

from foedus.node import errands
from foedus.node.call_forms import WorkResult
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import CALL
from foedus.trust.standing import Standing
from tests.node.callees import offer
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.surfaces.a2a.clients import client_of, message, sent
from tests.surfaces.mcp.clients import custodial

COMPLETED = TaskState.TASK_STATE_COMPLETED


@pytest.fixture(autouse=True)
def looking_often(monkeypatch):
    monkeypatch.setattr(errands, "LOOK_S", 0.05)


def lets_call(running):
    running.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED


@asynccontextmanager
async def alone(folder):
    async with street(folder) as nodes:
        oak = await nodes.add("oak")
        _, token = await custodial(oak)
        clerk = await agent(oak, "clerk")
        await offer(oak, clerk, "translate", about="German to Latin")
        yield oak, token, clerk


@asynccontextmanager
async def federated(folder, *, granted=True):
    async with street(folder) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        did, token = await custodial(oak)
        clerk = await agent(elm, "clerk")
        lets_call(elm)
        if granted:
            await ada.give(did, Scope(CALL, after_foreign=True))
        await connect(oak, elm)
        await offer(elm, clerk, "translate", about="German to Latin")
        yield nodes, oak, elm, ada, did, token, clerk


async def work(running, clerk, output=None):
    """Do the next call; return what was asked."""
    taken = await running.service.call_work(clerk, 20_000)
    output = output or {"said": taken.input["text"].upper()}
    await running.service.call_finish(clerk, taken.call, WorkResult(output=output))
    return taken.input


def tells(it, field):
    """Whether it is an update with this field in its message."""
    parts = it.status_update.status.message.parts if it.HasField("status_update") else ()
    return bool(parts) and field in parts[0].data.struct_value.fields


async def test_agents_of_one_machine_find_and_call_each_other(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk), client_of(oak, token) as node:
        card = await node.get_extended_agent_card(GetExtendedAgentCardRequest())
        (skill,) = card.skills
        assert (skill.id, skill.description.split("\n")[0]) == (f"translate@{oak.id}", "German to Latin")
        working = asyncio.create_task(work(oak, clerk))
        done = await sent(node, message("Hallo", skill="translate"))
        assert done.status_update.status.state == COMPLETED
        assert await working == {"text": "Hallo"}
        (task,) = (await node.list_tasks(ListTasksRequest(page_token="9" * 5_000))).tasks  # none that a node gave
        task = await node.get_task(GetTaskRequest(id=task.id))
        assert task.artifacts[0].parts[0].data.struct_value["said"] == "HALLO"
        assert task.history[0].parts[0].text == "Hallo"
        call = oak.service.call_show(task.metadata["foedus"]["call"])
        assert (call.outcome, bool(call.receipt), bool(call.countersig)) == ("result", True, True)


async def test_an_agent_of_another_node_is_reached_through_the_federation(tmp_path):
    async with (
        federated(tmp_path) as (_, oak, elm, _, did, token, clerk),
        client_of(oak, token, clerk, elm.id) as remote,
    ):
        coming = remote.send_message(message(data={"text": "Hallo"}))
        first = await anext(coming)
        assert first.task.status.state == TaskState.TASK_STATE_SUBMITTED
        taken = await elm.service.call_work(clerk, 20_000)
        assert (taken.caller, taken.node, taken.input) == (did, oak.id, {"text": "Hallo"})
        await elm.service.call_progress(clerk, taken.call, {"done": 1})
        rest = [await anext(coming)]
        while not tells(rest[-1], "done"):
            rest.append(await anext(coming))
        await elm.service.call_finish(clerk, taken.call, WorkResult(output={"said": "salve"}))
        rest += [it async for it in coming]
        (artifact,) = [it.artifact_update.artifact for it in rest if it.HasField("artifact_update")]
        assert artifact.parts[0].data.struct_value["said"] == "salve"
        assert rest[-1].status_update.status.state == COMPLETED


async def test_a_retry_with_the_same_id_never_runs_twice(tmp_path):
    async with (
        federated(tmp_path) as (_, oak, elm, _, _, token, clerk),
        client_of(oak, token, clerk, elm.id, streaming=False) as remote,
    ):
        several = [asyncio.create_task(sent(remote, message("Hallo", id_="m1"))) for _ in range(3)]
        await work(elm, clerk)
        ids = {(await one).task.id for one in several}
        again = await sent(remote, message("Hallo", id_="m1"))
        assert ids == {again.task.id}
        assert again.task.status.state == COMPLETED
        assert await elm.service.call_work(clerk, 0) is None


async def test_a_task_for_an_agent_that_is_away_is_kept_and_delivered_once(tmp_path):
    async with federated(tmp_path) as (nodes, oak, elm, _, _, token, clerk):
        async with client_of(oak, token, clerk, elm.id, streaming=False) as remote:
            await nodes.stop("elm")
            await until(lambda: not [it for it in oak.node.links.open() if it.session.is_open], "it left")
            kept = await sent(remote, message("Hallo", id_="m1"))
            assert kept.task.status.state == TaskState.TASK_STATE_SUBMITTED
            assert "unreachable" in kept.task.status.message.parts[0].text
        oak, elm = await nodes.restart("oak"), await nodes.start("elm")  # noqa: PLW2901  # the same, once more
        lets_call(elm)
        assert await work(elm, clerk) == {"text": "Hallo"}
        async with client_of(oak, token, clerk, elm.id, streaming=False) as remote:
            task = await remote.get_task(GetTaskRequest(id=kept.task.id))
            while task.status.state != COMPLETED:
                task = await remote.get_task(GetTaskRequest(id=kept.task.id))
            assert (await sent(remote, message("Hallo", id_="m1"))).task.id == task.id
        assert await elm.service.call_work(clerk, 0) is None


async def test_what_needs_a_person_says_so_and_goes_on_when_they_grant_it(tmp_path):
    async with (
        federated(tmp_path, granted=False) as (_, oak, elm, ada, did, token, clerk),
        client_of(oak, token, clerk, elm.id, streaming=False) as remote,
    ):
        waits = await sent(remote, message("Hallo"))
        assert waits.task.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
        assert "foedus grant create" in waits.task.status.message.parts[0].text
        await ada.give(did, Scope(CALL, after_foreign=True))
        await work(elm, clerk)
        await until(lambda: oak.service.errand(waits.task.id, did).outcome == "result", "it is done")


async def test_the_callee_is_killed_in_the_middle_and_nothing_runs_twice(tmp_path):
    async with (
        federated(tmp_path) as (nodes, oak, elm, _, _, token, clerk),
        client_of(oak, token, clerk, elm.id) as remote,
    ):
        coming = remote.send_message(message("Hallo"))
        await anext(coming)
        assert await elm.service.call_work(clerk, 20_000) is not None
        elm = await nodes.restart("elm")  # noqa: PLW2901  # the same, once more
        lets_call(elm)
        *_, last = [it async for it in coming]
        status = last.status_update.status
        assert status.state == TaskState.TASK_STATE_FAILED
        assert "never run again" in status.message.parts[0].text
        assert await elm.service.call_work(clerk, 0) is None


async def test_a_task_is_cancelled_and_followed(tmp_path):
    async with (
        federated(tmp_path) as (_, oak, elm, _, _, token, clerk),
        client_of(oak, token, clerk, elm.id) as remote,
    ):
        coming = remote.send_message(message("Hallo"))
        task = (await anext(coming)).task
        await elm.service.call_work(clerk, 20_000)
        following = remote.subscribe(SubscribeToTaskRequest(id=task.id))
        assert (await anext(following)).task.id == task.id
        ended = await remote.cancel_task(CancelTaskRequest(id=task.id))
        assert ended.status.state == TaskState.TASK_STATE_CANCELED
        assert [it async for it in following][-1].status_update.status.state == TaskState.TASK_STATE_CANCELED
        assert [it async for it in coming][-1].status_update.status.state == TaskState.TASK_STATE_CANCELED
        with pytest.raises((A2AError, A2AClientError)):
            await remote.cancel_task(CancelTaskRequest(id=task.id))


async def test_a_task_is_its_senders_alone(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk):
        _, other = await custodial(oak, "tally")
        async with client_of(oak, token, clerk, streaming=False) as mine, client_of(oak, other, clerk) as theirs:
            working = asyncio.create_task(work(oak, clerk))
            task = (await sent(mine, message("Hallo"))).task
            await working
            with pytest.raises(TaskNotFoundError):
                await theirs.get_task(GetTaskRequest(id=task.id))
            assert not (await theirs.list_tasks(ListTasksRequest())).tasks


async def test_what_is_not_meant_so_is_refused(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk), client_of(oak, token, clerk, streaming=False) as client:
        for request in (message(data={"words": 1}), message("x", skill="sing"), message("x", task_id="ab" * 16)):
            with pytest.raises((A2AError, A2AClientError)):
                await sent(client, request)
        assert oak.service.errands("") == []


async def test_a_client_of_version_0_3_is_served(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk), httpx.AsyncClient() as http:
        parts = [{"kind": "text", "text": "Hallo"}]
        said = {"kind": "message", "messageId": "m1", "role": "user", "parts": parts}
        call = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": said}}
        working = asyncio.create_task(work(oak, clerk))
        url, who = f"{oak.url}/a2a/{oak.id}/{clerk}", {"Authorization": f"Bearer {token}"}
        answer = (await http.post(url, json=call, headers=who, timeout=60)).json()
        await working
        assert answer["result"]["status"]["state"] == "completed"
        assert answer["result"]["artifacts"][0]["parts"][0]["data"] == {"said": "HALLO"}


async def test_who_comes_in(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk), httpx.AsyncClient() as http:
        card = (await http.get(f"{oak.url}/.well-known/agent-card.json")).json()
        assert [it["id"] for it in card["skills"]] == ["agents"]
        one = f"{oak.url}/a2a/{oak.id}/{clerk}"
        call = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
        for bearer, status in (("", 401), ("wrong", 401), (oak.node.home.token(), 403), (token, 200)):
            named = {"Authorization": f"Bearer {bearer}", "A2A-Version": "1.0"} if bearer else {}
            assert (await http.get(f"{one}/.well-known/agent-card.json", headers=named)).status_code == status
            for url in (one, f"{oak.url}/a2a"):
                assert (await http.post(url, json=call, headers=named)).status_code == status
        missing = await http.get(
            f"{oak.url}/a2a/{oak.id}/did:key:z6Mk/.well-known/agent-card.json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown_agent")


async def test_hostile_words_of_an_offer_are_inert_in_a_card(tmp_path):
    async with federated(tmp_path) as (_, oak, elm, _, _, token, clerk):
        await offer(elm, clerk, "evil", about="nice\u202e\u200bevil")
        async with client_of(oak, token, clerk, elm.id) as remote:
            card = await remote.get_extended_agent_card(GetExtendedAgentCardRequest())
            shown = json.dumps([it.description for it in card.skills], ensure_ascii=False)
            assert "nice" in shown
            assert "\u202e" not in shown
