"""Packets found by what they mean: an endpoint makes vectors, may be away or answer nonsense, and nothing stops."""

from contextlib import asynccontextmanager

import pytest

from foedus.adapters.embedding_http import EmbedderUnreachable, HttpEmbedder
from foedus.base.errors import UsageError
from foedus.base.limits import BACKOFF_MAX, SECOND
from foedus.base.vectors import dimension_of
from foedus.node import knowledge_embedding
from foedus.node.home import Home
from foedus.node.metrics import render
from foedus.state.knowledge.embedding import BadEmbedding
from tests.node.embedding_endpoint import BAD, DIMENSION, POISON, add, endpoint
from tests.node.knowing import RetractForm, ReviseForm, finds, publish, tell, titles
from tests.node.nodes import connect, street, until


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(knowledge_embedding, "BACKOFF_FIRST", SECOND // 100)
    monkeypatch.setattr(knowledge_embedding, "BACKOFF_MAX", SECOND // 20)
    monkeypatch.setattr(knowledge_embedding, "REFUSED_AGAIN_S", 0.05)


def held(it):
    return tuple(it.node.embedding.held())


async def has(it, vectors, awaiting=0):
    await until(lambda: held(it) == (vectors, awaiting), f"{it.name} has {vectors} vectors")


@asynccontextmanager
async def node_and_endpoint(folder, **more):
    async with endpoint() as source, street(folder) as it:
        yield it, await add(it, "alice", source, **more), source


async def test_a_packet_is_found_by_what_it_means(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, _source):
        await publish(alice, "Nectar", "What a hive stores is honey.")
        await publish(alice, "Loans", "A bank lends money.")
        await has(alice, 2)
        assert await titles(alice, "pollinators") == ["Nectar"]
        assert await titles(alice, "credit") == ["Loans"]
        assert await titles(alice, "quarks") == []


async def test_who_is_first_by_words_and_by_meaning_is_first(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, _source):
        await publish(alice, "Pollinators", "honey bees")
        await publish(alice, "Banks", "money loan pollinators")
        await publish(alice, "Hives", "bees")
        await has(alice, 3)
        found = await alice.service.knowledge_search("pollinators")
        assert found[0].title == "Pollinators"
        assert {view.title for view in found} == {"Pollinators", "Banks", "Hives"}
        assert found == await alice.service.knowledge_search("pollinators"), "equal ones stand by id"


async def test_revised_and_retracted_and_erased_packets_lose_their_vectors(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, _source):
        first = await publish(alice, "One", "honey")
        second = await publish(alice, "Two", "honey hive")
        third = await publish(alice, "Three", "bees")
        await has(alice, 3)
        await tell(alice, ReviseForm(packet=first, title="One", content="storm"))
        await tell(alice, RetractForm(packet=second, reason="wrong"))
        await alice.service.erase(third, "author")
        await finds(alice, "weather", ["One"])
        await has(alice, 1)
        assert await titles(alice, "pollinators") == []


async def test_vectors_are_kept_over_a_restart_and_made_again_for_another_model(tmp_path):
    async with node_and_endpoint(tmp_path) as (it, alice, source):
        await publish(alice, "Nectar", "honey")
        await has(alice, 1)
        asked = len(source.asked)
        again = await it.restart("alice")
        await finds(again, "pollinators", ["Nectar"])
        assert [texts for texts in source.asked[asked:] if texts != ["pollinators"]] == []
        await it.stop("alice")
        path = Home(tmp_path / "alice").policy_path
        path.write_text(path.read_text().replace("small", "other"))
        another = await it.start("alice")
        await until(lambda: any("Nectar" in texts[0] for texts in source.asked[asked:]), "it is embedded anew")
        await has(another, 1)


async def test_an_index_that_was_lost_is_made_again_with_its_vectors(tmp_path):
    async with node_and_endpoint(tmp_path) as (it, alice, _source):
        await publish(alice, "Nectar", "honey")
        await has(alice, 1)
        await it.stop("alice")
        Home(tmp_path / "alice").knowledge.unlink()
        again = await it.start("alice")
        await finds(again, "pollinators", ["Nectar"])


async def test_while_the_embedder_is_away_words_find_and_status_says_so(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, source):
        source.answers = "down"
        await publish(alice, "Nectar", "honey")
        await until(lambda: _codes(alice) == ["embedder"], "status says so")
        assert await titles(alice, "honey") == ["Nectar"]
        assert await titles(alice, "pollinators") == []
        metrics = render(alice.node).decode()
        assert "foedus_knowledge_awaiting 1" in metrics
        assert 'foedus_embedding_failures_total{reason="embedder_unreachable"}' in metrics
        source.answers = "well"
        await finds(alice, "pollinators", ["Nectar"])
        assert _codes(alice) == []


def _codes(it):
    return [trouble.code for trouble in it.service.status().troubles if trouble.code.startswith("embed")]


@pytest.mark.parametrize("answers", sorted(BAD))
async def test_no_bad_answer_gets_in_or_stops_anything(tmp_path, answers):
    async with node_and_endpoint(tmp_path) as (_, alice, source):
        await publish(alice, "Nectar", "honey")
        await has(alice, 1)
        source.answers = answers
        assert await titles(alice, "honey") == ["Nectar"], "a question is answered by words"
        await publish(alice, "Loans", "money")
        await publish(alice, "Storms", "rain")
        await until(lambda: _codes(alice), "status says so")
        assert await titles(alice, "rain") == ["Storms"]
        assert held(alice) == (1, 2)
        source.answers = "well"
        await finds(alice, "weather", ["Storms"])
        await has(alice, 3)


async def test_a_poisoned_packet_is_passed_over_and_spoils_no_other(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, source):
        source.answers = "down"
        for title in ("Bees", POISON, "Storm"):
            await publish(alice, title, title.lower())
        source.answers = "well"
        await has(alice, 2, awaiting=1)
        await finds(alice, "weather", ["Storm"])
        await until(lambda: _codes(alice) == ["embedding"], "status says so")
        assert await titles(alice, POISON) == [POISON], "it is found by its words"


async def test_a_find_by_meaning_is_for_those_who_may_hear_of_it(tmp_path):
    async with node_and_endpoint(tmp_path) as (it, alice, _source):
        bob = await it.add("bob")
        await connect(bob, alice, tier="EXTERNAL")
        await publish(alice, "Nectar", "honey")
        await has(alice, 1)

        async def found(visible_to):
            hits = await alice.node.knowledge.search("pollinators", visible_to=visible_to)
            return [ranked.content.title for ranked in hits]

        assert await found(None) == await found(bob.node.store.node) == ["Nectar"]
        assert await found(bytes(32)) == []


async def test_the_key_is_read_from_a_private_file(tmp_path):
    async with endpoint() as source, street(tmp_path) as it:
        alice = await add(it, "alice", source, key_file="embedder.key")
        await until(lambda: _codes(alice) == ["embedder"], "there is no such file")
        path = alice.path / "embedder.key"
        path.touch(0o644)
        path.write_text("secret\n")
        await publish(alice, "Nectar", "honey")
        await until(lambda: any("chmod" in each.remedy for each in alice.service.status().troubles), "it names the way")
        path.chmod(0o600)
        await has(alice, 1)
        assert set(source.keys) == {"Bearer secret"}


@pytest.mark.parametrize("url", ["http://models.example/v1", "ftp://127.0.0.1/x", "", "https://me:key@host/v1", "//x"])
def test_packets_go_nowhere_where_others_read_them(url):
    with pytest.raises(UsageError) as told:
        HttpEmbedder(url, "small")
    assert "me:key" not in str(told.value)


async def test_what_an_endpoint_gives_is_a_vector_for_each_text_or_nothing():
    async with endpoint() as source:
        embedder = HttpEmbedder(source.url, "small", dimension=DIMENSION)
        vectors = await embedder.embed(["honey", "rain"])
        assert [dimension_of(vector) for vector in vectors] == [DIMENSION] * 2
        for answers in BAD:
            source.answers = answers
            with pytest.raises(BadEmbedding):
                await embedder.embed(["honey", "rain"])
        source.answers = "down"
        with pytest.raises(EmbedderUnreachable):
            await embedder.embed(["honey"])
        await embedder.close()


def test_the_longest_wait_is_bounded():
    assert BACKOFF_MAX / SECOND == 300


def rewrite(it, text):
    it.path.joinpath("foedus.toml").write_text(text)
    assert it.node.policy.reload()


async def test_another_embedder_is_taken_up_while_the_node_runs(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, source):
        await publish(alice, "Nectar", "honey")
        await has(alice, 1)
        before = alice.path.joinpath("foedus.toml").read_text()
        rewrite(alice, "")
        await until(lambda: not alice.node.embedding.model, "no vectors are made any more")
        assert await titles(alice, "pollinators") == []
        assert await titles(alice, "honey") == ["Nectar"]
        asked = len(source.asked)
        rewrite(alice, before.replace("small", "other"))
        await finds(alice, "pollinators", ["Nectar"])
        assert any("Nectar" in texts[0] for texts in source.asked[asked:]), "it was embedded anew"
        rewrite(alice, before.replace("small", "other") + "least_similarity = 100\n")
        await until(lambda: alice.node.embedding.model == "other", "it is open again")
        assert await titles(alice, "pollinators rain") == [], "nothing is so similar"


async def test_a_wrong_embedder_is_named_and_mended_without_a_restart(tmp_path):
    async with node_and_endpoint(tmp_path) as (_, alice, _source):
        good = alice.path.joinpath("foedus.toml").read_text()
        await until(lambda: alice.node.embedding.model, "it is open")
        rewrite(alice, '[knowledge]\nembedder = "http"\nmodel = "small"\n')
        await until(lambda: _codes(alice) == ["embedder"], "status says so")
        rewrite(alice, good)
        await publish(alice, "Nectar", "honey")
        await finds(alice, "pollinators", ["Nectar"])
        assert _codes(alice) == []
