"""Attacks that were found by reading the code. Each came through before; each says what stops it now."""

import pytest
from msgspec.structs import replace

from foedus.identity.did import did_of
from foedus.identity.ucan import issue_delegation
from foedus.surfaces.cli.delegating import grant_draft
from foedus.trust.border import SPEAK
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room. Node b has the named human ada and the agent scout."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        scout = await agent(b, "scout")
        await connect(b, a)
        await share(a, b)
        yield it, a, b, ada, scout


async def delegate(giver, audience, subject):
    """Pass on what ``subject`` (a Person) gave; return the event's id in hex."""
    ucan = issue_delegation(
        giver.key,
        audience=audience,
        subject=did_of(subject.key.public),
        command=SPEAK,
        policy=[],
        nonce=b"n" * 12,
        expires=None,
    )
    act = giver.sign(grant_draft(giver.did, giver.enrolment, ucan))
    return (await giver.running.service.participant_act(giver.did, act)).id


def unbridled(node, cited):
    """Let the agents of a node cite what they are told to, and its own checks be off."""

    def cite(drafts):
        return [draft._replace(act=replace(draft.act, auth=(*draft.act.auth, *cited))) for draft in drafts]

    node.node.consent.cite = cite
    node.node.author._check_authority = lambda *_: None


async def test_a_link_that_the_human_above_took_back_carries_nothing_in_any_order(border):
    """The withdrawal by a participant counted only where its own grant was cited before the link."""
    _, a, b, ada, scout = border
    chief = await enrol(b, "chief", "agent")
    upper = await ada.give(chief.did)
    lower = await delegate(chief, scout, ada)
    await ada.take_back(lower)
    unbridled(b, [bytes.fromhex(lower), bytes.fromhex(upper)])
    held = a.node.store.admission.authority.participants
    await until(lambda: held[bytes.fromhex(b.id), ada.did].withdrawals, "the withdrawal arrives")
    await b.say("still here", "scout")
    await until(lambda: len(a.service.messages("plans").messages) == 1, "it arrives")
    message = a.service.messages("plans").messages[-1]
    assert (message.verified, message.why_not, message.text) == (False, "revoked_grant", None)
