"""Nodes on the network: announced where the policy says so, found when somebody looks, and connected to by nobody."""

import asyncio
import time

from foedus.node.nearby import LOOKS_MAX, TooManyLooks
from tests.node.nodes import WAIT_S, street


def announce(running, *, wanted):
    running.path.joinpath("foedus.toml").write_text(f"[discovery]\nannounce = {str(wanted).lower()}\n")
    assert running.node.policy.reload()


async def seen(looking, wanted, *, there=True):
    """Look until a node is seen, or is not any more; return what was seen of it."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        view = await looking.service.peers_nearby(0.3)
        found = [each for each in view.nodes if each.node == wanted.id]
        if bool(found) == there:
            return found
    raise AssertionError(f"{wanted.name} is {'not ' if there else 'still '}seen")


async def test_who_is_announced_is_found_and_who_is_not_is_silent(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        assert not (await b.service.peers_nearby(0.1)).announced
        announce(a, wanted=True)
        (found,) = await seen(b, a)
        assert (found.name, found.urls, found.state) == ("a", [a.url], "")
        assert (await a.service.peers_nearby(0.1)).announced
        assert [each for each in (await a.service.peers_nearby(0.3)).nodes if each.node in {a.id, b.id}] == []
        assert b.service.peers() == []
        assert (await b.service.probe(found.urls[0])).node == a.id
        announce(a, wanted=False)
        await seen(b, a, there=False)


async def test_there_are_so_many_looks_at_one_time(tmp_path):
    async with street(tmp_path) as it:
        a = await it.add("a")
        looks = [a.service.peers_nearby(0.2) for _ in range(LOOKS_MAX + 1)]
        results = await asyncio.gather(*looks, return_exceptions=True)
        assert [type(each) for each in results if isinstance(each, Exception)] == [TooManyLooks]
