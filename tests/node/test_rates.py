"""The limits of foedus.toml at the doors of real nodes: who is too fast is told when to go on, or is slowed."""

import asyncio
import time

import aiohttp
import pytest

from foedus.node.federation import Federation
from foedus.node.home import Home
from foedus.node.ports import FederationRequest
from foedus.node.rates import TooOften
from foedus.node.room_forms import Said
from foedus.sync.pace import Throttle
from tests.node.federated import ask, two_connected
from tests.node.nodes import connect, share, street, until


def limit(it, name, **rates):
    lines = ["[federation.limits]", *(f'{option} = "{rate}"' for option, rate in rates.items())]
    Home(it.folder / name).policy_path.write_text("\n".join(lines), encoding="utf-8")
    assert it.running[name].node.policy.reload()


def test_a_throttle_lets_a_second_through_at_once_and_then_tells_the_wait():
    throttle = Throttle(100, 1_000_000)
    assert throttle.owes(100, 10_000_000) == 0
    assert throttle.owes(50, 10_000_000) == 500_000
    assert throttle.owes(1, 10_500_000) == 10_000
    assert throttle.owes(100, 30_000_000) == 0
    assert throttle.owes(10, 1_000_000) <= 1_100_000, "a clock that steps back is not waited for"


async def test_speaking_is_counted_per_participant(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        room = (await alice.service.room_create("plans")).room
        for name in ("scout", "clerk"):
            await alice.service.participant_add_custodial(name)
        limit(it, "alice", speech_per_participant="3/minute")
        for text in ("one", "two", "three"):
            await alice.say(text, "scout", room)
        with pytest.raises(TooOften, match="3/minute") as refused:
            await alice.say("four", "scout", room)
        assert (refused.value.code, refused.value.http_status) == ("rate_limited", 429)
        assert 1 <= refused.value.retry_after_s <= 120
        await alice.say("another may", "clerk", room)
        with pytest.raises(TooOften):
            await alice.service.say_batch(room, [Said(text=str(n), as_="clerk") for n in range(3)])
        assert alice.texts(room) == ["one", "two", "three", "another may"], "all or none"
        limit(it, "alice", speech_per_participant="100/second")
        await alice.say("four", "scout", room)


async def test_the_api_is_counted_per_token_and_says_when_to_try_again(tmp_path):
    async with street(tmp_path) as it, aiohttp.ClientSession() as session:
        alice = await it.add("alice")
        limit(it, "alice", api_per_token="2/hour")
        head = {"authorization": f"Bearer {alice.service.token}"}
        answers = [await session.get(f"{alice.url}/api/v1/identity", headers=head) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 7_200
        assert (await answers[2].json())["code"] == "rate_limited"
        limit(it, "alice", api_per_token="100/second")
        assert (await session.get(f"{alice.url}/api/v1/identity", headers=head)).status == 200


async def test_a_peer_is_counted_over_http_and_others_are_not_held_up(tmp_path):
    async with two_connected(tmp_path) as (it, alice, bob):
        limit(it, "bob", federation_per_peer="3/hour")
        for _ in range(3):
            assert (await ask(alice, bob, "GET", "/status")).status == 200
        with pytest.raises(Exception, match="federation_per_peer") as refused:
            await ask(alice, bob, "GET", "/status")
        assert refused.value.code == "rate_limited"
        assert bob.node.ingest.refusals["rate_limited"] == 1
        assert (await ask(bob, alice, "GET", "/status")).status == 200


def request_from(address, path="/api/federation/identity", method="GET", body=b"", headers=None):
    return FederationRequest(
        method=method,
        path=path,
        target_uri=f"https://x{path}",
        query={},
        headers=headers or {},
        body=body,
        address=address,
        secure=True,
        stopping=asyncio.Event().wait,
    )


async def test_addresses_are_counted_by_network_and_this_machine_is_exempt(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        doors = Federation(alice.node, alice.service)
        limit(it, "alice", federation_per_address="2/hour", api_per_address="2/hour")
        statuses = [(await doors.handle(request_from(f"192.0.2.{n}"))).status for n in range(4)]
        assert statuses == [200, 200, 429, 429]
        late = await doors.handle(request_from("192.0.2.9"))
        assert int(late.headers["retry-after"]) >= 1
        assert (await doors.handle(request_from("198.51.100.1"))).status == 200
        for _ in range(4):
            assert (await doors.handle(request_from("127.0.0.1"))).status == 200
            alice.service.check_rate("", "127.0.0.1")
        alice.service.check_rate("", "2001:db8::1")
        alice.service.check_rate("", "2001:db8:0:1::1")
        with pytest.raises(TooOften, match="api_per_address"):
            alice.service.check_rate("", "2001:db8::2")


async def test_connection_requests_are_counted_per_address_on_links(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        limit(it, "bob", requests_per_address="1/hour")
        rates = bob.node.rates
        take, seen = rates.take_address, []

        def as_from_afar(kind, address):
            seen.append(address)
            take(kind, "192.0.2.1" if address else "")

        rates.take_address = as_from_afar
        await alice.service.peer_request(bob.url, expect=bob.id)
        await until(bob.service.peers_pending, "the first request waits")
        await alice.service.peer_request(bob.url, expect=bob.id, note="again")
        await until(lambda: rates.refused["requests_per_address"], "the second is too often")
        assert bob.service.peers_pending()[0].note == ""
        assert set(seen) == {"127.0.0.1"}


async def test_a_peer_that_sends_too_fast_is_slowed_and_loses_nothing(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        room = await share(alice, bob)
        limit(it, "bob", events_per_peer="200/second")
        start = time.monotonic()
        for turn in range(10):
            await alice.service.say_batch(room, [Said(text=f"{turn} {n} {'x' * 4_000}") for n in range(100)])
        await until(lambda: len(bob.texts(room)) == 1_000, "all arrive", 60)
        await until(lambda: not alice.peer(bob).lag, "all are acknowledged")
        assert time.monotonic() - start > 1.5, "what its credit allows at once, the rest at 200 a second"
        link = bob.node.links.get(alice.node.store.node)
        assert not link.session.is_closed
