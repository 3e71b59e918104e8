"""Knowledge that is drowned: by acts without end about what others said, by packets full of the words of others."""

import pytest

from foedus.adapters.sqlite_knowledge import SqliteKnowledge
from foedus.base.ids import parse_id
from foedus.node import knowledge_indexing
from foedus.node.knowledge import Knowledge
from foedus.state.knowledge.port import Change, Entry, terms_of
from tests.node.knowing import (
    DOMAIN,
    ClaimForm,
    DoneForm,
    OfferForm,
    RetractForm,
    ReviseForm,
    asks_nobody,
    holds,
    publish,
    tell,
)
from tests.node.nodes import connect, street
from tests.node.people import agent


@pytest.fixture
async def pair(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        yield a, b


async def test_who_claims_a_task_without_end_keeps_nobody_else_from_ending_it(pair, monkeypatch):
    a, b = pair
    monkeypatch.setattr(knowledge_indexing, "ACTS_MAX", 5)
    monkeypatch.setattr(knowledge_indexing, "ACTS_EACH_MAX", 5)
    task = (await tell(a, OfferForm(domain=DOMAIN, title="Count bees"))).id
    await holds(b, task)
    placed = await b.service.knowledge_tell([ClaimForm(task=task)] * 40)
    await holds(a, placed[-1].id)
    ended = await tell(a, DoneForm(task=task, outcome="cancelled"))
    await holds(b, ended.id)
    for node in (a, b):
        assert (await node.service.task(task)).state == "cancelled"
    known = [set(node.node.index.mentions([parse_id(task)])[parse_id(task)]) for node in (a, b)]
    assert known[0] == known[1], "which acts count does not depend on which came first"


async def test_a_neighbour_who_revises_without_end_keeps_no_author_from_taking_back(pair, monkeypatch):
    a, _ = pair
    monkeypatch.setattr(knowledge_indexing, "ACTS_MAX", 50)
    monkeypatch.setattr(knowledge_indexing, "ACTS_EACH_MAX", 5)
    asks_nobody(a)
    author, neighbour = await agent(a, "author"), await agent(a, "neighbour")
    packet = await publish(a, as_=author)
    await a.service.knowledge_tell([ReviseForm(packet=packet, title="mine", as_=neighbour)] * 30)
    await tell(a, RetractForm(packet=packet, as_=author))
    assert (await a.service.knowledge_show(packet)).state == "retracted"


async def test_what_a_packet_stands_on_is_not_read_whole_to_show_it(pair, monkeypatch):
    a, _ = pair
    below = [await publish(a, title=f"below {number}") for number in range(10)]
    top = await publish(a, title="top", dependencies=sorted([*below, "ab" * 32]))
    folded = []
    told = Knowledge._told
    monkeypatch.setattr(Knowledge, "_told", lambda self, packet: folded.append(packet) or told(self, packet))
    assert (await a.service.knowledge_show(top)).missing == ["ab" * 32]
    assert len(folded) <= 2
    retracted = await tell(a, RetractForm(packet=below[0]))
    assert retracted
    assert (await a.service.knowledge_show(top)).missing == ["ab" * 32], "who asks for it finds that it was taken back"


def subject(number):
    return number.to_bytes(32, "big")


def test_packets_of_one_domain_hide_none_of_another():
    index = SqliteKnowledge(None)
    loud = [
        Entry(subject(number), "loud", is_task=False, event=subject(number), words=("bees bees", "bees", "bees"))
        for number in range(1, 40)
    ]
    quiet = Entry(subject(99), "quiet", is_task=False, event=subject(99), words=("on insects", "some are bees", ""))
    index.apply(Change(entries=[*loud, quiet]))
    assert [hit.subject for hit in index.search(terms_of("bees"), "quiet", 10)] == [subject(99)]
    assert len(index.search(terms_of("bees"), "loud", 10)) == 10
    assert len(index.search(terms_of("bees"), "", 100)) == 40
    index.close(is_whole=True)
