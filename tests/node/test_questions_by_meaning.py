"""Questions by meaning between real nodes: a vector travels, and who cannot compare it says so."""

import math
import struct
from contextlib import asynccontextmanager

import pytest

from foedus.base.base64url import to_base64url
from foedus.base.errors import FoedusError
from foedus.base.vectors import unit
from foedus.node.query_forms import Asked
from tests.node.embedding_endpoint import BAD, DIMENSION, add, endpoint, vector_of
from tests.node.knowing import publish
from tests.node.nodes import connect, street, until
from tests.node.people import agent
from tests.node.questions import codes, outcomes, raw, send_raw


@asynccontextmanager
async def asker_and_answerer(folder, **theirs):
    """Two nodes of one model; the second holds a packet that no word of the questions is in."""
    async with endpoint() as source, street(folder) as it:
        a, b = await add(it, "a", source), await add(it, "b", source, **theirs)
        await connect(a, b, tier="EXTERNAL", gives="EXTERNAL")
        await publish(b, "Nectar", "What a hive stores is honey.")
        await until(lambda: b.node.embedding.held().vectors == 1, "b has its vector")
        await until(lambda: a.node.embedding.model, "a has its embedder")
        yield it, a, b, source


async def ask(running, **how):
    return await running.service.answers(Asked(kind="semantic", **how))


def titles(answers):
    return [found.body["title"] for found in answers.results]


async def test_a_question_finds_at_a_peer_what_means_the_same(tmp_path):
    async with asker_and_answerer(tmp_path) as (_, a, _b, _source):
        answers = await ask(a, text="pollinators")
        assert titles(answers) == ["Nectar"]
        assert (outcomes(answers), codes(answers)) == ({"a": "answered", "b": "answered"}, {"a": "", "b": ""})
        assert titles(await a.service.answers(Asked(kind="text", text="pollinators"))) == ["Nectar"], "b embeds it anew"


async def test_a_vector_alone_is_enough(tmp_path):
    async with asker_and_answerer(tmp_path) as (_, a, _b, source):
        before = len(source.asked)
        vector = struct.pack(f"<{DIMENSION}f", *(7 * number for number in vector_of("pollinators")))
        answers = await ask(a, vector=vector, model="small")
        assert titles(answers) == ["Nectar"]
        assert len(source.asked) == before, "nobody had to embed anything"


async def test_another_model_answers_by_words_and_says_so(tmp_path):
    async with asker_and_answerer(tmp_path, model="other") as (_, a, _b, _source):
        answers = await ask(a, text="hive pollinators")
        assert titles(answers) == ["Nectar"]
        assert codes(answers) == {"a": "", "b": "by_words"}
        wordless = await ask(a, vector=unit(vector_of("pollinators")), model="small")
        assert (outcomes(wordless)["b"], codes(wordless)["b"]) == ("refused", "other_model")


async def test_a_node_without_an_embedder_asks_by_a_vector_and_answers_by_words(tmp_path):
    async with endpoint() as source, street(tmp_path) as it:
        a, b = await it.add("a"), await add(it, "b", source)
        await connect(a, b)
        with pytest.raises(FoedusError) as refused:
            await ask(a, text="pollinators")
        assert (refused.value.code, refused.value.http_status) == ("no_embedder", 409)
        answers = await ask(a, text="bees", vector=unit(vector_of("bees")), model="small")
        assert codes(answers) == {"a": "by_words", "b": ""}


async def test_another_dimension_is_another_model(tmp_path):
    async with asker_and_answerer(tmp_path) as (_, a, _b, _source):
        answers = await ask(a, vector=unit([1.0] * (DIMENSION + 1)), model="small")
        assert codes(answers)["b"] == "other_model"


POISONED = {
    "nan": struct.pack("<4f", math.nan, 1, 0, 0),
    "infinite": struct.pack("<4f", 0, -math.inf, 0, 0),
    "zero": bytes(16),
    "torn": unit([1.0, 0, 0, 0])[:-1],
    "vast": struct.pack("<4097f", *[1.0] * 4_097),
}


async def test_a_poisoned_vector_is_refused_where_it_comes_in(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        for count, (poison, vector) in enumerate(POISONED.items(), 1):
            with pytest.raises(FoedusError) as refused:
                await ask(a, vector=vector, model="small")
            assert (refused.value.code, refused.value.http_status) == ("malformed_vector", 400), poison
            dimension = max(1, min(len(vector) // 4, 4_096))
            about = {"text": "", "model": "small", "dimension": dimension, "vector": vector}
            assert await send_raw(a, b, raw(a, kind="semantic", about=about)) == ("refused", "malformed_vector")
            assert b.node.queries.refused["malformed_vector"] == count


async def test_an_embedder_that_answers_nonsense_makes_no_question(tmp_path):
    async with endpoint() as source, street(tmp_path) as it:
        a = await add(it, "a", source)
        await publish(a, "Bees", "honey")
        await until(lambda: a.node.embedding.held().vectors == 1, "it knows the dimension")
        for answers in sorted(BAD):
            source.answers = answers
            with pytest.raises(FoedusError) as refused:
                await ask(a, text="pollinators", scope="local")
            assert (refused.value.code, refused.value.http_status) == ("no_vector", 503), answers


async def test_an_agent_asks_by_meaning_and_a_device_gets_the_vector_to_sign(tmp_path):
    async with asker_and_answerer(tmp_path) as (_, a, _b, _source):
        made = await a.service.vector("pollinators")
        assert (made.model, made.dimension) == ("small", DIMENSION)
        assert made.vector == to_base64url(unit(vector_of("pollinators")))
        ann = await agent(a, "ann")
        await publish(a, "Bees", "honey")
        await until(lambda: a.node.embedding.held().vectors == 1, "a has a vector")
        assert titles(await ask(a, text="pollinators", as_=ann, scope="local")) == ["Bees"]
