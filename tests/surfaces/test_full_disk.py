"""A disk without room, at the doors of MCP and A2A: agents are told its code and what helps, and go on afterwards."""

import asyncio
from contextlib import contextmanager

import pytest
from a2a.types import CancelTaskRequest, GetTaskRequest, TaskState
from a2a.utils.errors import InternalError

from foedus.adapters.log_errors import DiskFull
from foedus.adapters.writer import GroupWriter
from foedus.node import errands
from foedus.node.call_forms import WorkResult
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.mcp.marking import unmark
from foedus.trust.border import PUBLISH
from tests.node.callees import offer
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.surfaces.a2a.clients import client_of, message, sent
from tests.surfaces.mcp.clients import TRANSPORTS, Called, custodial


@contextmanager
def full_disk(monkeypatch):
    with monkeypatch.context() as without_room:
        without_room.setattr(GroupWriter, "_write", lambda self, group: self._fail(group, DiskFull("no room left")))
        yield


@pytest.fixture(autouse=True)
def looking_often(monkeypatch):
    monkeypatch.setattr(errands, "LOOK_S", 0.05)


async def writing(call, translate):
    """Return every tool by which an agent writes something at its own node, with what it would write."""
    packet = (await call("publish_knowledge", domain="harbour", title="tides"))["packet"]
    called = {"node": translate.node, "name": "translate", "offer": translate.offer, "input": {"text": "Hallo"}}
    return (
        ("say", {"room": "home", "text": "salve"}),
        ("edit_document", {"room": "home", "name": "page", "replace": "lost"}),
        ("publish_knowledge", {"domain": "harbour", "title": "tides"}),
        ("revise_knowledge", {"packet": packet, "title": "tides", "content": "lost"}),
        ("retract_knowledge", {"packet": packet, "reason": "lost"}),
        ("ask_for_approval", {"room": "plans", "text": "lost"}),
        ("call_capability", called),
    )


@pytest.mark.parametrize("transport", ["http", pytest.param("stdio", marks=pytest.mark.soak)])
async def test_an_agent_over_mcp_is_told(tmp_path, monkeypatch, transport):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada, (did, token) = await enrol(oak, "ada"), await custodial(oak)
        await oak.service.room_create("home")
        await ada.give(did, Scope(PUBLISH, after_foreign=True))
        await connect(oak, elm)
        await share(elm, oak)
        clerk = await agent(oak, "clerk")
        translate = await offer(oak, clerk, "translate")
        async with TRANSPORTS[transport](oak, token) as client:
            call = Called(client)
            tools = await writing(call, translate)
            await call("read_document", room="home", name="page")
            with full_disk(monkeypatch):
                for tool, arguments in tools:
                    refused = await call.refused(tool, **arguments)
                    assert '"disk_full"' in refused, tool
                    assert "free some space" in refused, tool
                assert (await call("who_am_i"))["did"] == did
                assert (await call("my_approvals"))["approvals"] == []
            await call("say", room="home", text="there is room")
            assert oak.texts("home") == ["there is room"]
            await call("edit_document", room="home", name="page", replace="there is room")
            text = (await call("read_document", room="home", name="page"))["told"]["foreign_content"]
            assert unmark(text) == {"text": "there is room"}
            assert await oak.service.call_work(clerk, 0) is None, "the call that was refused does not come later"


async def test_a_client_of_a2a_is_told_and_nothing_is_begun(tmp_path, monkeypatch):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        _, token = await custodial(oak)
        clerk = await agent(oak, "clerk")
        await offer(oak, clerk, "translate", about="German to Latin")
        async with client_of(oak, token, clerk, streaming=False) as client:
            sending = asyncio.create_task(sent(client, message("Hallo", id_="m1")))
            life = oak.node.calls.life
            await until(lambda: life.open_of(clerk) and oak.service.errands("")[0].call, "one is under way")
            task = oak.service.errands("")[0].errand
            with full_disk(monkeypatch):
                for asked in (
                    sent(client, message("Salve", id_="m2")),
                    client.cancel_task(CancelTaskRequest(id=task)),
                ):
                    with pytest.raises(InternalError, match="disk_full") as caught:
                        await asked
                    assert "free some space" in str(caught.value)
                assert (await client.get_task(GetTaskRequest(id=task))).id == task
            assert len(oak.service.errands("")) == 1
            ended = await client.cancel_task(CancelTaskRequest(id=task))
            assert ended.status.state == TaskState.TASK_STATE_CANCELED
            await sending


async def test_an_errand_that_met_a_full_disk_goes_on_when_there_is_room(tmp_path, monkeypatch):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        did, token = await custodial(oak)
        clerk = await agent(oak, "clerk")
        made = oak.node.errands._call
        full = [True, True, False]

        async def without_room(form):
            if full and full.pop(0):
                raise DiskFull("no room left")
            return await made(form)

        monkeypatch.setattr(oak.node.errands, "_call", without_room)
        await offer(oak, clerk, "translate", about="German to Latin")
        async with client_of(oak, token, clerk, streaming=False) as client:
            sending = asyncio.create_task(sent(client, message("Hallo")))
            taken = await oak.service.call_work(clerk, 20_000)
            assert (taken.caller, full) == (did, [])
            await oak.service.call_finish(clerk, taken.call, WorkResult(output={"said": "salve"}))
            waits = await sending
            assert waits.task.status.state in {TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_COMPLETED}
            await until(lambda: oak.service.errands("")[0].outcome == "result", "it is done")
