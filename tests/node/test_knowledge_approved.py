"""What an agent publishes to other nodes waits for a person, unless a grant carries it; what stays at home does not."""

import pytest

from foedus.base.base64url import from_base64url
from foedus.base.errors import FoedusError
from foedus.log import streams
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.signing import Draft
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.border import PUBLISH
from foedus.trust.standing import Standing
from foedus.trust.tiers import Tier
from tests.node.knowing import DOMAIN, PublishForm, RetractForm, ReviseForm, finds, holds, tell, titles
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.test_agreements_across_nodes import agree


@pytest.fixture
async def pair(tmp_path):
    """Two connected nodes; a has the human ada and the agent scout, whom b lets contribute."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        await agent(a, "scout")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        yield it, a, b, ada


def packet(title="By an agent", **more):
    return PublishForm(**{"domain": DOMAIN, "title": title, "content": "what it says", "as_": "scout"} | more)


async def test_a_packet_waits_is_seen_whole_and_published_revised_and_taken_back_as_it_is_allowed(pair):
    _, a, b, ada = pair
    placed = await tell(a, packet())
    assert (placed.id, placed.seq) == ("", 0)
    view = await a.service.approval(placed.approval)
    assert (view.state, view.command, view.kind) == ("waiting", PUBLISH, "knowledge.publish")
    assert (view.text, view.arguments["domain"], view.hosts) == ("By an agent\n\nwhat it says", DOMAIN, [b.id])
    assert await titles(a, "agent") == [], "nothing of it is published yet, at home neither"
    assert (await tell(a, packet())).approval == placed.approval, "nobody is asked twice"
    done = await ada.allow(placed.approval)
    assert done.state == "done"
    await finds(b, "agent", ["By an agent"])
    assert (await a.service.knowledge_show(done.event)).id == done.event
    revised = await tell(a, ReviseForm(packet=done.event, title="Said anew", as_="scout"))
    assert (await a.service.approval(revised.approval)).text == "Said anew"
    event = (await ada.allow(revised.approval)).event
    refs = a.node.log.by_ids([bytes.fromhex(event)])[bytes.fromhex(event)]
    assert refs.verdict.name == "ACCEPTED"
    await finds(b, "anew", ["Said anew"])
    retracted = await tell(a, RetractForm(packet=done.event, reason="wrong", as_="scout"))
    assert (await a.service.approval(retracted.approval)).text.startswith("takes back packet ")
    await holds(b, (await ada.allow(retracted.approval)).event)
    assert (await b.service.knowledge_show(done.event)).state == "retracted"


async def test_it_may_be_refused_or_allowed_from_now_on_and_several_at_once_need_a_grant(pair):
    _, a, b, ada = pair
    with pytest.raises(FoedusError) as refused:
        await a.service.knowledge_tell([packet("One"), packet("Two")])
    assert refused.value.code == "needs_approval"
    assert a.service.approvals() == []
    first = await tell(a, packet("First"))
    await a.service.approval_deny(first.approval, ada.did, "not that")
    assert (await a.service.approval(first.approval)).state == "denied"
    second = await tell(a, packet("Second"))
    assert (await ada.allow(second.approval, Scope(PUBLISH, domains=[DOMAIN], uses=10))).state == "done"
    third = await tell(a, packet("Third"))
    assert (third.approval, third.kept_from) == ("", [])
    for title in ("Second", "Third"):
        await finds(b, title, [title])
    assert await titles(a, "first") == []
    placed = await a.service.knowledge_tell([packet("One"), packet("Two")])
    await holds(b, placed[-1].id)


async def test_what_flows_to_nobody_does_not_wait(pair):
    _, a, b, ada = pair
    await a.service.peer_tier(b.id, Tier.SANDBOX.value)
    placed = await tell(a, packet("Of our own"))
    assert (bool(placed.id), placed.approval, placed.kept_from) == (True, "", [])
    assert await titles(a, "own") == ["Of our own"]
    await a.service.peer_tier(b.id, Tier.CORE.value)
    await agree(a, b, Terms(ours=SideTerms(directions=["room"])), proposed_by=ada)
    placed = await tell(a, packet("Of our own"))
    assert (bool(placed.id), placed.approval) == (True, "")


async def test_an_approval_names_every_node_that_it_reaches_and_a_grant_for_one_carries_it_there(pair):
    it, a, b, ada = pair
    c = await it.add("c")
    await connect(a, c)
    c.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
    placed = await tell(a, packet())
    view = await a.service.approval(placed.approval)
    assert sorted(view.hosts) == sorted([b.id, c.id])
    assert sorted(view.host_names) == ["b", "c"]
    await ada.allow(placed.approval)
    for node in (b, c):
        await finds(node, "agent", ["By an agent"])
    await ada.give(a.node.agents.find("scout").did, Scope(PUBLISH, hosts=[b.id]))
    placed = await tell(a, packet("For one"))
    assert [(kept.node, kept.clause) for kept in placed.kept_from] == [(c.id, "grant.policy_mismatch")]
    await finds(b, "one", ["For one"])


async def test_an_agent_with_a_key_of_its_own_asks_and_signs(pair):
    _, a, b, ada = pair
    rover = await enrol(a, "rover", "agent")
    form = packet(as_=rover.did)

    async def signed(grants=(), salt=b""):
        act = rover.sign(_draft(rover, form, grants), salt)
        return await a.service.knowledge_signed(DOMAIN, [act])

    with pytest.raises(FoedusError) as refused:
        await signed()
    assert refused.value.code == "needs_approval"
    asked = await a.service.knowledge_propose(form)
    allowed = await ada.allow(asked.id)
    assert allowed.state == "allowed"
    assert (await a.service.knowledge_propose(form)).id == asked.id, "asked again it is told what was allowed"
    (placed,) = await signed(map(bytes.fromhex, allowed.grants), from_base64url(allowed.salt, "salt"))
    assert placed.kept_from == []
    assert (await a.service.approval(asked.id)).event == placed.id
    await finds(b, "agent", ["By an agent"])


def _draft(who, form, grants):
    return Draft(who.did, streams.knowledge(DOMAIN), form.kind, form.body(), (who.enrolment, *grants))


def _draft(who, form, grants):
    return Draft(who.did, streams.knowledge(DOMAIN), form.kind, form.body(), (who.enrolment, *grants))


async def test_what_was_allowed_just_before_a_crash_is_published_after_it(pair):
    it, a, b, ada = pair
    placed = await tell(a, packet())
    a.node.consent._do = _keep
    allowed = await ada.allow(placed.approval)
    assert allowed.state == "allowed"
    again = await it.restart("a")
    await until(lambda: again.service.approvals()[0].state == "done", "it is published")
    await finds(b, "agent", ["By an agent"])


async def _keep(approval):
    return approval


async def test_two_people_where_the_agreement_asks_for_two(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, bob = await enrol(a, "ada"), await enrol(a, "bob")
        await agent(a, "scout")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        await agree(a, b, Terms(approvals={PUBLISH: 2}), proposed_by=ada)
        placed = await tell(a, packet())
        assert (await a.service.approval(placed.approval)).needed == 2
        assert (await ada.allow(placed.approval)).state == "waiting"
        assert await titles(b, "agent") == []
        assert (await bob.allow(placed.approval)).state == "done"
        await finds(b, "agent", ["By an agent"])
