"""Both clients against real nodes: say and follow, errors, devices and their tokens."""

import asyncio
import secrets
from contextlib import aclosing, asynccontextmanager

import pytest

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.errors import NotFound, Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.errors import PassphraseRequired
from foedus.sdk import Calling, Change, Client, Device, NoAnswer, PlainClient, Publish, Question
from foedus.sdk.acts import Draft, Moment, signed_act
from foedus.surfaces.cli import signing
from foedus.trust.standing import Standing
from tests.node.callees import answer, offer
from tests.node.nodes import connect, share, street, until
from tests.node.paired import paired
from tests.node.people import agent, enrol


def operator(running, device=None):
    return Client(running.url, running.node.home.token(), device)


def device_of(person):
    return Device(person.key, person.did, person.running.node.store.node)


@asynccontextmanager
async def oak(folder):
    async with street(folder) as nodes:
        running = await nodes.add("oak")
        async with operator(running) as client:
            yield nodes, running, client


async def test_an_agent_speaks_and_is_followed_across_a_restart(tmp_path):
    async with oak(tmp_path) as (nodes, _, client):
        room = await client.rooms.create("plans")
        scout = await client.participants.add_agent("scout")
        before = await client.events.page()
        said = []

        async def listen():
            async with aclosing(client.events.follow(after=before.cursor, stream=f"room:{room.room}")) as events:
                async for event in events:
                    said.append(event.message.text)
                    if len(said) == 3:
                        return

        listening = asyncio.create_task(listen())
        placed = await client.rooms.say("plans", "one", as_=scout.did)
        assert placed.stream == f"room:{room.room}"
        await until(lambda: said == ["one"], "the first is heard")
        await nodes.restart("oak")
        for text in ("two", "three"):
            await client.rooms.say("plans", text, as_=scout.did)
        await asyncio.wait_for(listening, 30)
        assert said == ["one", "two", "three"]
        assert [it.text for it in (await client.rooms.messages("plans")).messages] == said


async def test_a_person_signs_on_this_machine(tmp_path):
    async with oak(tmp_path) as (_, running, _):
        ada = await enrol(running, "ada")
        async with operator(running, device_of(ada)) as client:
            await client.rooms.create("plans")
            await client.rooms.say("plans", "salve")
            (message,) = (await client.rooms.messages("plans")).messages
            assert (message.author, message.author_kind, message.verified) == (ada.did, "human", True)
            placed = await client.knowledge.tell(Publish(domain="harbour", title="tides", content="low at six"))
            (found,) = await client.knowledge.search("tides")
            assert (found.id, found.who.author) == (placed.id, ada.did)
            answers = await client.queries.ask(Question(text="salve", scope="local"))
            assert [it.content for it in answers.results] == [message.id]
            coming = [it async for it in client.queries.follow(Question(text="salve", scope="local"))]
            assert coming[0].content == coming[-1].results[0].content == message.id


async def test_a_token_that_is_bound_to_a_device_needs_it(tmp_path):
    async with oak(tmp_path) as (_, running, client):
        await client.rooms.create("plans")
        laptop = await paired(running, "ada")
        async with Client(running.url, laptop.token) as thief:
            with pytest.raises(UsageError) as refused:
                await thief.access.caller()
            assert refused.value.code == "token_not_bound"
            assert refused.value.remedy
        device = Device(laptop.key, laptop.did, parse_id(running.id))
        async with Client(running.url, laptop.token, device) as own:
            assert (await own.access.caller()).did == laptop.did
            assert [it.did for it in await own.participants.all(q="ada")] == [laptop.did]
            await own.rooms.say("plans", "salve")
            with pytest.raises(UsageError) as refused:
                await own.peers.all()
            assert (refused.value.code, refused.value.http_status) == ("operator_only", 403)


async def test_an_agent_keeps_a_key_of_its_own(tmp_path):
    async with oak(tmp_path) as (_, running, client):
        await client.rooms.create("plans")
        tally = await client.participants.enrol("tally", secrets.token_bytes(32))
        token = await client.participants.issue_token(tally.did)
        async with Client(running.url, token.token, tally) as own:
            assert ((await own.access.caller()).kind, token.bound) == ("agent", True)
            await own.rooms.say("plans", "salve")
            (message,) = (await own.rooms.messages("plans")).messages
            assert (message.author, message.author_kind) == (tally.did, "agent")


async def test_the_plain_client_does_the_same(tmp_path):
    async with oak(tmp_path) as (_, running, client):
        scout = await client.participants.add_agent("scout")

        def work():
            with PlainClient(running.url, running.node.home.token()) as plain:
                plain.rooms.create("plans")
                start = plain.events.page().cursor
                plain.rooms.say("plans", "salve", as_=scout.did)
                event = next(plain.events.follow(after=start))
                return plain.node.identity().node, event.message.text

        assert await asyncio.to_thread(work) == (running.id, "salve")


async def test_a_closed_plain_client_says_so():
    plain = PlainClient("http://127.0.0.1:1", "")
    with pytest.raises(NoAnswer):
        await asyncio.to_thread(plain.node.identity)
    await asyncio.to_thread(plain.close)
    with pytest.raises(UsageError, match="closed"):
        plain.node.identity()


async def test_closing_ends_what_other_threads_wait_for(tmp_path):
    async with oak(tmp_path) as (_, running, _):
        plain = PlainClient(running.url, running.node.home.token())
        events = plain.events.follow()
        waiting = asyncio.create_task(asyncio.to_thread(next, events))
        await asyncio.to_thread(plain.node.identity)
        await asyncio.to_thread(plain.close)
        with pytest.raises(UsageError, match="closed"):
            await waiting
        await asyncio.to_thread(plain.close)
        events.close()


async def test_errors_have_the_code_and_the_remedy_of_the_node(tmp_path):
    async with oak(tmp_path) as (_, running, client):
        with pytest.raises(NotFound) as missing:
            await client.rooms.show("nowhere")
        assert (missing.value.http_status, bool(missing.value.remedy)) == (404, True)
        async with Client(running.url, "wrong") as stranger:
            with pytest.raises(UsageError) as refused:
                async for _ in stranger.events.follow():
                    pass
            assert refused.value.code == "unauthorized"
        with pytest.raises(UsageError) as gone:
            async for _ in client.events.follow(after="AAAA"):
                pass
        assert gone.value.http_status in {400, 410}
    with pytest.raises(Unavailable) as silent:
        await client.node.identity()
    assert silent.value.code == "no_answer"
    await client.close()
    with pytest.raises(UsageError):
        Client("ftp://oak", "")


async def test_what_an_agent_says_at_another_node_waits_for_a_person(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        tally = await enrol(oak, "tally", "agent")
        await connect(oak, elm)
        await share(elm, oak)
        async with operator(oak, device_of(tally)) as client:
            waiting = await client.rooms.say("plans", "may I?")
            assert waiting.approval
            saying = asyncio.create_task(client.rooms.say("plans", "may I now?", wait_s=20))
            await until(lambda: len(oak.service.approvals()) == 2, "it waits")
            await ada.allow(oak.service.approvals()[1].id)
            assert (await saying).id
            counting = asyncio.create_task(
                client.crdts.change("plans", "boats", Change(type="counter", by=7), wait_s=20)
            )
            await until(lambda: len(oak.service.approvals()) == 3, "it waits")
            await ada.allow(oak.service.approvals()[2].id)
            assert (await counting).id
            assert (await client.crdts.show("plans", "boats")).value == 7
        await until(lambda: elm.texts() == ["may I now?"], "it crosses")


@pytest.mark.parametrize("custody", ["node", "device"])
async def test_what_an_agent_calls_at_another_node_waits_for_a_person(tmp_path, custody):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada, clerk = await enrol(oak, "ada"), await agent(elm, "clerk")
        own = await enrol(oak, "tally", "agent") if custody == "device" else None
        did = own.did if own else await agent(oak, "tally")
        await connect(oak, elm)
        elm.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        echo = await offer(elm, clerk)
        calling = Calling(name="echo", offer=echo.offer, node=elm.id, input={"text": "hello"}, as_="" if own else did)
        async with operator(oak, device_of(own) if own else None) as client:
            with pytest.raises(UsageError) as refused:
                await client.calls.call(calling)
            assert refused.value.code == ("grant.human_required" if own else "needs_approval")
            asked = await client.calls.ask(calling)
            assert asked.text == 'echo {"text":"hello"}'
            assert await client.calls.allowed(asked.id) is None
            coming = asyncio.create_task(client.calls.allowed(asked.id, wait_s=20))
            await ada.allow(asked.id)
            await answer(elm, clerk)
            assert (await coming).output == {"said": "hello"}
            assert (await client.approvals.show(asked.id)).state == "done"


def test_acts_have_the_bytes_of_the_log():
    key, moment = Ed25519Key(bytes(32)), (bytes(32), 7, bytes(16), bytes(32))
    draft = ("did:key:z6Mk", "room:aa", "message.text", {"text": "t"}, (bytes(32),), (bytes([1]) * 32,))
    ours = signed_act(key, Draft(*draft), Moment(*moment))
    theirs = signing.signed_act(key, signing.Draft(*draft), signing.Moment(*moment))
    assert (ours.act, ours.asig, ours.salt, ours.body) == (theirs.act, theirs.asig, theirs.salt, theirs.body)


def test_a_device_folder_is_opened(tmp_path):
    folder = DeviceFolder(tmp_path / "device")
    seed = secrets.token_bytes(32)
    public = Ed25519Key(seed).public
    folder.add("ada", "did:key:z6MkAda", bytes(32), "human", seed, "only for this test")
    with pytest.raises(PassphraseRequired):
        Device.open(folder.path, "ada")
    device = Device.open(folder.path, "ada", "only for this test")
    assert (device.key.public, device.did, device.node) == (public, "did:key:z6MkAda", bytes(32))
    assert seed.hex() not in repr(device)
    with pytest.raises(NotFound):
        Device.open(folder.path, "bea")
    (path,) = folder.path.glob("*.json")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="others"):
        Device.open(folder.path, "ada", "only for this test")
