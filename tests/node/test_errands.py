"""Errands: calls that wait for a node, an agent or a person, and run at most once."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from foedus.base.errors import NotFound, UsageError
from foedus.node import errands
from foedus.node.call_forms import WorkResult
from foedus.node.errand_values import ErrandForm
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import CALL
from foedus.trust.standing import Standing
from tests.node.callees import offer
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol

DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def looking_often(monkeypatch):
    monkeypatch.setattr(errands, "LOOK_S", 0.05)


def lets_call(running):
    running.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED


@asynccontextmanager
async def two(folder, *, granted=True):
    """Oak's scout may call elm's clerk; yield nodes, oak, elm, scout, clerk, what is offered, ada."""
    async with street(folder) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada, scout = await enrol(oak, "ada"), await agent(oak, "scout")
        clerk = await agent(elm, "clerk")
        lets_call(elm)
        if granted:
            await ada.give(scout, Scope(CALL, after_foreign=True))
        await connect(oak, elm)
        yield nodes, oak, elm, scout, clerk, await offer(elm, clerk), ada


def form(scout, capability, key="one", **fields):
    given = {
        "did": scout,
        "key": key,
        "context": "harbour",
        "node": capability.node,
        "name": capability.name,
        "offer": capability.offer,
        "input": {"text": "Hallo"},
        "note": b"",
        "wait_ms": DAY_MS,
    }
    return ErrandForm(**given | fields)


async def do(running, clerk):
    work = await running.service.call_work(clerk, 30_000)
    await running.service.call_finish(clerk, work.call, WorkResult(output={"said": work.input["text"]}))


async def over(running, errand, scout):
    await until(lambda: running.service.errand(errand, scout).state == "over", "it is over")
    return running.service.errand(errand, scout)


async def test_an_errand_is_done_and_the_same_again_is_the_same(tmp_path):
    async with two(tmp_path) as (_, oak, elm, scout, clerk, capability, _):
        several = (oak.service.errand_begin(form(scout, capability)) for _ in range(3))
        first, *again = await asyncio.gather(*several)
        assert {it.errand for it in again} == {first.errand}
        await do(elm, clerk)
        ended = await over(oak, first.errand, scout)
        assert (ended.outcome, ended.output) == ("result", {"said": "Hallo"})
        assert (await oak.service.errand_begin(form(scout, capability))).outcome == "result"
        assert await elm.service.call_work(clerk, 0) is None
        assert [it.errand for it in oak.service.errands(scout)] == [first.errand]


async def test_it_waits_for_a_node_that_is_away_and_survives_restarts_of_both(tmp_path):
    async with two(tmp_path) as (nodes, oak, _, scout, clerk, capability, _):
        await nodes.stop("elm")
        await until(lambda: not links(oak), "it left")
        sent = await oak.service.errand_begin(form(scout, capability))
        await until(lambda: oak.service.errand(sent.errand, scout).why == "unreachable", "it waits")
        oak, elm = await nodes.restart("oak"), await nodes.start("elm")  # noqa: PLW2901  # the same, once more
        lets_call(elm)
        await do(elm, clerk)
        assert (await over(oak, sent.errand, scout)).outcome == "result"
        assert await elm.service.call_work(clerk, 0) is None


def links(running):
    return [link for link in running.node.links.open() if link.session.is_open]


async def test_it_waits_for_a_persons_grant(tmp_path):
    async with two(tmp_path, granted=False) as (_, oak, elm, scout, clerk, capability, ada):
        sent = await oak.service.errand_begin(form(scout, capability))
        await until(lambda: oak.service.errand(sent.errand, scout).why, "it waits for a person")
        waiting = oak.service.errand(sent.errand, scout)
        assert waiting.state == "waiting"
        assert waiting.why in {"needs_approval", "grant.human_required"}
        await ada.give(scout, Scope(CALL, after_foreign=True))
        await do(elm, clerk)
        assert (await over(oak, sent.errand, scout)).outcome == "result"


async def test_who_is_told_how_it_ended_has_read_another_node(tmp_path):
    async with two(tmp_path, granted=False) as (_, oak, elm, scout, clerk, capability, ada):
        await ada.give(scout, Scope(CALL))
        sent = await oak.service.errand_begin(form(scout, capability))
        await do(elm, clerk)
        assert (await over(oak, sent.errand, scout)).outcome == "result"
        again = await oak.service.errand_begin(form(scout, capability, key="two"))
        await until(lambda: oak.service.errand(again.errand, scout).why, "it waits for a person")
        waiting = oak.service.errand(again.errand, scout)
        assert (waiting.state, waiting.why) == ("waiting", "needs_approval"), (
            "the grant that carried the first does not now"
        )


async def test_what_was_handed_over_when_its_node_stopped_never_runs_again(tmp_path):
    async with two(tmp_path) as (nodes, oak, elm, scout, clerk, capability, _):
        sent = await oak.service.errand_begin(form(scout, capability))
        assert await elm.service.call_work(clerk, 30_000) is not None
        elm = await nodes.restart("elm")  # noqa: PLW2901  # the same, once more
        lets_call(elm)
        ended = await over(oak, sent.errand, scout)
        assert (ended.outcome, ended.why) == ("unknown", "restarted")
        assert await elm.service.call_work(clerk, 0) is None


async def test_a_crash_between_the_call_and_its_note_makes_no_second_call(tmp_path):
    async with two(tmp_path) as (nodes, oak, elm, scout, clerk, capability, _):
        sent = await oak.service.errand_begin(form(scout, capability))
        errand = bytes.fromhex(sent.errand)
        await until(lambda: oak.node.errands.book.get(errand).call, "it is called")
        call = oak.node.errands.book.get(errand).call
        await oak.node.errands.close()
        await oak.node.errands.book.change(errand, state="waiting", call=b"")
        oak = await nodes.restart("oak")  # noqa: PLW2901  # the same, once more
        await until(lambda: oak.node.errands.book.get(errand).call == call, "it is found again")
        await do(elm, clerk)
        assert (await over(oak, sent.errand, scout)).outcome == "result"
        assert len(oak.node.calls.made()) == 1


async def test_it_is_cancelled_before_and_after_it_is_called(tmp_path):
    async with two(tmp_path, granted=False) as (_, oak, elm, scout, clerk, capability, ada):
        first = await oak.service.errand_begin(form(scout, capability))
        await oak.service.errand_cancel(first.errand, scout)
        assert (await over(oak, first.errand, scout)).outcome == "cancelled"
        await ada.give(scout, Scope(CALL, after_foreign=True))
        second = await oak.service.errand_begin(form(scout, capability, "two"))
        work = await elm.service.call_work(clerk, 30_000)
        assert work is not None
        await oak.service.errand_cancel(second.errand, scout)
        ended = await over(oak, second.errand, scout)
        assert (ended.outcome, bool(ended.call)) == ("cancelled", True)


async def test_what_cannot_be_is_refused_and_ends(tmp_path):
    async with two(tmp_path) as (_, oak, _, scout, _, capability, _):
        sent = await oak.service.errand_begin(form(scout, capability, input={"words": 7}))
        ended = await over(oak, sent.errand, scout)
        assert (ended.outcome, ended.why) == ("refused", "schema_mismatch")
        late = await oak.service.errand_begin(form(scout, capability, "late", node="ab" * 32, wait_ms=1))
        assert (await over(oak, late.errand, scout)).outcome == "late"


async def test_an_errand_is_its_senders_alone(tmp_path):
    async with two(tmp_path) as (_, oak, _, scout, _, capability, ada):
        sent = await oak.service.errand_begin(form(scout, capability))
        tally = await agent(oak, "tally")
        with pytest.raises(NotFound):
            oak.service.errand(sent.errand, tally)
        assert oak.service.errands(tally) == []
        with pytest.raises(UsageError, match="key of its own"):
            await oak.service.errand_begin(form(ada.did, capability))


async def test_progress_and_ends_are_told(tmp_path):
    async with two(tmp_path) as (_, oak, elm, scout, clerk, capability, _):
        sent = await oak.service.errand_begin(form(scout, capability))
        told = []

        async def listen():
            async for news in oak.service.errand_follow(sent.errand, scout):
                told.append((news.errand.state, news.number, news.data))  # noqa: PERF401  # looked at meanwhile

        listening = asyncio.create_task(listen())
        work = await elm.service.call_work(clerk, 30_000)
        await elm.service.call_progress(clerk, work.call, {"done": 1})
        await until(lambda: ("called", 1, {"done": 1}) in told, "progress is told")
        await elm.service.call_finish(clerk, work.call, WorkResult(output={"said": "x"}))
        await asyncio.wait_for(listening, 30)
        assert told[-1][0] == "over"
