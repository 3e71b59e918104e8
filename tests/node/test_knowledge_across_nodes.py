"""Knowledge between real nodes: it flows, is found, and is kept back, by tier and agreement."""

import asyncio

from foedus.node.knowledge_forms import PublishForm
from tests.node.nodes import connect, street


async def publish(it, title="Bees dance", content="A waggle dance tells where the flowers are.", **more):
    form = PublishForm(**{"domain": "biology.insects", "title": title, "content": content, "tags": ["bees"]} | more)
    return (await it.service.knowledge_tell([form]))[0].id


async def found(it, text, **more):
    return [view.title for view in await it.service.knowledge_search(text, **more)]


async def finds(it, text, titles):
    """Wait until a search finds exactly these."""
    for _ in range(1_000):
        if await found(it, text) == titles:
            return

        await asyncio.sleep(0.01)
    assert await found(it, text) == titles


async def test_what_is_published_on_one_node_is_found_on_another(tmp_path):
    async with street(tmp_path) as nodes:
        a, b = await nodes.add("a"), await nodes.add("b")
        await connect(a, b)
        event = await publish(a)
        await finds(b, "where do dancing bees point", ["Bees dance"])
        view = await b.service.knowledge_show(event[:12])
        assert (view.id, view.who.node, view.domain, view.state) == (event, a.id, "biology.insects", "current")
