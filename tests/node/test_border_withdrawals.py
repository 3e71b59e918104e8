"""What humans take back, and what several of them have to allow, between two real nodes."""

import pytest
from msgspec.structs import replace

from foedus.base.errors import FoedusError
from foedus.identity.ucan import issue_delegation
from foedus.log import streams
from foedus.surfaces.cli.delegating import Scope, grant_draft, revocation_draft
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.border import ASK, SPEAK
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.questions import send_raw
from tests.node.test_agreements_across_nodes import agree


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room; node b has the humans ada and bea, whom the agreement names, and the agent scout."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, bea = await enrol(b, "ada"), await enrol(b, "bea")
        scout = await agent(b, "scout")
        await connect(b, a)
        await share(a, b)
        yield it, a, b, ada, bea, scout


def is_withdrawn_at(node, human, grant):
    who = node.node.store.admission.authority.participants.get((bytes.fromhex(human.running.id), human.did))
    held = who.grants.get(bytes.fromhex(grant)) if who else None
    return held is not None and held.delegation.cid in who.withdrawals


async def test_a_revocation_reaches_a_connected_node_at_once(border):
    _, a, b, ada, _, scout = border
    grant = await ada.give(scout)
    await b.say("before", "scout")
    await until(lambda: a.texts() == ["before"], "it crosses")
    await ada.take_back(grant)
    await until(lambda: is_withdrawn_at(a, ada, grant), "a knows")
    assert a.texts() == ["before"], "what was said before stands"


async def test_a_revocation_binds_who_was_away_when_it_comes_back(border):
    it, a, b, ada, _, scout = border
    grant = await ada.give(scout)
    await b.say("before", "scout")
    await until(lambda: a.texts() == ["before"], "it crosses")
    await it.stop("a")
    b.node.author._check_authority = lambda *_: None
    b.node.consent.cite = lambda drafts: [_citing(draft, grant) for draft in drafts]
    await ada.take_back(grant)
    await b.say("after, unbridled", "scout")
    a = await it.start("a")
    await until(lambda: len(a.service.messages("plans").messages) == 2, "a catches up", 30)
    last = a.service.messages("plans").messages[-1]
    assert (last.why_not, last.text) == ("revoked_grant", None)


def _citing(draft, grant):
    return draft._replace(act=replace(draft.act, auth=(*draft.act.auth, bytes.fromhex(grant))))


async def test_any_human_above_a_link_takes_it_back(border):
    _, a, b, ada, bea, scout = border
    chief = await enrol(b, "chief", "agent")
    first = await ada.give(chief.did)
    ucan = issue_delegation(
        chief.key,
        audience=scout,
        subject=ada.did,
        command=SPEAK,
        policy=[],
        nonce=bytes(12),
        expires=None,
    )
    placed = await b.service.participant_act(chief.did, chief.sign(grant_draft(chief.did, chief.enrolment, ucan)))
    await b.say("by two links", "scout")
    await until(lambda: a.texts() == ["by two links"], "it crosses")
    link = b.service._grant(placed.id)
    assert b.service.grant(first).state == "in_force"

    async def revoke(human):
        draft = revocation_draft(human.key, human.did, human.enrolment, link.delegation.cid, [])
        await b.service.participant_act(human.did, human.sign(draft))

    await revoke(bea)
    assert (await b.say("bea is not above it", "scout")).id
    await revoke(ada)
    assert (await b.say("ada is", "scout")).approval


async def test_what_a_lost_device_granted_carries_nothing_any_more(border):
    _, a, b, ada, _, scout = border
    grants = [await ada.give(scout, Scope(command)) for command in (SPEAK, ASK)]
    await b.say("before", "scout")
    await until(lambda: a.texts() == ["before"], "it crosses")
    assert await send_raw(b, a, who="scout", grants=grants[1:]) == ("answered", "")
    body = {"device": ada.key.public, "cuts": []}
    stream = streams.participant(ada.did)
    await b.service.participant_act(ada.did, ada.act(stream, "device.revoke", body, (ada.enrolment,)))
    assert (await b.say("after", "scout")).approval, "a human is asked"
    await until(lambda: a.texts() == [None], "what the revocation does not leave is rejected")
    assert await send_raw(b, a, who="scout", grants=grants[1:]) == ("refused", "grant.human_required")


async def test_two_humans_allow_what_the_agreement_wants_two_for(border):
    _, a, b, ada, bea, scout = border
    await agree(a, b, Terms(approvals={SPEAK: 2}), ada)
    await ada.give(scout)
    placed = await b.say("four eyes", "scout")
    waiting = await b.service.approval(placed.approval)
    assert (waiting.needed, waiting.clause) == (2, "grant.approvals")
    half = await ada.allow(placed.approval)
    assert (half.state, half.humans) == ("waiting", [ada.did])
    done = await bea.allow(placed.approval)
    assert (done.state, done.humans) == ("done", [ada.did, bea.did])
    await until(lambda: a.texts() == ["four eyes"], "it crosses")


async def test_what_agents_may_do_is_what_the_agreement_says(border):
    _, a, b, ada, _, scout = border
    await ada.give(scout)
    await agree(a, b, Terms(theirs=SideTerms(commands=["/foedus/query/ask"])), ada)
    with pytest.raises(FoedusError, match="agreement"):
        await b.say("?", "scout")
    b.node.consent.cite = lambda drafts: drafts
    await b.say("all the same", "scout")
    await until(lambda: len(a.service.messages("plans").messages) == 1, "it arrives")
    assert a.service.messages("plans").messages[0].why_not == "agreement.commands"


async def test_where_only_named_humans_act_neither_others_nor_the_node_itself_speak(border):
    _, a, b, ada, _, _ = border
    carol = await enrol(b, "carol")
    await b.say("the node, while anyone may")
    await until(lambda: len(a.texts()) == 1, "it crosses")
    await agree(a, b, Terms(humans="named"), ada)
    for speak in (lambda: b.say("the node itself"), lambda: carol.say("not named")):
        with pytest.raises(FoedusError) as refused:
            await speak()
        assert refused.value.code == "agreement.humans"
    b.node.consent.cite = lambda drafts: drafts
    await b.say("the node, unbridled")
    await carol.say("carol, unbridled")
    await ada.say("ada, who is named")
    await until(lambda: len(a.service.messages("plans").messages) == 4, "all arrive")
    shown = [(view.text, view.why_not) for view in a.service.messages("plans").messages[1:]]
    assert shown == [(None, "agreement.humans"), (None, "agreement.humans"), ("ada, who is named", "")]
