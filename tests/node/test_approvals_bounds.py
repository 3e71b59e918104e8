"""What waits for a human is bounded for each who asks, and memory says what is on the disk."""

import asyncio

import pytest

from foedus.log.port import Commit, Value
from foedus.node import approvals as approvals_module
from foedus.node.approvals import APPROVALS, WAITING_EACH_MAX, TooManyApprovals
from tests.node.nodes import connect, share, street
from tests.node.people import agent, enrol


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room. Node b has the human ada and two agents without a grant."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        for name in ("scout", "second"):
            await agent(b, name)
        await connect(b, a)
        await share(a, b)
        yield b, ada


async def test_one_agent_leaves_room_for_others_however_fast_it_asks(border):
    b, ada = border
    asked = [b.say(f"may I, {number}?", "scout") for number in range(WAITING_EACH_MAX + 8)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [it for it in answers if isinstance(it, TooManyApprovals)]
    assert len(refused) == 8
    assert (await b.say("may I?", "second")).approval
    await ada.allow(answers[0].approval)
    assert (await b.say("and now?", "scout")).approval, "what is decided waits no longer"


async def test_an_approval_is_let_go_only_once_that_is_durable(border):
    b, ada = border
    approvals, store = b.node.consent.approvals, b.node.store
    placed = await b.say("forget it", "scout")
    done = await ada.allow(placed.approval)
    (row,) = store.log.by_ids([bytes.fromhex(done.event)]).values()
    values = approvals.forget(row)
    assert approvals.get(placed.approval).state == "done", "the disk may yet refuse"
    await store.commit(Commit(values=values, drops=[row.id]))  # as an erasure does
    assert approvals.all() == []


async def test_after_a_commit_that_failed_the_approvals_are_those_of_the_disk(border):
    b, _ = border
    approvals, store = b.node.consent.approvals, b.node.store
    kept, lost = [await b.say(text, "scout") for text in ("kept", "lost")]
    store.log.commit(Commit(values=[Value(APPROVALS, bytes.fromhex(lost.approval), None)]))
    store.reload()
    assert [held.id for held in approvals.all()] == [kept.approval]


async def test_those_decided_long_ago_make_room_in_memory_too(border, monkeypatch):
    monkeypatch.setattr(approvals_module, "KEPT_MAX", 2)
    b, ada = border
    for number in range(4):
        placed = await b.say(f"may I, {number}?", "scout")
        await b.service.approval_deny(placed.approval, ada.did, "")
    assert len(b.service.approvals()) == 2
