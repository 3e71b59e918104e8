"""A full disk where things stand beside the log: blobs, the index of knowledge, webhooks, and questions that are spent.

Each says so with a code and in `status`, loses nothing, and goes on by itself.
"""

import pytest

from foedus.adapters.log_errors import DiskFull
from foedus.node import blob_carrying, blobs, knowledge_indexing
from foedus.node.call_forms import WebhookForm
from foedus.node.metrics import render
from foedus.surfaces.cli.delegating import Scope
from tests.node.document_client import editing
from tests.node.knowing import finds, holds, publish
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.questions import ask, remember
from tests.node.test_blobs import LARGE, is_here, rows, write_large
from tests.node.test_documents import pair
from tests.red_team.test_full_disk_at_new_doors import Disk, refused


class Full:
    """Makes some methods of a store say that the disk is full."""

    def __init__(self, store, *methods):
        self.is_full = True
        self.refused = 0
        for name in methods:
            setattr(store, name, self._guarded(getattr(store, name)))

    def _guarded(self, real):
        def guarded(*given, **more):
            if self.is_full:
                self.refused += 1
                raise DiskFull("no room")
            return real(*given, **more)

        return guarded


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    for module in (blob_carrying, blobs, knowledge_indexing):
        monkeypatch.setattr(module, "_RETRY_S", 0.01)


def troubles(it):
    return {trouble.code: trouble.message for trouble in it.service.status().troubles}


def counted(it, name):
    (line,) = [line for line in render(it.node).decode().splitlines() if line.startswith(f"{name} ")]
    return int(line.split()[1])


async def test_a_large_update_is_refused_while_there_is_no_room_and_taken_when_there_is(tmp_path):
    async with pair(tmp_path) as (_, ash, _elm):
        disk = Full(ash.node.blobs.chunks, "name", "put")
        async with editing(ash, ash.agent) as ann:
            await ann.edit(0, LARGE)
            await until(lambda: ann.socket.closed, "the client is told")
            assert ann.socket.close_code == 1011
        assert rows(ash) == [], "what could not be kept is named by nobody"
        disk.is_full = False
        await write_large(ash, ash.agent)
        assert is_here(ash)
        assert counted(ash, "foedus_blobs_bytes") >= len(LARGE)


async def test_what_others_named_comes_when_there_is_room_again(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        disk = Full(elm.node.blobs.chunks, "put")
        await write_large(ash, ash.agent)
        await until(lambda: "blobs" in troubles(elm), "status says so")
        assert "disk_full" in troubles(elm)["blobs"]
        assert counted(elm, "foedus_blobs_waiting") == 1
        assert not is_here(elm)
        disk.is_full = False
        await until(lambda: is_here(elm), "it came")
        await until(lambda: counted(elm, "foedus_blobs_waiting") == 0, "and is noted as here")
        assert "blobs" not in troubles(elm), "nothing is wrong any more"


async def test_what_was_erased_goes_when_the_disk_takes_it(tmp_path):
    async with pair(tmp_path) as (_, ash, _elm):
        await write_large(ash, ash.agent)
        (row,) = rows(ash)
        held = ash.node.blobs.held_by(row)
        await until(lambda: ash.node.blobs.size, "it is noted")
        disk = Full(ash.node.blobs.chunks, "forget")
        await ash.service.erase(row.id.hex(), "moderator")
        await until(lambda: disk.refused > 1 and "blobs" in troubles(ash), "it is tried, and status says so")
        assert ash.node.blobs.read(row.stream, held.blob) is not None
        disk.is_full = False
        await until(lambda: ash.node.blobs.read(row.stream, held.blob) is None, "its chunks are gone")
        await until(lambda: "blobs" not in troubles(ash), "nothing is wrong any more")
        assert counted(ash, "foedus_blobs_bytes") == 0


async def test_an_index_that_cannot_grow_says_so_and_finds_all_later(tmp_path):
    async with street(tmp_path) as it:
        a = await it.add("a")
        await publish(a, "Bees before")
        await finds(a, "bees", ["Bees before"])
        disk = Full(a.node.index, "apply")
        event = await publish(a, "Bees meanwhile")
        await until(lambda: "knowledge" in troubles(a), "status says so")
        assert "disk_full" in troubles(a)["knowledge"]
        await finds(a, "bees", ["Bees before"])
        assert a.service.event(event).verdict == "accepted", "the log took it"
        disk.is_full = False
        await until(lambda: "knowledge" not in troubles(a), "nothing is wrong any more")
        assert {view.title for view in await a.service.knowledge_search("bees")} == {"Bees before", "Bees meanwhile"}


async def test_a_webhook_is_registered_or_not(tmp_path):
    async with street(tmp_path) as it:
        a = await it.add("a")
        clerk = await agent(a, "clerk")
        disk = Disk(a)
        await a.service.webhook_register(WebhookForm(agent=clerk, url="http://127.0.0.1:9/before"))
        disk.is_full = True
        await refused(a.service.webhook_register(WebhookForm(agent=clerk, url="http://127.0.0.1:9/lost")))
        await refused(a.service.webhook_remove(clerk))
        assert a.node.calls.webhooks.book.get(clerk).url.endswith("/before"), "as it stands on the disk"
        disk.is_full = False
        await a.service.webhook_register(WebhookForm(agent=clerk, url="http://127.0.0.1:9/after"))
        assert a.node.calls.webhooks.book.get(clerk).url.endswith("/after")


async def test_a_question_that_must_be_written_down_is_refused_and_others_are_answered(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        await connect(a, b)
        remember(a)
        memory = remember(b, "lamp")
        grant = await ada.give(scout, Scope("/foedus/query/ask", after_foreign=True))
        await holds(b, grant)
        disk = Full(b.node.store, "put")
        assert outcomes(await ask(a, "lamp"), b) == [("answered", "")], "nothing of it is written"
        assert outcomes(await ask(a, "lamp", as_=scout), b) == [("refused", "disk_full")]
        assert [reader.did for reader in memory.asked].count(scout) == 0
        disk.is_full = False
        assert outcomes(await ask(a, "lamp", as_=scout), b) == [("answered", "")]


def outcomes(answers, it):
    return [(report.outcome, report.code) for report in answers.nodes if report.node == it.id]
