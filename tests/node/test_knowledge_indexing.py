"""The index of knowledge behind the log: nothing that is published while it reads is passed over."""

import asyncio

from tests.node.knowing import publish, titles
from tests.node.nodes import street, until


async def test_what_comes_while_a_chain_is_read_to_its_end_is_read_too(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        indexer, loop, late = alice.node.knowledge.indexer, asyncio.get_running_loop(), []
        read = indexer._read_page

        def read_and_wait(key):
            missing = read(key)
            if missing is None and not late:
                late.append(key)
                asyncio.run_coroutine_threadsafe(publish(alice, "Second", "storm"), loop).result(10)
            return missing

        indexer._read_page = read_and_wait
        await publish(alice, "First", "rain")
        await until(lambda: late, "the chain is read to its end")
        assert await titles(alice, "rain") == ["First"]
        assert await titles(alice, "storm") == ["Second"]
