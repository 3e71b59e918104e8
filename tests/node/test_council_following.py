"""Following what a council makes: live, from a cursor on, across a restart, and over the API."""

import asyncio
from contextlib import aclosing

import pytest

from foedus.base.errors import UsageError
from foedus.node import council_operations
from foedus.sdk import Client, PlainClient
from tests.node.councils import all_hold, connected, found, put, seat


async def take(entries, count):
    async with asyncio.timeout(30):
        return [await anext(entries) for _ in range(count)]


def keys(entries):
    return [entry.key for entry in entries]


async def test_what_is_made_comes_live_and_from_a_cursor_on(tmp_path, monkeypatch):
    monkeypatch.setattr(council_operations, "PAGE_PLACES", 2)
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "k0", b"0")
        follower = nodes[1].service
        await all_hold(nodes, council, "k0", b"0")
        async with aclosing(follower.council_follow("board")) as live:
            coming = asyncio.ensure_future(take(live, 5))
            await asyncio.sleep(0)
            for number in range(1, 6):
                await put(nodes[number % 4], council, f"k{number}", b"%d" % number)
            made = await coming
        assert keys(made) == ["k1", "k2", "k3", "k4", "k5"]
        assert not seat(nodes[1], council).following._readers
        async with aclosing(follower.council_follow("board", after=made[1].cursor)) as rest:
            assert await take(rest, 3) == made[2:]
        async with aclosing(follower.council_follow("board", after=str(made[1].sequence))) as rest:
            assert await take(rest, 3) == made[2:]

        again = (await it.restart("bob")).service
        async with aclosing(again.council_follow("board", after="")) as whole:
            assert keys(await take(whole, 6)) == ["k0", "k1", "k2", "k3", "k4", "k5"]
        for cursor in ("x", "1.", ".1", "1" * 10, "1.1234", "-1"):
            with pytest.raises(UsageError, match="no place"):
                await anext(again.council_follow("board", after=cursor))
        monkeypatch.setattr(council_operations, "MADE_KEPT", 1)
        with pytest.raises(UsageError) as gone:
            await anext(again.council_follow("board", after="1"))
        assert (gone.value.code, gone.value.http_status) == ("cursor_gone", 410)


async def test_within_a_batch_it_goes_on_after_the_position(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        await asyncio.gather(*(put(nodes[0], council, f"k{number}", b"v") for number in range(40)))
        await all_hold(nodes, council, "k39", b"v")
        async with aclosing(nodes[0].service.council_follow("board", after="")) as whole:
            made = await take(whole, 40)
        assert len({entry.sequence for entry in made}) < 40, "some share a batch"
        for place in range(39):
            async with aclosing(nodes[0].service.council_follow("board", after=made[place].cursor)) as rest:
                assert await take(rest, 1) == [made[place + 1]]


async def test_both_clients_follow(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        bob = nodes[1]
        token = bob.node.home.token()
        opened = asyncio.Event()
        async with Client(bob.url, token) as client, aclosing(client.councils.follow("board", opened=opened.set)) as it:
            coming = asyncio.ensure_future(take(it, 2))
            await opened.wait()
            await put(nodes[0], council, "a", b"1")
            await put(nodes[2], council, "b", b"2")
            made = await coming
            (shown,) = (await client.node.status()).councils
            counted = (await client.node.metrics()).splitlines()
        assert keys(made) == ["a", "b"]
        assert (shown.id, shown.name, shown.state, shown.lag) == (council.hex(), "board", "running", 0)
        assert shown.leader in {node.id for node in nodes}
        for name, value in {"epoch": 0, "lag": 0, "waiting": 0}.items():
            assert f'foedus_council_{name}{{council="{council.hex()}"}} {value}' in counted
        assert any(line.startswith("foedus_council_made{") and not line.endswith(" 0") for line in counted)
        assert any(line.startswith("foedus_council_silent_members{") for line in counted)

        def plainly():
            with PlainClient(bob.url, token) as plain:
                return next(plain.councils.follow("board", after=made[0].cursor))

        assert await asyncio.to_thread(plainly) == made[1]
