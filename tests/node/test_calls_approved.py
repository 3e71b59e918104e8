"""An agent's call without a grant: a human sees it, and allows this one, or such calls from now on, or says no."""

from contextlib import asynccontextmanager

import pytest

from foedus.base.base64url import from_base64url
from foedus.base.errors import FoedusError
from foedus.node import errands
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import CALL
from foedus.trust.standing import Standing
from tests.node.callees import answer, form, offer, signed_call
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.test_errands import form as errand_form

CODES = ("needs_approval", 403)


@asynccontextmanager
async def border_of(folder):
    """Node a has the humans ada and bob and the agents scout and rover; b offers what clerk does."""
    async with street(folder) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        clerk = await agent(b, "clerk")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        yield it, a, b, ada, scout, clerk, await offer(b, clerk)


@pytest.fixture
async def border(tmp_path):
    async with border_of(tmp_path) as it:
        yield it


async def refused(coming):
    with pytest.raises(FoedusError) as error:
        await coming
    return error.value.code, error.value.http_status


async def test_the_node_makes_the_call_that_a_human_allowed(border):
    _, a, b, ada, scout, clerk, capability = border
    assert await refused(a.service.call(form(capability, as_=scout))) == CODES
    waiting = await a.service.call_propose(form(capability, as_=scout))
    assert (waiting.state, waiting.kind, waiting.command) == ("waiting", "agent.call", CALL)
    assert (waiting.text, waiting.host_name, waiting.hosts) == ('echo {"text":"hello"}', "b", [b.id])
    assert waiting.arguments["capability"] == "echo"
    again = await a.service.call_propose(form(capability, as_=scout))
    assert again.id == waiting.id, "nobody is asked twice"
    done = await ada.allow(waiting.id)
    assert done.state == "done"
    assert scout not in a.node.consent._readers
    work = await answer(b, clerk)
    view = await a.service.call_wait(done.event, wait_s=30)
    assert (work.call, view.outcome, view.output) == (done.event, "result", {"said": "hello"})
    assert scout in a.node.consent._readers, "what came back counts as read from strangers"
    assert await refused(a.service.call(form(capability, as_=scout))) == CODES, "another call is not allowed by that"


async def test_a_no_is_told_and_such_calls_may_be_allowed_from_now_on(border):
    _, a, b, ada, scout, clerk, capability = border
    waiting = await a.service.call_propose(form(capability, as_=scout))
    await a.service.approval_deny(waiting.id, ada.did, "not today")
    told = await a.service.approval(waiting.id, wait_s=30)
    assert (told.state, told.reason, told.event) == ("denied", "not today", "")
    assert not list(a.node.calls.made())
    assert b.node.calls.life.under_way == 0
    waiting = await a.service.call_propose(form(capability, as_=scout))
    done = await ada.allow(waiting.id, Scope(CALL, hosts=[b.id], capabilities=["echo"], uses=60, after_foreign=True))
    assert done.state == "done"
    await answer(b, clerk)
    await a.service.call_wait(done.event, wait_s=30)
    assert await refused(a.service.call_propose(form(capability, as_=scout))) == ("no_approval_needed", 409)
    assert await refused(a.service.call_propose(form(capability, as_=ada.did))) == ("no_approval_needed", 409)
    shout = await offer(b, clerk, "shout")
    assert (await a.service.call_propose(form(shout, as_=scout))).state == "waiting", "not for that capability"
    helper = await agent(a, "helper")
    at_home = await offer(a, helper, "help")
    assert await refused(a.service.call_propose(form(at_home, as_=scout))) == ("no_approval_needed", 409)
    assert not b.service.approvals()


async def test_an_agent_with_a_key_of_its_own_signs_what_was_allowed(border):
    _, a, b, ada, _, clerk, capability = border
    rover = await enrol(a, "rover", "agent")
    waiting = await a.service.call_propose(form(capability, as_=rover.did))
    assert await refused(a.service.call(signed_call(rover, capability))) == ("grant.human_required", 403)
    allowed = await ada.allow(waiting.id)
    assert allowed.state == "allowed", "it signs for itself"
    again = await a.service.call_propose(form(capability, as_=rover.did))
    assert (again.id, again.grants) == (waiting.id, allowed.grants), "asked again it is told what was allowed"
    nonce = from_base64url(allowed.salt, "salt")
    coming = await a.service.call_follow(signed_call(rover, capability, nonce=nonce, grants=allowed.grants))
    await answer(b, clerk)
    *_, view = [it async for it in coming]
    assert (view.outcome, view.output) == ("result", {"said": "hello"})
    told = await a.service.approval(waiting.id)
    assert (told.state, told.event) == ("done", view.call)


async def test_a_call_that_waits_outlives_a_restart_and_is_not_made_while_its_node_is_away(border):
    it, a, b, ada, scout, clerk, capability = border
    waiting = await a.service.call_propose(form(capability, as_=scout))
    again = await it.restart("a")
    await until(lambda: again.is_linked(it.running["b"]), "b may be called again")
    ada.running = again
    done = await ada.allow(waiting.id)
    await answer(b, clerk)
    assert (await again.service.call_wait(done.event, wait_s=30)).outcome == "result"
    waiting = await again.service.call_propose(form(capability, as_=scout))
    await it.stop("b")
    await until(lambda: not again.is_linked(b), "b is away")
    failed = await ada.allow(waiting.id)
    assert failed.state == "failed"
    assert failed.reason.startswith("unreachable")


async def test_an_errand_waits_for_a_yes_to_its_own_call_and_ends_with_a_no(border, monkeypatch):
    monkeypatch.setattr(errands, "LOOK_S", 0.05)
    _, a, b, ada, scout, clerk, capability = border
    elsewhere = await a.service.call_propose(form(capability, text="Hallo", as_=scout))
    kept = await a.service.errand_begin(errand_form(scout, capability))
    await until(lambda: len(a.service.approvals()) == 2, "a person is asked for the errand, too")
    asked = next(view for view in a.service.approvals() if view.id != elsewhere.id)
    await until(lambda: asked.id in a.service.errand(kept.errand, scout).words, "it says whom it waits for")
    assert a.service.errand(kept.errand, scout).why == "needs_approval"
    await ada.allow(asked.id)
    await answer(b, clerk)
    await until(lambda: a.service.errand(kept.errand, scout).state == "over", "it is over")
    assert a.service.errand(kept.errand, scout).outcome == "result"
    assert (await a.service.approval(asked.id)).state == "done"
    assert (await a.service.approval(elsewhere.id)).state == "waiting"
    for key in ("two", "three"):
        kept = await a.service.errand_begin(errand_form(scout, capability, key))
        await until(lambda: any(_is_asked(view, elsewhere) for view in a.service.approvals()), "a person is asked")
        (asked,) = [view for view in a.service.approvals() if _is_asked(view, elsewhere)]
        if key == "two":
            await a.service.approval_deny(asked.id, ada.did, "not today")
        else:
            await a.service.errand_cancel(kept.errand, scout)
        await until(lambda errand=kept.errand: a.service.errand(errand, scout).state == "over", "it is over")
        over = a.service.errand(kept.errand, scout)
        assert (over.outcome, over.why) == (("refused", "denied") if key == "two" else ("cancelled", "needs_approval"))
        assert (await a.service.approval(asked.id)).state == ("denied" if key == "two" else "expired")


def _is_asked(view, elsewhere):
    return view.state == "waiting" and view.id != elsewhere.id
