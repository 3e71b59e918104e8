"""The disk of an agent's node is full when a call comes: its caller is told, and nothing runs twice or is lost."""

import asyncio

import pytest

from foedus.adapters.log_errors import DiskFailed
from foedus.node import errands
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import CALL
from tests.node.callees import answer, calling, take
from tests.node.knowing import holds
from tests.node.nodes import until
from tests.node.test_errands import do, form, over, two
from tests.red_team.test_full_disk_at_new_doors import Disk


@pytest.fixture(autouse=True)
def looking_often(monkeypatch):
    monkeypatch.setattr(errands, "LOOK_S", 0.02)
    monkeypatch.setattr(errands, "REFUSED_MAX_S", 0.1)


async def test_a_caller_is_told_at_once_and_may_call_anew(tmp_path):
    async with two(tmp_path) as (_, oak, elm, scout, clerk, capability, _ada):
        disk = Disk(elm)
        disk.is_full = True
        for caller in ("", scout):
            told = await calling(oak, capability, as_=caller)
            assert (told.state, told.code) == ("refused", "disk_full")
        assert elm.node.calls.life.under_way == 0
        disk.is_full = False
        made = calling(oak, capability, as_=scout)
        await answer(elm, clerk)
        assert (await made).output == {"said": "hello"}
        assert await take(elm, clerk, wait_ms=0) is None


async def test_a_task_is_taken_when_there_is_room_once_and_uses_its_grant_once(tmp_path):
    async with two(tmp_path, granted=False) as (_, oak, elm, scout, clerk, capability, ada):
        await holds(elm, await ada.give(scout, Scope(CALL, uses=1, after_foreign=True)))
        disk = Disk(elm)
        disk.is_full = True
        sent = await oak.service.errand_begin(form(scout, capability))
        refused = elm.node.calls.host.refused
        await until(lambda: refused["disk_full"] > 2, "it is tried")
        waits = oak.service.errand(sent.errand, scout)
        assert (waits.state, waits.outcome) != ("over", "refused")
        disk.is_full = False
        await do(elm, clerk)
        assert (await over(oak, sent.errand, scout)).outcome == "result"
        assert set(refused) == {"disk_full"}, "neither its nonce nor its grant was used up before"
        assert await take(elm, clerk, wait_ms=0) is None


async def test_a_refusal_that_was_lost_is_told_again_and_holds(tmp_path, monkeypatch):
    async with two(tmp_path) as (_, oak, elm, scout, clerk, capability, _ada):
        disk, host = Disk(elm), elm.node.calls.host
        disk.is_full = True
        with monkeypatch.context() as broken:
            broken.setattr(host, "_tell", lambda _caller, _frame: None)
            made = calling(oak, capability, as_=scout)
            await until(lambda: host.refused["disk_full"], "it is refused, and nobody hears it")
        disk.is_full = False
        for link in oak.node.links.open():
            oak.node.calls.linked(link)
        told = await made
        assert (told.state, told.code) == ("refused", "disk_full"), "what may have been told is not taken up after all"
        assert await take(elm, clerk, wait_ms=0) is None


async def test_what_may_be_written_is_not_refused(tmp_path, monkeypatch):
    async with two(tmp_path) as (_, oak, elm, scout, _clerk, capability, _ada):
        tried = asyncio.Event()

        async def unknown(*_given):
            tried.set()
            raise DiskFailed("an error while it was written")

        with monkeypatch.context() as failing:
            failing.setattr(elm.node.calls.life, "open", unknown)
            made = calling(oak, capability, as_=scout)
            await tried.wait()
        assert not made.done()
        assert not elm.node.calls.host.refused
