"""Attacks that were found by reading the code. Each came through before; each says what stops it now."""

import asyncio

import pytest
from msgspec.structs import replace

from foedus.base.errors import UsageError
from foedus.identity.did import did_of
from foedus.identity.ucan import issue_delegation
from foedus.node import consent_operations, grant_uses
from foedus.surfaces.cli.delegating import Scope, grant_draft
from foedus.trust.border import SPEAK
from tests.node.border import border_of
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room. Node b has the named human ada and the agent scout."""
    async with border_of(tmp_path) as it:
        yield it


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


async def test_two_humans_who_allow_at_one_time_let_the_act_be_said_once(tmp_path):
    """Each found the approval open while the other's yes was on its way to the disk."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, bea = await enrol(b, "ada"), await enrol(b, "bea")
        await agent(b, "scout")
        await connect(b, a)
        await share(a, b)
        placed = await b.say("once", "scout")
        both = await asyncio.gather(ada.allow(placed.approval), bea.allow(placed.approval), return_exceptions=True)
        assert sorted(getattr(one, "code", "done") for one in both) == ["already_decided", "done"]
        await ada.say("after it")
        await until(lambda: "after it" in a.texts(), "what follows crosses")
        assert a.texts() == ["once", "after it"]


async def test_a_no_is_not_taken_while_a_yes_becomes_durable(border, monkeypatch):
    """It was answered as heard, and the act was said."""
    _, _, b, ada, _ = border
    placed = await b.say("may I?", "scout")
    save, denials = b.node.consent.approvals.save, []

    async def slowly(approval):
        if approval.state == "allowed":
            denials.append(asyncio.ensure_future(b.service.approval_deny(placed.approval, ada.did, "no")))
            await asyncio.sleep(0)
        return await save(approval)

    monkeypatch.setattr(b.node.consent.approvals, "save", slowly)
    assert (await ada.allow(placed.approval)).state == "done"
    with pytest.raises(UsageError, match="done already"):
        await denials[0]


async def test_an_act_that_was_ordered_just_before_a_crash_is_not_said_again(border, monkeypatch):
    it, a, b, ada, _ = border
    placed = await b.say("once", "scout")
    settle = b.node.consent.approvals.settle

    async def crash(approval, state, **changes):
        if state == "done":
            raise RuntimeError("the power went")
        return await settle(approval, state, **changes)

    monkeypatch.setattr(b.node.consent.approvals, "settle", crash)
    with pytest.raises(RuntimeError):
        await ada.allow(placed.approval)
    b = await it.restart("b")
    done = await b.service.approval(placed.approval)
    assert (done.state, b.texts()) == ("done", ["once"])
    assert done.event == b.service.messages("plans").messages[0].id
    await until(lambda: a.texts() == ["once"], "it crosses")


async def test_a_new_grant_for_each_act_does_not_have_the_log_read_for_each(border, monkeypatch):
    """The uses of each grant were counted by reading an hour of all that its node wrote in rooms."""
    _, a, b, ada, scout = border
    grants = [bytes.fromhex(await ada.give(scout, Scope(SPEAK, uses=n + 1))) for n in range(6)]
    log = a.node.store.log
    read, reads = log.chain_backwards, []

    def counting(epoch, stream, before, limit):
        reads.append(limit)
        return read(epoch, stream, before, limit)

    monkeypatch.setattr(log, "chain_backwards", counting)
    for number, grant in enumerate(grants):
        unbridled(b, [grant])
        await b.say(f"{number}", "scout")
    await until(lambda: len(a.texts()) == len(grants), "all are said")
    assert reads.count(grant_uses._PAGE) <= 1


async def test_a_grant_for_anything_does_not_show_as_one_for_a_room(border):
    """An `or` with a way around showed as its rooms alone; a value that is no text broke the list for everybody."""
    _, _, b, ada, scout = border
    for policy in ([["or", [["==", ".room", "ab" * 32], ["!=", ".kind", ""]]]], [["==", ".room", {"a": b"x"}]]):
        ucan = issue_delegation(
            ada.key, audience=scout, subject=ada.did, command=SPEAK, policy=policy, nonce=b"n" * 12, expires=None
        )
        act = ada.sign(grant_draft(ada.did, ada.enrolment, ucan))
        await b.service.participant_act(ada.did, act)
        assert b.service.grants()[0].rooms == []


async def test_a_list_of_many_grants_is_made_in_time_that_grows_with_it(border, monkeypatch):
    """Each approval leaves a grant; to show them, chains were looked for among all of them for each."""
    _, _, b, ada, scout = border
    for _ in range(20):
        await ada.give(scout)
    looked = []
    monkeypatch.setattr(consent_operations, "chains_to", lambda *_: looked.append(1) or iter(()))
    assert len(b.service.grants()) == 20
    assert looked == []


async def test_a_revoked_token_does_not_come_back_with_a_backup(tmp_path):
    """Whoever holds the token of a custodial agent speaks as it, and a backup knows no revocation after it."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await agent(b, "scout")
        await connect(b, a)
        await share(a, b)
        token = (await b.service.token_issue("scout", "")).token.encode()
        await it.stop("b")
        it.backup("b")
        b = await it.start("b")
        await b.service.token_revoke("scout", "")
        await b.say("after the backup")
        await until(lambda: a.texts() == ["after the backup"], "it arrives")
        await it.stop("b")
        it.restore("b")
        b = await it.start("b")
        await until(lambda: b.node.store.record.record.n == 1, "b sees that it was restored")
        assert b.service.holder_of(token) is None
        fresh = (await b.service.token_issue("scout", "")).token.encode()
        assert b.service.holder_of(fresh) is not None
