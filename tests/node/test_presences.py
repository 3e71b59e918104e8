"""Cursors of clients at one node are seen at another: only by members, only of whom they are, and gone when they go."""

import asyncio

from foedus.base.cbor import encode, to_plain
from foedus.crypto.labels import signed_bytes
from foedus.node import presences
from foedus.state.documents import messages
from foedus.state.documents.messages import GONE, Presence
from foedus.state.documents.statement import Shown, Statement, write
from foedus.surfaces.cli.delegating import Scope
from foedus.sync.frames.members import Presences
from foedus.trust.border import SPEAK
from tests.node.document_client import editing
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.test_documents import equal, pair

ANN, EVE = '{"user":{"name":"ann"}}', '{"user":{"name":"eve"}}'


async def show(editor, client, state, clock=1):
    await editor.send(messages.shows((Presence(client, clock, state),)))


def told(running, other, shown, at=None, **changed):
    """Return a statement that a node signs, whatever it says."""
    store = running.node.store
    room = bytes.fromhex(other.service.rooms()[0].room)
    said = {"at": at or store.now(), "epoch": store.epoch, "room": room, "document": "page", "shown": shown}
    data = write(Statement(**(said | changed)))
    return Presences(data, store.keys.ed25519.sign(signed_bytes("presence", data)))


async def test_who_is_in_a_document_is_seen_at_both_nodes_and_goes(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(elm, elm.human) as eve:
        await show(eve, 7, EVE)
        async with editing(ash, ash.agent) as ann:
            await until(lambda: ann.presences.get(7) == EVE, "who was there before is seen")
            await show(ann, 8, ANN)
            await until(lambda: eve.presences.get(8) == ANN, "who comes is seen")
            await show(ann, 8, '{"cursor":3}', clock=2)
            await until(lambda: eve.presences.get(8) == '{"cursor":3}', "what changes is seen")
        await until(lambda: eve.presences.get(8) == GONE, "who leaves is gone")
        events = {event.kind for event in ash.service.events(limit=1000).events}
        assert not {kind for kind in events if kind.startswith("presence")}


async def test_with_the_link_those_behind_it_are_gone_and_come_back_with_it(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        await show(ann, 8, ANN)
        await show(eve, 7, EVE)
        await until(lambda: eve.presences.get(8) == ANN and ann.presences.get(7) == EVE, "both are seen")
        lost = elm.node.links.get(bytes.fromhex(ash.id))
        lost.close("test", "the link is cut")
        await until(lambda: any(_is_gone(it, 8) for it in eve.seen), "behind a cut link nobody is seen")
        await until(lambda: eve.presences.get(8) == ANN, "they come back with the link")


def _is_gone(message, client):
    return isinstance(message, messages.Shows) and any(
        (it.client, it.state) == (client, GONE) for it in message.presences
    )


async def test_the_host_passes_on_what_members_say_who_are_not_linked(tmp_path):
    async with street(tmp_path) as road:
        ash, elm, oak = await road.add("ash"), await road.add("elm"), await road.add("oak")
        eve, pat = await enrol(elm, "eve"), await enrol(oak, "pat")
        await connect(elm, ash)
        await connect(oak, ash)
        await share(ash, elm, oak)
        await until(lambda: _knows(oak, elm, eve), "oak knows who eve is")
        async with editing(elm, eve) as at_elm, editing(oak, pat) as at_oak:
            await show(at_elm, 7, EVE)
            await until(lambda: at_oak.presences.get(7) == EVE, "eve is seen at oak")


def _knows(running, other, person):
    held = running.node.store.admission.authority.participants
    return (bytes.fromhex(other.id), person.did) in held and running.service.rooms()


async def test_nobody_is_shown_as_another(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        await show(ann, 8, ANN)
        await until(lambda: eve.presences.get(8) == ANN, "ann is seen")
        link = elm.node.links.get(bytes.fromhex(ash.id))
        foreign = [Shown(9, 1, '{"as":"ann"}', ash.agent, None)]  # a participant of another node
        taken = [Shown(8, 5, '{"client":"of ann"}', elm.human.did, None)]  # a client of ann's
        unknown = [Shown(10, 1, '{"who":1}', "did:key:z6Mk", None)]
        for shown in (foreign, taken, unknown):
            link.control(told(elm, elm, tuple(shown)))
        link.control(told(elm, elm, (Shown(11, 1, '{"end":1}', elm.human.did, None),)))
        await until(lambda: ann.presences.get(11) == '{"end":1}', "an honest one is seen")
        assert set(ann.presences) == {11}
        await ann.edit(0, "on")
        await equal(ann, eve, wanted="on")


async def test_a_statement_that_its_node_did_not_sign_ends_the_link(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        link = elm.node.links.get(bytes.fromhex(ash.id))
        good = told(elm, elm, (Shown(7, 1, EVE, elm.human.did, None),))
        link.control(Presences(good.statement, bytes(64)))
        await until(lambda: link.session.is_closed, "it is closed")
        await until(lambda: ash.node.ingest.refusals["invalid_signature"] == 1, "it is counted")


async def test_what_is_no_statement_ends_the_link(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        good = told(elm, elm, (Shown(7, 1, "no json", elm.human.did, None),))
        for data in (b"\xff", encode({}), good.statement):
            await until(lambda: elm.is_linked(ash), "they are linked")
            link = elm.node.links.get(bytes.fromhex(ash.id))
            link.control(Presences(data, bytes(64)))
            await until(lambda link=link: link.session.is_closed, "it is closed")


async def test_what_was_said_before_is_not_shown_again(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann:
        link, now = elm.node.links.get(bytes.fromhex(ash.id)), elm.node.store.now()
        for client, at in ((1, now), (2, now), (3, now - 1), (4, now - 100_000_000), (5, now + 100_000_000)):
            link.control(told(elm, elm, (Shown(client, 1, EVE, elm.human.did, None),), at))
        link.control(told(elm, elm, (Shown(6, 1, EVE, elm.human.did, None),), now + 1))
        await until(lambda: 6 in ann.presences, "the last is seen")
        assert set(ann.presences) == {1, 6}


async def test_an_agent_is_shown_abroad_by_an_act_of_its_own_alone(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann:
        bare = await agent(elm, "bare")
        await elm.human.give(elm.agent, Scope(SPEAK, after_foreign=True))
        async with editing(elm, bare) as mute, editing(elm, elm.agent) as emil:
            await show(mute, 5, EVE)
            await show(emil, 6, EVE)
            await emil.edit(0, "allowed")
            await equal(ann, emil, wanted="allowed")
            await show(emil, 6, EVE, clock=2)
            await until(lambda: ann.presences.get(6) == EVE, "who has spoken is seen")
            link = elm.node.links.get(bytes.fromhex(ash.id))
            link.control(told(elm, elm, (Shown(5, 9, EVE, bare, None),), elm.node.store.now() + 1_000_000))
            link.control(told(elm, elm, (Shown(9, 1, EVE, elm.human.did, None),), elm.node.store.now() + 2_000_000))
            await until(lambda: 9 in ann.presences, "a person is seen")
            assert 5 not in ann.presences


async def test_who_is_no_member_hears_and_says_nothing(tmp_path):
    async with street(tmp_path) as road:
        ash, elm, oak = await road.add("ash"), await road.add("elm"), await road.add("oak")
        ann, eve, pat = await agent(ash, "ann"), await enrol(elm, "eve"), await enrol(oak, "pat")
        for other in (elm, oak):
            await connect(other, ash)
        await share(ash, elm)
        heard, real = [], oak.node.links.on_presences
        oak.node.links.on_presences = lambda link, frame: (heard.append(frame), real(link, frame))
        async with editing(ash, ann) as at_ash, editing(elm, eve) as at_elm:
            link = oak.node.links.get(bytes.fromhex(ash.id))
            link.control(told(oak, ash, (Shown(5, 1, EVE, pat.did, None),)))
            await show(at_ash, 8, ANN)
            await until(lambda: at_elm.presences.get(8) == ANN, "a member sees it")
            await show(at_elm, 7, EVE)
            await until(lambda: at_ash.presences.get(7) == EVE, "and is seen")
            assert 5 not in at_ash.presences
        assert heard == []


async def test_a_flood_is_dropped_and_the_link_stays(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann:
        link, now = elm.node.links.get(bytes.fromhex(ash.id)), elm.node.store.now()
        for number in range(2 * presences.FRAMES_BURST):
            link.control(told(elm, elm, (Shown(7, number, EVE, elm.human.did, None),), now + number))
        await until(lambda: ash.node.ingest.refusals["too_many_presences"] > 0, "some are dropped")
        await until(lambda: 7 in ann.presences, "the others are taken")
        assert not link.session.is_closed


async def test_who_is_silent_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(presences, "SILENCE_S", 0.3)
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann:
        await until(lambda: ann.seen, "ann is served, and is told")
        link = elm.node.links.get(bytes.fromhex(ash.id))
        link.control(told(elm, elm, (Shown(7, 1, EVE, elm.human.did, None),)))
        await until(lambda: any(_is_gone(it, 7) for it in ann.seen), "they are gone")


async def test_a_client_that_types_fast_costs_a_few_frames(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        heard, real = [], elm.node.links.on_presences
        elm.node.links.on_presences = lambda link, frame: (heard.append(frame), real(link, frame))
        for clock in range(1, 301):
            await show(ann, 8, f'{{"at":{clock}}}', clock=clock)
        await until(lambda: eve.presences.get(8) == '{"at":300}', "the last is seen")
        assert len(heard) < 150
        await asyncio.sleep(0)


def test_a_statement_is_bounded():
    assert len(write(Statement(1, bytes(32), bytes(32), "page", (Shown(1, 1, "x" * 4_096, "did", None),)))) < 65_536
    assert to_plain(Shown(1, 2, "{}", "did", None)) == [1, 2, "{}", "did", None]
