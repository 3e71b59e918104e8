"""An agent that wants more than to speak and to call: to open agreements or change them, to decide in councils, to
publish what nobody allowed. Each ends refused: at its own node's door, or, where that node plays along, at the other's.
"""

from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import FoedusError, UsageError
from foedus.crypto.labels import signed_bytes
from foedus.sdk import Client
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.agreement import sign
from foedus.trust.agreements.terms import Terms
from foedus.trust.border import PUBLISH
from foedus.trust.standing import Standing
from foedus.values.agreements import HumanWord
from tests.node.knowing import DOMAIN, PublishForm, asks_nobody, holds, say_signed, tell
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.test_agreements_across_nodes import kinds
from tests.red_team.ending import ends


@asynccontextmanager
async def border_of(folder):
    """Two connected nodes; a has the human ada, whom the agreement names, and the agent rover with its own key."""
    async with street(folder) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, rover = await enrol(a, "ada"), await enrol(a, "rover", "agent")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        yield a, b, ada, rover


@pytest.fixture
async def border(tmp_path):
    async with border_of(tmp_path) as it:
        yield it


# --- agreements and councils --------------------------------------------------------------------------


async def test_an_agents_token_opens_no_agreement_no_peering_and_founds_no_council(border):
    a, b, *_ = border
    token = (await a.service.token_issue(await agent(a, "scout"), "")).token
    async with Client(a.url, token) as client:
        for ask, arguments in (
            (client.agreements.draft, (b.id, {"retention_days": 7})),
            (client.agreements.propose, (b.id, "oA")),
            (client.agreements.sign, (b.id, "ab" * 32)),
            (client.agreements.terminate, (b.id,)),
            (client.peers.request, ("http://127.0.0.1:1",)),
            (client.peers.disconnect, (b.id,)),
            (client.councils.create, ("board", [b.id])),
        ):
            with pytest.raises(UsageError) as refused:
                await ask(*arguments)
            assert (refused.value.code, refused.value.http_status) == ("operator_only", 403)
    assert a.service.agreements.show(b.id).in_force.version == 1


def _word(who, document):
    signature = who.key.sign(signed_bytes("agreement", from_base64url(document)))
    return HumanWord(did=who.did, device=who.key.public.hex(), signature=to_base64url(signature))


async def test_an_agents_word_changes_no_agreement_nor_does_a_node_that_takes_it_for_a_persons(border):
    a, b, _, rover = border
    drafted = a.service.agreements.draft(b.id, Terms(retention_days=7))
    with pytest.raises(UsageError) as refused:
        await a.service.agreements.propose(b.id, drafted.document, human=_word(rover, drafted.document))
    assert refused.value.code == "unknown_device"
    data, word = from_base64url(drafted.document), _word(rover, drafted.document)
    human = [rover.did, rover.key.public, from_base64url(word.signature)]
    body = {"agreement": data, "signature": sign(a.node.store.keys.ed25519, data), "human": human}
    await a.node.agreements.write(bytes.fromhex(b.id), "agreement.propose", body)
    await until(lambda: "agreement.propose" in kinds(b, a), "it arrives")
    assert b.service.agreements.show(a.id).waits_for_us == []
    with pytest.raises(UsageError):
        await b.service.agreements.sign(a.id, drafted.id)
    assert b.service.agreements.show(a.id).in_force.version == 1


# --- knowledge ----------------------------------------------------------------------------------------


def packet(who):
    return PublishForm(domain=DOMAIN, title="Take this", as_=who.did)


async def held_back(a, b, rover, grants, clause, salt=b""):
    """Publish although nobody here was asked, and see that the other node shows nothing of it."""
    asks_nobody(a)
    placed = await say_signed(rover, packet(rover), map(bytes.fromhex, grants), salt=salt)
    await holds(b, placed.id)
    await ends(b, clause, "withheld", a.id, placed.id)
    assert await b.service.knowledge_search("take") == []


async def test_a_packet_that_nobody_allowed(border):
    a, b, _, rover = border
    with pytest.raises(FoedusError) as refused:
        await say_signed(rover, packet(rover))
    assert refused.value.code == "needs_approval"
    await held_back(a, b, rover, (), "grant.human_required")


async def test_a_yes_to_another_packet(border):
    a, b, ada, rover = border
    asked = await a.service.knowledge_propose(replace(packet(rover), title="A harmless one"))
    allowed = await ada.allow(asked.id)
    await held_back(a, b, rover, allowed.grants, "grant.policy_mismatch", from_base64url(allowed.salt, "salt"))


async def test_a_yes_that_is_taken_back_before_it_is_published(border):
    a, b, ada, rover = border
    asked = await a.service.knowledge_propose(packet(rover))
    allowed = await ada.allow(asked.id)
    await ada.take_back(allowed.grants[0])
    with pytest.raises(FoedusError) as refused:
        await say_signed(rover, packet(rover), map(bytes.fromhex, allowed.grants))
    assert refused.value.code in {"needs_approval", "revoked_grant"}
    asks_nobody(a)
    a.node.author._check_authority = lambda *_: None
    placed = await say_signed(rover, packet(rover), map(bytes.fromhex, allowed.grants))
    await holds(b, placed.id)
    await ends(b, "revoked_grant", "rejected", a.id, placed.id)


async def test_a_packet_of_before_anybody_was_connected_counts_for_nothing_without_a_grant(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        form = PublishForm(domain=DOMAIN, title="Take this", as_="scout")
        early = await tell(a, form)
        assert early.id, "it flows to nobody yet, so nobody is asked"
        await ada.give(scout, Scope(PUBLISH))
        await connect(a, b)
        await holds(b, early.id)
        await ends(b, "grant.human_required", "withheld", a.id, early.id)
