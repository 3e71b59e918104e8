"""A node that dates its claims of tasks back: how far it gets, and what those do whom it took the task from."""

import pytest

from foedus.base.clock import Hlc
from foedus.base.ids import parse_id
from tests.node.knowing import DOMAIN, ClaimForm, DoneForm, OfferForm, holds, publish, tell
from tests.node.nodes import connect, street, until


@pytest.fixture
async def three(tmp_path):
    """Who offers, who is honest, and who lies; all hear of each other's knowledge."""
    async with street(tmp_path) as it:
        a, b, liar = [await it.add(name) for name in ("offering", "honest", "lying")]
        await connect(a, b)
        await connect(a, liar)
        yield a, b, liar


def hlc_of(it, event):
    return it.node.log.by_ids([parse_id(event)])[parse_id(event)].hlc


def lie(it, monkeypatch, hlc):
    """Let a node write whatever clock it likes."""
    monkeypatch.setattr(it.node.store.clock, "tick", lambda _now, _after: hlc)


async def holder(it, task):
    view = await it.service.task(task)
    return view.holder.node if view.holder else ""


async def offered_and_claimed(a, b, liar):
    task = (await tell(a, OfferForm(domain=DOMAIN, title="Count bees"))).id
    for node in (b, liar):
        await holds(node, task)
    claim = (await tell(b, ClaimForm(task=task))).id
    for node in (a, liar):
        await holds(node, claim)
    return task


async def test_a_claim_from_before_the_offer_counts_nowhere(three, monkeypatch):
    a, b, liar = three
    task = await offered_and_claimed(a, b, liar)
    lie(liar, monkeypatch, Hlc(hlc_of(a, task).us - 1, 0))
    claim = (await tell(liar, ClaimForm(task=task))).id
    for node in (a, b, liar):
        await holds(node, claim)
        assert await holder(node, task) == b.id


async def test_nobody_dates_back_beyond_what_they_said_last(three, monkeypatch):
    """Clocks grow along a chain: what was ever said in the domain is as far as a lie can go, at every honest node."""
    a, b, liar = three
    task = (await tell(a, OfferForm(domain=DOMAIN, title="Count bees"))).id
    for node in (b, liar):
        await holds(node, task)
    await holds(a, (await tell(b, ClaimForm(task=task))).id)
    await holds(a, await publish(liar, "Wasps"))
    lie(liar, monkeypatch, Hlc(hlc_of(a, task).us + 1, 0))
    await tell(liar, ClaimForm(task=task))
    await until(lambda: a.node.ingest.refusals["hlc_not_growing"], "it is refused")
    for node in (a, b):
        assert await holder(node, task) == b.id


async def test_who_offered_takes_the_task_away_from_who_dated_back(three, monkeypatch):
    a, b, liar = three
    task = await offered_and_claimed(a, b, liar)
    lie(liar, monkeypatch, Hlc(hlc_of(a, task).us + 1, 0))
    claim = (await tell(liar, ClaimForm(task=task))).id
    for node in (a, b, liar):
        await holds(node, claim)
        assert await holder(node, task) == liar.id, "all agree, though on a lie"
    over = (await tell(a, DoneForm(task=task, outcome="cancelled"))).id
    for node in (a, b, liar):
        await holds(node, over)
        assert (await node.service.task(task)).state == "cancelled"
