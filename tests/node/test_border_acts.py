"""Agents that speak at another node: only in the name of a human, whom that node can check."""

import asyncio

import pytest

from foedus.base.base64url import from_base64url
from foedus.base.errors import FoedusError
from foedus.base.limits import DAY, MINUTE
from foedus.node.room_forms import Said
from foedus.node.store import wall_clock
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import SPEAK
from tests.node.border import border_of
from tests.node.nodes import until
from tests.node.people import enrol


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room; node b has the human ada, whom the agreement names, and the agent scout."""
    async with border_of(tmp_path) as it:
        yield it


async def test_an_agent_waits_for_a_human_and_then_speaks(border):
    _, a, b, ada, _ = border
    placed = await b.say("may I?", "scout")
    assert (placed.id, placed.seq) == ("", 0)
    waiting = await b.service.approval(placed.approval)
    assert (waiting.state, waiting.text, waiting.agent.name) == ("waiting", "may I?", "scout")
    assert waiting.clause == "grant.human_required"
    assert any(trouble.code == "approval" for trouble in b.service.status().troubles)
    done = await ada.allow(placed.approval)
    assert done.state == "done"
    await until(lambda: a.texts() == ["may I?"], "the other side shows it")
    assert a.service.messages("plans").messages[0].verified


async def test_a_denied_act_is_never_said_and_the_agent_is_told_at_once(border):
    _, a, b, ada, _ = border
    placed = await b.say("let me out", "scout")
    denied = await b.service.approval_deny(placed.approval, ada.did, "no")
    assert denied.state == "denied"
    assert (await b.service.approval(placed.approval, wait_s=5)).reason == "no"
    with pytest.raises(FoedusError, match="denied already"):
        await ada.allow(placed.approval)
    assert a.texts() == b.texts() == []


async def test_what_nobody_decided_on_for_a_day_is_dropped(tmp_path):
    ahead = [0]
    async with border_of(tmp_path, lambda: wall_clock() + ahead[0]) as (_, _, b, ada, _):
        placed = await b.say("may I?", "scout")
        ahead[0] = DAY - MINUTE * 10
        assert (await b.service.approval(placed.approval)).state == "waiting"
        ahead[0] = DAY
        assert (await b.service.approval(placed.approval, wait_s=5)).state == "expired"
        assert "approval" not in {trouble.code for trouble in b.service.status().troubles}
        for decide in (ada.allow(placed.approval), b.service.approval_deny(placed.approval, ada.did, "")):
            with pytest.raises(FoedusError, match="expired already"):
                await decide
        assert b.texts() == []
        assert (await b.say("may I?", "scout")).approval not in {"", placed.approval}, "it may ask again"


async def test_a_standing_grant_carries_until_it_is_revoked(border):
    _, a, b, ada, scout = border
    grant = await ada.give(scout)
    await b.say("one", "scout")
    await until(lambda: a.texts() == ["one"], "it crosses")
    await ada.take_back(grant)
    assert (await b.say("two", "scout")).approval
    assert b.service.grant(grant).state == "revoked"


async def test_a_grant_for_another_room_or_command_does_not_carry(border):
    _, _, b, ada, scout = border
    await ada.give(scout, Scope(SPEAK, rooms=["00" * 32]))
    await ada.give(scout, Scope("/foedus/query/ask"))
    await ada.give(scout, Scope("/foedus/room/speakers"))
    assert (await b.say("?", "scout")).approval


async def test_uses_are_counted_by_the_hour(border):
    it, a, b, ada, scout = border
    await ada.give(scout, Scope(SPEAK, uses=2))
    for text in ("one", "two"):
        assert (await b.say(text, "scout")).id
    assert (await b.say("three", "scout")).approval
    with pytest.raises(FoedusError, match="needs a human"):
        await b.service.say_batch("plans", [Said(text="x", as_="scout"), Said(text="y", as_="scout")])
    b = await it.restart("b")
    assert (await b.say("four", "scout")).approval, "a restart forgets no use"
    await until(lambda: a.texts() == ["one", "two"], "two crossed")


async def test_after_reading_strangers_only_marked_grants_count(border):
    _, a, b, ada, scout = border
    await ada.give(scout)
    await b.node.consent.note_read(scout)
    assert (await b.say("?", "scout")).approval
    await ada.give(scout, Scope(SPEAK, after_foreign=True))
    assert (await b.say("!", "scout")).id
    await until(lambda: a.texts() == ["!"], "it crosses")


async def test_an_agent_with_its_own_key_cites_the_grant_itself(border):
    _, a, b, ada, _ = border
    rover = await enrol(b, "rover", "agent")
    with pytest.raises(FoedusError, match="needs a human"):
        await rover.say("hello")
    asked = await b.service.approval_ask("plans", "rover", "hello")
    assert asked.state == "waiting"
    grant = await ada.give(rover.did)
    assert (await rover.say("hello", grants=[bytes.fromhex(grant)])).id
    await until(lambda: a.texts() == ["hello"], "it crosses")


async def test_an_agent_with_its_own_key_that_asks_again_gets_what_was_allowed_once(border):
    _, a, b, ada, _ = border
    rover = await enrol(b, "rover", "agent")
    first = await b.service.approval_ask("plans", "rover", "hello")
    assert (await b.service.approval_ask("plans", "rover", "hello")).id == first.id, "nobody is asked twice"
    assert (await b.service.approval_ask("plans", "rover", "hello!")).id != first.id
    told = asyncio.create_task(b.service.approval(first.id, wait_s=30))
    await ada.allow(first.id)
    assert (await asyncio.wait_for(told, 25)).state == "allowed", "it is told at once, since nobody else goes on"
    again = await b.service.approval_ask("plans", "rover", "hello")
    assert (again.id, again.state, again.salt) == (first.id, "allowed", first.salt)
    grants = [bytes.fromhex(each) for each in again.grants]
    placed = await rover.say("hello", grants=grants, salt=from_base64url(again.salt, "salt"))
    done = await b.service.approval(first.id)
    assert (done.state, done.event) == ("done", placed.id)
    assert (await b.service.approval_ask("plans", "rover", "hello")).state == "waiting", "once is once"
    await until(lambda: a.texts() == ["hello"], "it crosses")


async def test_a_human_speaks_for_themselves(border):
    _, a, _, ada, _ = border
    await ada.say("it is me")
    await until(lambda: a.texts() == ["it is me"], "it crosses")


async def test_what_was_allowed_before_a_crash_is_done_after_it(border, monkeypatch):
    it, a, b, ada, _ = border
    placed = await b.say("survivor", "scout")

    async def crash(_approval):
        raise RuntimeError("the power went")

    monkeypatch.setattr(b.node.consent, "_do", crash)
    with pytest.raises(RuntimeError):
        await ada.allow(placed.approval)
    b = await it.restart("b")
    assert (await b.service.approval(placed.approval)).state == "done"
    await until(lambda: a.texts() == ["survivor"], "it crosses")


async def test_an_agent_with_its_own_key_learns_what_to_cite(border):
    _, a, b, ada, _ = border
    rover = await enrol(b, "rover", "agent")
    grant = await ada.give(rover.did)
    asked = await b.service.approval_ask("plans", "rover", "hello")
    assert (asked.state, asked.grants, asked.id) == ("allowed", [grant], "")
    assert b.service.approvals() == []
    await rover.say("hello", grants=[bytes.fromhex(each) for each in asked.grants])
    await until(lambda: a.texts() == ["hello"], "it crosses")


async def test_what_was_done_is_not_done_again_though_a_backup_says_it_waits(border):
    _, a, b, ada, _ = border
    placed = await b.say("once", "scout")
    before = b.node.consent.approvals.get(placed.approval)
    done = await ada.allow(placed.approval)
    await b.node.consent.approvals.save(before)
    with pytest.raises(FoedusError, match="done already"):
        await ada.allow(placed.approval)
    assert (await b.service.approval(placed.approval)).event == done.event
    await until(lambda: a.texts() == ["once"], "it crossed")
    assert b.texts() == ["once"]
