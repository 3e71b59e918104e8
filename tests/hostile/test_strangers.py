"""Strangers: without keys, and with valid ones. The node stays alive, small and silent, and answers others."""

import asyncio
import secrets

import pytest
from aiohttp import WSServerHandshakeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foedus.base.cbor import encode
from foedus.base.limits import HANDSHAKES_IN_FLIGHT_MAX, PENDING_REQUESTS_MAX
from foedus.identity.record import first_record
from foedus.log import streams
from foedus.node import links as links_module
from foedus.sync.frames.codec import TYPES
from foedus.sync.frames.events import Ack, ChainPosition, Cursors, Events, Proof, Records, Want, WantRecords
from foedus.sync.frames.peering import Accepted, Confirmation, Confirmed, Pending
from tests.hostile.evil import LINK, Evil, browser, fresh_keys, stranger_records, strangers, villain
from tests.node.nodes import connect, entries, street, until

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)


async def is_well(victim, session):
    """Another stranger is met as ever."""
    other = Evil("well-wisher")
    await other.dial(session, victim.url)
    await other.wait_for(Pending)
    await other.leave()


@pytest.mark.parametrize("step", ["M1", "M3"])
async def test_garbage_at_each_step_of_the_handshake_ends_that_handshake_alone(tmp_path, step):
    drawn = []

    @FEW
    @given(st.binary(max_size=2_000) | st.sampled_from([b"", b"\xff" * 512 * 1024, encode({}), encode([1] * 9)]))
    def draw(data):
        drawn.append(data)

    draw()
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for data in drawn:
            async with session.ws_connect(victim.url + LINK) as socket:
                if step == "M3":
                    m1 = {
                        "e": fresh_keys().xwing.public,
                        "random": bytes(32),
                        "ticket": None,
                        "versions": [1],
                    }
                    await socket.send_bytes(encode(m1))
                    await socket.receive(10)
                await socket.send_bytes(data)
                assert (await socket.receive(10)).data in {1000, 1009, None}
        assert sum(victim.node.ingest.refusals.values()) >= len(drawn) - 1
        assert victim.node.links.gate.in_flight == 0
        await is_well(victim, session)


async def test_a_key_of_the_right_length_that_is_no_key_is_refused(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for key in (bytes(1216), b"\xff" * 1216, fresh_keys().xwing.public[:1184] + bytes(32)):
            async with session.ws_connect(victim.url + LINK) as socket:
                await socket.send_bytes(encode({"e": key, "random": bytes(32), "ticket": None, "versions": [1]}))
                assert (await socket.receive(10)).data == 1000
        await is_well(victim, session)


async def test_text_and_giant_messages_close_the_socket(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for say in ("text", "giant"):
            async with session.ws_connect(victim.url + LINK) as socket:
                if say == "text":
                    await socket.send_str("hello?")
                else:
                    await socket.send_bytes(bytes(3 << 20))
                message = await socket.receive(10)
                assert message.data in {1003, 1009, None}, message
        await is_well(victim, session)


async def test_slow_handshakes_fill_their_places_and_give_them_back(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        slow = [await session.ws_connect(victim.url + LINK) for _ in range(HANDSHAKES_IN_FLIGHT_MAX)]
        await until(lambda: victim.node.links.gate.in_flight == HANDSHAKES_IN_FLIGHT_MAX, "all places are taken")
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(victim.url + LINK)
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "2")
        assert victim.node.ingest.refusals["busy"] == 1
        for each in slow[:-1]:
            await each.close()
        slow[-1]._writer.transport.abort()  # as one that fell off the net
        await until(lambda: victim.node.links.gate.in_flight == 0, "the places are free again")
        await is_well(victim, session)


async def test_raw_garbage_on_the_port_is_answered_or_cut_off(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for data in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 50_000, secrets.token_bytes(4_000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", victim.server.port)
            writer.write(data)
            answer = await asyncio.wait_for(reader.read(4_000), 12)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
            writer.close()
        await is_well(victim, session)


async def test_one_network_takes_no_more_than_its_share_of_the_connections(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.surfaces.http.connection.network_of", lambda _address: "4:c0000200/24")
    monkeypatch.setattr("foedus.surfaces.http.connection.CONNECTIONS_PER_NET_MAX", 3)
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        idle = [await asyncio.open_connection("127.0.0.1", victim.server.port) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert [reader.at_eof() for reader, _ in idle].count(False) == 3
        for _, writer in idle:
            writer.transport.abort()


@pytest.mark.parametrize("what", ["events", "cursors", "want", "proof", "ack"])
async def test_a_stranger_that_speaks_as_a_peer_is_cut_off_and_nothing_is_kept(tmp_path, what):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        await victim.service.participant_add_custodial("scout")
        async with strangers(victim) as (evil,):
            start = entries(victim.node)
            event = evil.write(streams.NODE)
            frames = {
                "events": Events(b"\0\0\0\1\0"),
                "cursors": Cursors((ChainPosition(evil.epoch, "node", 1, bytes(32)),), more=False),
                "want": Want((victim.node.store.admission.chains.of_node(victim.node.store.node)[0].id,)),
                "proof": Proof(event.encode(), event.encode()),
                "ack": Ack((), 5),
            }
            await evil.send(frames[what])
            await until(lambda: evil.is_cut_off, "the link ends")
            assert evil.goodbye == "unexpected_frame"
            assert entries(victim.node) == start
            assert not evil.got(Events)


async def test_a_stranger_cannot_fill_the_book_of_identities(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with strangers(victim) as (evil,):
            await evil.send(Records(tuple(stranger_records(8))))
            await until(lambda: victim.node.ingest.refusals["not_permitted"], "they are not for us")
            assert len(victim.node.store.identities.nodes()) == 1, "neither they nor who brought them is kept"
            assert len(list(victim.node.log.records())) == 1


async def test_a_stranger_does_not_learn_whom_we_know(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        async with strangers(alice) as (evil,):
            await evil.send(WantRecords((bob.node.store.epoch, secrets.token_bytes(32))))
            await until(lambda: alice.node.ingest.refusals["not_permitted"], "it is refused")
            assert not evil.got(Records)
        async with villain(alice) as evil:
            await evil.send(WantRecords((bob.node.store.epoch, secrets.token_bytes(32), alice.node.store.epoch)))
            await evil.wait_for(Records)
            known = {first for each in evil.got(Records) for first, _ in each.records}
            assert bob.node.store.record.record_bytes not in known


async def test_strangers_that_only_stand_there_make_room_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(links_module, "STRANGER_LINKS_MAX", 3)
    async with street(tmp_path) as it:
        victim, friend = await it.add("victim"), await it.add("friend")
        async with strangers(victim, 3) as crowd, browser() as session:
            await crowd[0].send(crowd[0].request(victim))
            await until(victim.service.peers_pending, "one of them asks")
            late = Evil("late")
            await late.dial(session, victim.url)
            await late.wait_for(Pending)
            await until(lambda: crowd[1].is_cut_off, "the one that stood there longest goes")
            assert not crowd[0].is_cut_off
            await connect(friend, victim)
            await late.leave()


async def test_a_flood_of_requests_stops_at_the_bound_and_hostile_names_are_inert(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.trust.rules.PENDING_REQUESTS_MAX", 4)
    assert PENDING_REQUESTS_MAX == 256
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with strangers(victim, 6) as crowd:
            for number, each in enumerate(crowd):
                await each.send(each.request(victim, note="please " * 100 + str(number)))
                await asyncio.sleep(0.02)
            await until(lambda: sum(each.is_cut_off for each in crowd) == 2, "two find no place")
            assert len(victim.service.peers_pending()) == 4
            assert {each.goodbye for each in crowd} == {"", "too_many_requests"}


@pytest.mark.parametrize("name", ["\x1b[2Jroot", "evil\u202eknab", "line\nbreak", "nul\0"])
async def test_a_name_that_would_mislead_is_refused(tmp_path, name):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with strangers(victim) as (evil,):
            await evil.send(evil.request(victim, name=name))
            await until(lambda: evil.is_cut_off, "the link ends")
            assert victim.service.peers_pending() == []


async def test_peering_frames_out_of_the_blue_connect_nobody(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with strangers(victim) as (evil,):
            document = evil.request(victim).application.agreement
            await evil.send(Confirmed(Confirmation(bytes(64))))
            await until(lambda: evil.is_cut_off, "it is told that nothing is between us")
        async with strangers(victim) as (evil,):
            application = evil.request(victim).application
            accepted = {"name": "m", "tier": "CORE", "agreement": document, "signature": application.signature}
            await evil.send_plain(["accepted", accepted])
            await until(lambda: evil.is_cut_off, "it is told that nothing is between us")
            assert victim.service.peers() == []
            assert not evil.got(Accepted)


async def test_a_stranger_that_never_reads_is_cut_off(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with strangers(victim) as (evil,):
            evil.reading.clear()
            await evil.send_plain(["ping", 1])
            for _ in range(200):
                await evil.send_plain(["request", {}])
                if victim.node.links.get(evil.node) is None:
                    break
                await asyncio.sleep(0)
            await until(lambda: victim.node.links.get(evil.node) is None, "the link is over")


async def test_pings_of_one_who_reads_no_pongs_take_no_memory(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        reader, writer = await asyncio.open_connection("127.0.0.1", victim.server.port)
        writer.write(
            b"GET /api/federation/link HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()
        pings = b"\x89\xfd\0\0\0\0" + bytes(125)
        for _ in range(100):
            writer.write(pings * 1_000)
            await writer.drain()
        (connection,) = [each for each in victim.server._server.server_state.connections if hasattr(each, "conn")]
        assert connection.transport.get_write_buffer_size() < 1_000_000
        writer.transport.abort()


async def test_records_of_the_node_itself_come_from_nobody_else(tmp_path):
    """A stranger that shows our own record 0 as its history proves nothing."""
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        evil = Evil()
        evil.records = [victim.node.store.record]
        with pytest.raises(ConnectionError):  # we look like the victim to ourselves, too
            await evil.dial(session, victim.url)
        await evil.leave()
        evil = Evil()
        evil.records.append(first_record(fresh_keys(), bytes(32), bytes(32)))
        await evil.dial(session, victim.url)
        await until(lambda: evil.socket.closed, "a history that does not follow is refused")


async def test_frames_of_every_type_with_whatever_in_them_end_a_link_in_words(tmp_path, caplog):
    things = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 63) - 1)
        | st.binary(max_size=40)
        | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )
    drawn = []

    @FEW
    @given(st.sampled_from(sorted(TYPES)), st.lists(things, max_size=4))
    def draw(name, items):
        drawn.append([name, *items])

    draw()
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        for value in drawn:
            evil = Evil()
            await evil.dial(session, victim.url)
            await evil.send_plain(value)
            await evil.send_plain(b"\xff")
            await until(lambda evil=evil: evil.is_cut_off, f"the link ends: {value}")
            await evil.leave()
        await is_well(victim, session)
    assert "Traceback" not in caplog.text
