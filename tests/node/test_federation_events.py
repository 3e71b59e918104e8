"""Events over HTTP: pushed through the one door in, read through the one way out."""

import asyncio
import json

import pytest

from foedus.adapters.federation_client import Query, Refused
from foedus.base.cbor import frame, split_frames
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.log.event import parse_envelope
from foedus.node.federation import Federation
from foedus.node.ports import FederationRequest
from tests.node.federated import EVENTS, ROOT, ask, door_of, send, signed_headers, two_connected
from tests.node.nodes import connect, share, until

CURSOR = "foedus-cursor"


def batch(envelopes):
    return b"".join(frame(data) for data in envelopes)


def envelopes_of(node, kind="message.text"):
    return [row.envelope.encode() for row in node.node.log.since(0, 1_000) if row.kind == kind]


async def read_all(asker, asked, limit=1_000, since=""):
    """Return what the doors give, and the cursor at the end."""
    found = []
    while True:
        parameters = {"limit": str(limit)} | ({"since": since} if since else {})
        answer = await ask(asker, asked, "GET", "/events", **parameters)
        found += [parse_envelope(data) for data in split_frames(answer.body, BATCH_EVENTS_MAX)]
        since = answer.headers[CURSOR]
        if answer.headers["foedus-more"] == "0":
            return found, since


async def unlink(*nodes):
    """End all links, and let none come again."""
    for node in nodes:
        node.node.peers.urls = lambda _node: []
    for node in nodes:
        for link in node.node.links.all():
            link.close("test", "")
    await until(lambda: not any(node.node.links.all() for node in nodes), "no link")


async def test_a_peer_reads_in_local_order_and_goes_on_from_its_cursor(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        for number in range(5):
            await bob.say(str(number))
        found, cursor = await read_all(alice, bob, limit=2)
        assert [event.event.seq for event in found if event.event.act.kind == "message.text"] == [1, 2, 3, 4, 5]
        assert len({event.id for event in found}) == len(found)
        assert await read_all(alice, bob, since=cursor) == ([], cursor)
        await bob.say("six")
        (last,), _ = await read_all(alice, bob, since=cursor)
        assert last.event.seq == 6


async def test_a_cursor_of_another_store_is_gone_and_nonsense_is_refused(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        _, cursor = await read_all(alice, bob)
        _, local, view = cursor.split(".")
        for since, expected in [
            (f"{'0' * 32}.{local}.{view}", (410, "foreign_cursor")),
            ("x", (400, "bad_cursor")),
            (cursor + "0", (400, "bad_cursor")),
            ("." * 40, (400, "bad_cursor")),
            (cursor.replace(f".{local}.", f".{'9' * 30}."), (400, "bad_cursor")),
            (cursor.replace(f".{local}.", ".²."), (400, "bad_cursor")),
        ]:
            for path in ("/events", "/stream"):
                with pytest.raises(Refused) as refused:
                    await ask(alice, bob, "GET", path, since=since)
                assert (refused.value.http_status, refused.value.code) == expected, since
        for limit in ("0", "1001", "x", "-1", "9" * 5_000, ""):
            with pytest.raises(Refused) as refused:
                await ask(alice, bob, "GET", "/events", limit=limit)
            assert refused.value.code == "malformed_request"


async def test_pushed_events_go_through_the_one_door_in(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await until(alice.service.rooms, "alice has the room")
        await unlink(alice, bob)
        for word in ("one", "two", "three"):
            await alice.say(word)
        one, two, three = envelopes_of(alice)
        altered = two[:-1] + bytes([two[-1] ^ 1])
        body = batch([one, altered, b"garbage", three, one])
        answer = json.loads((await ask(alice, bob, "POST", "/events", body=body, media_type=EVENTS)).body)
        assert (answer["accepted"], answer["duplicates"]) == (1, 1)
        assert [(it["index"], it["reason"]) for it in answer["rejected"]] == [
            (1, "digest_mismatch"),
            (2, "non_canonical"),
            (3, "missing_prev"),
        ]
        assert answer["rejected"][1]["id"]
        assert abs(answer["clock"] - bob.node.store.now()) < 5_000_000
        assert answer["head"].startswith(bob.node.log.store_id.hex())
        assert bob.texts() == ["one"]
        again = batch([one, two, three])
        answer = json.loads((await ask(alice, bob, "POST", "/events", body=again, media_type=EVENTS)).body)
        assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (2, 1, [])
        assert bob.texts() == ["one", "two", "three"]
        mine = json.loads((await ask(alice, bob, "GET", f"/peers/{alice.id}")).body)
        assert (mine["received"], mine["rejected"]) == (8, {"digest_mismatch": 1, "non_canonical": 1})


async def test_a_bad_batch_is_refused_as_a_whole(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        for body, media_type, expected in [
            (b"\x00\x00\x00\x05abc", EVENTS, (400, "malformed")),
            (b"\x00\x00", EVENTS, (400, "malformed")),
            (batch([b""] * (BATCH_EVENTS_MAX + 1)), EVENTS, (400, "malformed")),
            (b"\x00" * (4 * 1_048_576 + 4), EVENTS, (413, "too_large")),
            (b"{}", "application/json", (415, "unsupported_media_type")),
        ]:
            with pytest.raises(Refused) as refused:
                await ask(alice, bob, "POST", "/events", body=body, media_type=media_type)
            status, code = refused.value.http_status, refused.value.code
            assert status == expected[0]
            assert code.startswith(expected[1])


@pytest.mark.parametrize("tier", ["SANDBOX", "EXTERNAL"])
async def test_nothing_of_a_room_goes_out_to_a_lesser_tier(tmp_path, tier):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await bob.say("secret")
        await bob.service.peer_tier("alice", tier)
        found, _ = await read_all(alice, bob)
        assert found
        assert {event.event.stream.split(":")[0] for event in found} <= {"node", "participant", "pair"}


@pytest.mark.parametrize(("tier", "taken"), [("SANDBOX", True), ("EXTERNAL", False)])
async def test_what_comes_in_depends_on_the_tier(tmp_path, tier, taken):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await unlink(alice, bob)
        await bob.service.peer_tier("alice", tier)
        await alice.say("hello")
        answer = await ask(alice, bob, "POST", "/events", body=batch(envelopes_of(alice)), media_type=EVENTS)
        rejected = [it["reason"] for it in json.loads(answer.body)["rejected"]]
        assert rejected == ([] if taken else ["not_permitted"])
        assert bob.texts() == (["hello"] if taken else [])


async def test_a_paused_peer_gets_nothing_and_misses_nothing(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        _, cursor = await read_all(alice, bob)
        await bob.service.peer_pause("alice")
        await bob.say("later")
        found, while_paused = await read_all(alice, bob, since=cursor)
        assert found == []
        await bob.service.peer_resume("alice")
        found, _ = await read_all(alice, bob, since=while_paused)
        assert "message.text" in {event.event.act.kind for event in found}


async def test_a_rooms_events_never_leave_to_a_node_that_is_no_member(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        carol = await it.add("carol")
        await connect(carol, bob)
        room = await share(bob, alice)
        await bob.say("between us")
        found, cursor = await read_all(carol, bob)
        assert not [event for event in found if room in event.event.stream]
        messages = carol.node.client.stream(door_of(bob), Query("GET", f"{ROOT}/stream", {"since": cursor}))
        assert (await anext(messages)).data == ""
        await bob.say("again")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(messages)
        await messages.aclose()
        with pytest.raises(Refused) as refused:  # nor is it told that alice writes at all
            await ask(carol, bob, "GET", "/records", epoch=alice.node.store.epoch.hex())
        assert refused.value.code == "not_found"


async def test_who_becomes_a_member_later_reads_the_whole_history_from_its_old_cursor(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob)
        await bob.say("before you came")
        _, cursor = await read_all(alice, bob)
        await bob.service.room_share("plans", "alice")
        found, _ = await read_all(alice, bob, since=cursor)
        assert {"room.create", "member.add", "message.text"} <= {event.event.act.kind for event in found}


async def test_the_stream_goes_on_from_its_cursor_and_follows(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await bob.say("one")
        _, cursor = await read_all(alice, bob)
        uri = Query("GET", f"{ROOT}/stream", {"since": cursor})
        messages = alice.node.client.stream(door_of(bob), uri)
        assert (await anext(messages)).data == ""  # the opening
        await bob.say("two")
        second = await anext(messages)
        await bob.say("three")
        third = await anext(messages)
        await messages.aclose()
        assert second.data != third.data
        again = alice.node.client.stream(door_of(bob), Query("GET", f"{ROOT}/stream", {"since": second.cursor}))
        assert [(await anext(again)).data, (await anext(again)).data] == ["", third.data]
        await again.aclose()


async def test_a_stream_ends_when_the_peer_is_disconnected_and_brings_nothing_more(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        _, cursor = await read_all(alice, bob)
        messages = alice.node.client.stream(door_of(bob), Query("GET", f"{ROOT}/stream", {"since": cursor}))
        await anext(messages)
        await bob.service.peer_disconnect("alice")
        await bob.say("not for you")
        with pytest.raises(StopAsyncIteration):
            await anext(messages)


async def test_a_peer_has_two_streams_at_most(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        streams = [alice.node.client.stream(door_of(bob), Query("GET", f"{ROOT}/stream")) for _ in range(3)]
        for stream in streams[:2]:
            await anext(stream)
        with pytest.raises(Refused) as refused:
            await anext(streams[2])
        assert refused.value.code == "too_many_streams"
        for stream in streams:
            await stream.aclose()


async def test_a_peer_that_asks_for_many_streams_at_one_time_has_two_of_them(tmp_path):
    """The places were counted when a stream was first read: after all of them had been let in."""
    async with two_connected(tmp_path) as (_, alice, bob):
        doors = Federation(bob.node, bob.service)
        uri = f"{bob.url}{ROOT}/stream"
        answers = []
        for _ in range(4):
            headers = {name.lower(): value for name, value in signed_headers(alice, bob, "GET", uri).items()}
            request = FederationRequest(
                method="GET", path=f"{ROOT}/stream", target_uri=uri, query={}, headers=headers, body=b"",
                address="127.0.0.1", secure=True, stopping=asyncio.Event().wait,
            )  # fmt: skip
            answers.append((await doors.handle(request)).stream)
        before = len(bob.node.publisher.listeners)
        first = [await anext(stream, None) for stream in answers]
        assert [chunk is not None for chunk in first] == [True, True, False, False]
        assert len(bob.node.publisher.listeners) == before + 2
        for stream in answers:
            await stream.aclose()


async def test_where_others_can_listen_only_public_streams_are_given(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await bob.say("secret")
        doors = Federation(bob.node, bob.service)
        uri = "http://192.0.2.1:8102/api/federation/events"
        headers = {name.lower(): value for name, value in signed_headers(alice, bob, "GET", uri).items()}
        request = FederationRequest(
            method="GET", path=f"{ROOT}/events", target_uri=uri, query={}, headers=headers, body=b"",
            address="192.0.2.7", secure=False, stopping=asyncio.Event().wait,
        )  # fmt: skip
        response = await doors.handle(request)
        kinds = {parse_envelope(data).event.stream.split(":")[0] for data in split_frames(response.body, 1_000)}
        assert response.status == 200
        assert kinds <= {"node", "participant"}


async def test_the_body_of_a_get_is_covered_too(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        uri = f"{bob.url}{ROOT}/events"
        headers = signed_headers(alice, bob, "GET", uri)
        assert (await send("GET", uri, headers, b"smuggled"))[0] == 401
