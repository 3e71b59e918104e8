"""Knowledge by a participant's token: each reads what the node shows, and tells in its own name alone."""

import pytest

from foedus.base.errors import FoedusError
from foedus.log import streams
from foedus.node.participant_service import ParticipantService
from foedus.node.tokens import Holder
from tests.node.knowing import DOMAIN, ClaimForm, OfferForm, PublishForm, finds, publish
from tests.node.nodes import connect, street
from tests.node.people import agent, enrol


def holder_of(it, name):
    who = it.node.agents.find(name)
    return ParticipantService(
        it.node, it.service, Holder(key=bytes(32), did=who.did, kind=who.kind, device=bytes(32), bound=False)
    )


@pytest.fixture
async def home(tmp_path):
    async with street(tmp_path) as it:
        a = await it.add("a")
        await agent(a, "scout")
        await agent(a, "other")
        yield it, a


async def test_what_is_told_without_a_name_is_the_agents_and_never_the_nodes(home):
    _, a = home
    scout = holder_of(a, "scout")
    (placed,) = await scout.knowledge_tell([PublishForm(domain=DOMAIN, title="Bees dance")])
    view = await scout.knowledge_show(placed.id)
    assert view.who.author == scout.caller().did


async def test_nobody_tells_in_anothers_name(home):
    _, a = home
    scout, other = holder_of(a, "scout"), a.node.agents.find("other").did
    with pytest.raises(FoedusError) as refused:
        await scout.knowledge_tell([PublishForm(domain=DOMAIN, title="x", as_=other)])
    assert refused.value.code == "not_yourself"
    ada = await enrol(a, "ada")
    act = ada.act(streams.knowledge(DOMAIN), "task.offer", OfferForm(domain=DOMAIN, title="x").body(), [ada.enrolment])
    with pytest.raises(FoedusError) as refused:
        await scout.knowledge_signed(DOMAIN, [act])
    assert refused.value.code == "not_yourself"


async def test_an_agent_that_reads_another_nodes_packet_has_read_strangers(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await agent(a, "scout")
        await connect(a, b)
        scout = holder_of(a, "scout")
        await publish(a)
        await scout.knowledge_search("bees")
        assert scout.caller().did not in a.node.consent._readers
        await publish(b, "Wasps sting")
        await finds(a, "wasps", ["Wasps sting"])
        await scout.knowledge_search("wasps")
        assert scout.caller().did in a.node.consent._readers


async def test_a_task_is_claimed_by_the_agent_that_asks(home):
    _, a = home
    scout, other = holder_of(a, "scout"), holder_of(a, "other")
    (offer,) = await scout.knowledge_tell([OfferForm(domain=DOMAIN, title="Count")])
    await other.knowledge_tell([ClaimForm(task=offer.id)])
    await scout.knowledge_tell([ClaimForm(task=offer.id)])
    assert (await scout.task(offer.id)).holder.author == other.caller().did
    assert [view.id for view in (await scout.tasks(state="claimed")).tasks] == [offer.id]
    assert (await scout.tasks(state="offered")).tasks == []
