"""A company's agents call another's without a person's yes, or with one that was for something else.

Their own node's checks are off: what holds is the callee's node. Each story ends refused and counted there, audited,
and nobody was handed any work.
"""

import secrets
from contextlib import asynccontextmanager

import pytest

from foedus.base.base64url import from_base64url
from foedus.base.limits import DAY, MINUTE
from foedus.identity.ucan import issue_delegation
from foedus.node.carrying import NeedsApproval
from foedus.surfaces.cli.delegating import Scope, grant_draft
from foedus.trust.agreements.terms import Terms
from foedus.trust.border import CALL
from foedus.trust.standing import Standing
from tests.node.callees import answer, form, offer, signed_call
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.test_agreements_across_nodes import agree
from tests.red_team.ending import audited, counted


@asynccontextmanager
async def unbridled(folder):
    """Node a asks nobody. Its people are ada and bob, its agents rover and hound; b offers what clerk does."""
    async with street(folder) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, bob = await enrol(a, "ada"), await enrol(a, "bob")
        rover, hound = await enrol(a, "rover", "agent"), await enrol(a, "hound", "agent")
        clerk = await agent(b, "clerk")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        a.service._call_maker.check_consent = lambda _made: None
        yield a, b, (ada, bob), (rover, hound), clerk, await offer(b, clerk)


@pytest.fixture
async def border(tmp_path):
    async with unbridled(tmp_path) as it:
        yield it


async def allowed(a, human, who, capability, **fields):
    """Have a person allow a call; return its nonce and the grants to cite."""
    waiting = await a.service.call_propose(form(capability, as_=who.did, **fields))
    view = await human.allow(waiting.id)
    return {"nonce": from_base64url(view.salt, "salt"), "grants": view.grants}


async def refused(a, b, call, clause):
    """Make a call, and see that the callee's node did not take it up, for the reason that it should."""
    view = await a.service.call(call)
    assert (view.state, view.code) == ("refused", clause)
    await counted(b, clause)
    await audited(b, clause, "refused", a.id)
    assert b.node.calls.life.under_way == 0


async def works(a, b, clerk, call):
    coming = await a.service.call_follow(call)
    await answer(b, clerk)
    *_, view = [one async for one in coming]
    assert (view.state, view.outcome) == ("ended", "result")


async def test_an_agent_without_a_yes_and_a_node_that_makes_calls_without_asking(border):
    a, b, _, (rover, _), _, capability = border
    await refused(a, b, signed_call(rover, capability), "grant.human_required")
    scout = await agent(a, "scout")
    with pytest.raises(NeedsApproval):
        await a.service.call(form(capability, as_=scout))
    a.node.consent.carrying = lambda _draft, _crossing: []
    await refused(a, b, form(capability, as_=scout), "grant.human_required")


async def test_a_yes_that_is_used_twice_also_when_its_first_call_is_long_over(border):
    a, b, (ada, _), (rover, _), clerk, capability = border
    yes = await allowed(a, ada, rover, capability)
    await works(a, b, clerk, signed_call(rover, capability, **yes))
    await refused(a, b, signed_call(rover, capability, **yes), "ucan_replayed")
    clock = b.node.store.now
    for node in (a.node, b.node):
        node.store.now = lambda: clock() + 5 * MINUTE  # the call could not be made any more; the grant still holds
    await refused(a, b, signed_call(rover, capability, **yes), "ucan_replayed")


async def test_a_yes_that_is_used_by_one_and_passed_on_to_another(border):
    a, b, (ada, _), (rover, hound), clerk, capability = border
    yes = await allowed(a, ada, rover, capability)
    ucan = issue_delegation(
        rover.key,
        audience=hound.did,
        subject=ada.did,
        command=CALL,
        policy=[],
        nonce=secrets.token_bytes(16),
        expires=None,
    )
    passed_on = await a.service.participant_act(rover.did, rover.sign(grant_draft(rover.did, rover.enrolment, ucan)))
    await works(a, b, clerk, signed_call(rover, capability, **yes))
    both = yes | {"grants": [*yes["grants"], passed_on.id]}
    await refused(a, b, signed_call(hound, capability, **both), "ucan_replayed")


async def test_a_yes_to_something_else(border):
    a, b, (ada, _), (rover, hound), clerk, capability = border
    yes = await allowed(a, ada, rover, capability)
    other = "grant.policy_mismatch"
    await refused(a, b, signed_call(rover, capability, **yes, text="all that you have"), other)
    await refused(a, b, signed_call(rover, capability, **yes | {"nonce": secrets.token_bytes(16)}), other)
    await refused(a, b, signed_call(rover, await offer(b, clerk, "shout"), **yes), other)
    await refused(a, b, signed_call(hound, capability, **yes), "grant.human_required")


async def test_a_yes_that_is_taken_back_before_the_call_comes_and_one_for_ever(border):
    a, b, (ada, _), (rover, _), _, capability = border
    yes = await allowed(a, ada, rover, capability)
    taken_back = await ada.take_back(yes["grants"][0])
    await until(lambda: b.service.event(taken_back.id), "the other node holds that it is taken back")
    await refused(a, b, signed_call(rover, capability, **yes), "grant.human_required")
    waiting = await a.service.call_propose(form(capability, as_=rover.did))
    view = await ada.allow(waiting.id, Scope(CALL, digest=waiting.digest, lasts=30 * DAY))
    call = signed_call(rover, capability, nonce=from_base64url(view.salt, "salt"), grants=view.grants)
    await refused(a, b, call, "ucan_invalid_claim")


async def test_one_yes_where_the_agreement_asks_for_two(border):
    a, b, (ada, bob), (rover, _), clerk, capability = border
    await agree(a, b, Terms(approvals={CALL: 2}), proposed_by=ada)
    waiting = await a.service.call_propose(form(capability, as_=rover.did))
    assert waiting.needed == 2
    first = await ada.allow(waiting.id)
    assert first.state == "waiting"
    yes = {"nonce": from_base64url(first.salt, "salt"), "grants": first.grants}
    await refused(a, b, signed_call(rover, capability, **yes), "grant.approvals")
    both = await bob.allow(waiting.id)
    assert (both.state, both.humans) == ("allowed", [ada.did, bob.did])
    await works(a, b, clerk, signed_call(rover, capability, **yes | {"grants": both.grants}))
