"""A full disk at the doors of documents, values, knowledge, calls and questions: each says so, and nothing is lost."""

import asyncio

import aiohttp
import pytest

from foedus.adapters.log_errors import DiskFull
from foedus.node import call_life
from foedus.node.call_forms import WorkResult
from foedus.state.documents import messages
from tests.node.callees import calling, offer, take
from tests.node.document_client import editing, ticket
from tests.node.knowing import DOMAIN, PublishForm, tell, titles
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent
from tests.node.test_crdts import do, show
from tests.node.test_documents import equal

UPDATE = b"\x01\x01\x05\x00\x04\x01\x04text\x04lost\x00"


class Disk:
    """Makes the disk of a node full, and free again."""

    def __init__(self, running):
        self.is_full = False
        log = running.node.log
        commit_many = log.commit_many

        def guarded(commits):
            if self.is_full:
                raise DiskFull("no room")
            return commit_many(commits)

        log.commit_many = guarded


@pytest.fixture
async def one(tmp_path):
    async with street(tmp_path) as it:
        a = await it.add("a")
        await share(a)
        yield it, a, await agent(a, "ann"), Disk(a)


async def refused(doing):
    with pytest.raises(DiskFull) as error:
        await doing
    assert (error.value.code, error.value.http_status) == ("disk_full", 507)


async def test_a_document_keeps_what_it_acknowledged(one):
    _, a, who, disk = one
    async with editing(a, who) as it:
        await it.edit(0, "kept")
        async with editing(a, who) as other:
            await equal(it, other, wanted="kept")
        disk.is_full = True
        word = await ticket(a, who)
        url = f"{a.url.replace('http', 'ws', 1)}/api/v1/rooms/plans/documents/page?ticket={word}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.receive()  # it is asked what it has
            await socket.send_bytes(messages.brings(UPDATE))
            while (said := await asyncio.wait_for(socket.receive(), 20)).type is aiohttp.WSMsgType.BINARY:
                assert b"lost" not in said.data, "what is not durable is shown to nobody"
            assert (said.type, said.data, said.extra) == (aiohttp.WSMsgType.CLOSE, 1011, "disk_full")
        assert str(it) == "kept"
        disk.is_full = False
        await it.edit(4, " on")
        async with editing(a, who) as late:
            await equal(it, late, wanted="kept on")


async def test_values_and_knowledge_say_so_and_go_on(one):
    _, a, _, disk = one
    await do(a, type="set", add=["before"])
    await tell(a, PublishForm(domain=DOMAIN, title="Bees before", content=""))
    disk.is_full = True
    await refused(do(a, type="set", add=["lost"]))
    await refused(tell(a, PublishForm(domain=DOMAIN, title="Bees lost", content="")))
    assert (await show(a)).value == ["before"]
    assert await titles(a, "bees") == ["Bees before"]
    disk.is_full = False
    await do(a, type="set", add=["after"])
    await tell(a, PublishForm(domain=DOMAIN, title="Bees after", content=""))
    assert (await show(a)).value == ["after", "before"]
    assert sorted(await titles(a, "bees")) == ["Bees after", "Bees before"]


async def test_a_call_is_neither_lost_nor_run_twice(one, monkeypatch):
    monkeypatch.setattr(call_life, "AGAIN_S", 0.05)
    it, a, who, disk = one
    b = await it.add("b")
    await connect(a, b)
    capability = await offer(a, who)
    made = calling(b, capability, wait_ms=60_000)
    await until(lambda: a.node.calls.life.under_way, "it came")
    disk.is_full = True
    await refused(take(a, who))
    late = await calling(b, capability, wait_ms=500)
    assert (late.state, late.code) in {("refused", "disk_full"), ("open", "")}, "nobody took it up"
    disk.is_full = False
    work = await take(a, who)
    assert work is not None, "it can still be had"
    disk.is_full = True
    result = WorkResult(output={"said": "hello"})
    await refused(a.service.call_finish(who, work.call, result))
    disk.is_full = False
    await a.service.call_finish(who, work.call, result)
    assert (await made).output == {"said": "hello"}
    left = await take(a, who, wait_ms=0)
    assert left is None or left.call == late.call, "the late one may still come within its time"


async def test_a_node_starts_where_it_cannot_write_how_its_calls_ended(one, monkeypatch):
    monkeypatch.setattr(call_life, "AGAIN_S", 0.05)
    it, a, who, _ = one
    made = calling(a, await offer(a, who), wait_ms=60_000)
    work = await take(a, who)
    made.cancel()
    change, failed = call_life.CallRecords.change, []

    async def full(self, call, **fields):
        if len(failed) < 3:
            failed.append(call)
            raise DiskFull("no room")
        return await change(self, call, **fields)

    monkeypatch.setattr(call_life.CallRecords, "change", full)
    a = await it.restart("a")
    await until(lambda: a.node.calls.life.record(bytes.fromhex(work.call)).is_over, "it is written in the end")
    assert a.node.calls.life.record(bytes.fromhex(work.call)).outcome.outcome == "outcome_unknown"
    assert len(failed) == 3
