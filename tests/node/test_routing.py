"""Routing by meaning between real nodes: sketches flow where answers would, and few peers are asked."""

import struct
from contextlib import asynccontextmanager

import pytest

from foedus.base.vectors import unit
from foedus.log import streams
from foedus.log.port import Verdict
from foedus.node import routing, sketching
from foedus.node.metrics import render
from foedus.node.query_forms import Asked
from foedus.query.routing import choice
from foedus.sync.frames.questions import Reach, Reached
from foedus.trust.agreements.terms import SideTerms, Terms
from tests.node.embedding_endpoint import DIMENSION, add, endpoint, vector_of
from tests.node.knowing import RetractForm, publish, tell
from tests.node.nodes import connect, street, until
from tests.node.questions import codes, outcomes
from tests.node.test_agreements_across_nodes import agree

TOPICS = {"bees": "honey bees hive", "rain": "rain storm clouds", "bank": "money bank loan"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(routing, "REACH_PAUSE_S", 0.01)
    monkeypatch.setattr(sketching, "REST_MIN_S", 0.01)
    monkeypatch.setattr(choice, "TARGETS_MIN", 1)


def held(it):
    """What a node knows of others: {name of the domain: centroids} by node."""
    known = it.node.queries.routing.known
    return {node: sorted(known._held[node]) for node in known}


def ident(it):
    return it.node.store.node


async def knows(it, *others, domain="biology.insects"):
    """Wait until a node holds the sketches of others, and knows the way to them."""
    wanted = {ident(other) for other in others}
    await until(lambda: {node for node, domains in held(it).items() if domain in domains} >= wanted, "it has sketches")
    await until(lambda: set(it.node.queries.routing.routes.reach()) >= wanted, "it knows the ways")


@asynccontextmanager
async def star(folder, *topics, tier="EXTERNAL"):
    """A hub, and around it one node for each topic. They answer the hub, and send it no packets."""
    async with endpoint() as source, street(folder) as it:
        hub = await add(it, "hub", source)
        around = []
        for topic in topics:
            node = await add(it, topic, source)
            await connect(hub, node, tier=tier)
            await publish(node, topic, TOPICS[topic])
            around.append(node)
        await until(lambda: hub.node.embedding.model, "the hub has its embedder")
        await knows(hub, *around)
        yield it, hub, around


async def ask(running, text, **how):
    return await running.service.answers(Asked(kind="semantic", text=text, scope="global", **how))


def titles(answers):
    return [found.body["title"] for found in answers.results]


async def test_a_question_goes_to_who_knows_and_the_others_are_named(tmp_path):
    async with star(tmp_path, "bees", "rain", "bank") as (_, hub, _around):
        answers = await ask(hub, "pollinators")
        assert titles(answers) == ["bees"]
        assert outcomes(answers) == {"hub": "answered", "bees": "answered", "rain": "not_asked", "bank": "not_asked"}
        assert codes(answers)["rain"] == "routed"
        assert hub.node.queries.routing.chosen == {"routed": 1}
        metrics = render(hub.node).decode()
        assert "foedus_sketches_known 3" in metrics
        assert 'foedus_questions_routed_total{why="routed"} 1' in metrics


async def test_what_nobody_is_like_goes_to_everybody(tmp_path):
    async with star(tmp_path, "bees", "rain") as (_, hub, _around):
        answers = await ask(hub, "quarks")
        assert set(outcomes(answers).values()) == {"answered"}
        assert hub.node.queries.routing.chosen == {"nothing_like_it": 1}


async def test_a_question_of_words_or_to_peers_alone_goes_to_everybody(tmp_path):
    async with star(tmp_path, "bees", "rain") as (_, hub, _around):
        for how in ({"kind": "text", "scope": "global"}, {"kind": "semantic", "scope": "direct"}):
            answers = await hub.service.answers(Asked(text="pollinators", **how))
            assert set(outcomes(answers).values()) == {"answered"}
        assert hub.node.queries.routing.chosen == {}


async def test_a_peer_that_tells_no_sketch_of_the_model_is_asked(tmp_path):
    async with star(tmp_path, "bees", "rain") as (it, hub, _around):
        plain = await it.add("plain")
        await connect(hub, plain, tier="EXTERNAL")
        await publish(plain, "pollinators in words", "pollinators")
        answers = await ask(hub, "pollinators")
        assert set(titles(answers)) == {"bees", "pollinators in words"}
        assert outcomes(answers)["rain"] == "not_asked"
        other = await hub.service.answers(
            Asked(kind="semantic", vector=unit(vector_of("bees")), model="other", text="bees", scope="global")
        )
        assert set(outcomes(other).values()) == {"answered"}
        assert hub.node.queries.routing.chosen["nothing_known"] == 1


async def test_a_question_finds_its_way_over_a_node_that_knows_nothing_of_it(tmp_path):
    async with star(tmp_path, "bees", "rain", tier="CORE") as (it, hub, around):
        asker = await add(it, "asker", hub.node.policy.current.knowledge)
        await connect(asker, hub)
        await until(lambda: asker.node.embedding.model, "it has its embedder")
        await knows(asker, *around)
        answers = await ask(asker, "pollinators")
        assert titles(answers) == ["bees"]
        assert outcomes(answers)["hub"] == "answered"
        assert hub.node.queries.routing.chosen["routed"] == 1


async def test_where_the_agreement_withholds_knowledge_no_sketch_goes(tmp_path):
    async with star(tmp_path, "bees") as (it, hub, (bees,)):
        quiet = await it.add("quiet")
        await connect(quiet, bees, tier="SANDBOX")
        await knows(quiet, bees)
        assert bees.peer(quiet).tier == "SANDBOX"
        await agree(bees, quiet, Terms(ours=SideTerms(directions=["room"])))
        await publish(bees, "more", "honey", domain="biology.more")
        await knows(hub, bees, domain="biology.more")
        assert held(quiet) == {ident(bees): ["biology.insects"]}, "what it was told before, and nothing after"


async def test_with_whom_a_node_is_connected_it_tells_only_whom_it_may(tmp_path):
    async with star(tmp_path, "bees") as (it, hub, (bees,)):
        hub.path.joinpath("foedus.toml").write_text('[federation.policy]\ntells_peers = "nobody"\n')
        hub.node.policy.reload()
        core, outer = await it.add("core"), await it.add("outer")
        await connect(core, hub)
        await connect(outer, hub, tier="EXTERNAL")
        await until(lambda: outer.node.queries.routing.routes.knows(ident(hub)), "its own packets it tells of")
        assert set(outer.node.queries.routing.routes.reach()) == {ident(outer), ident(hub)}
        assert not core.node.queries.routing.routes.knows(ident(hub)), "whose questions go on is told all or nothing"
        hub.path.joinpath("foedus.toml").write_text('[federation.policy]\ntells_peers = "core"\n')
        hub.node.policy.reload()
        await until(lambda: ident(bees) in core.node.queries.routing.routes.reach(), "now it may know")
        assert set(outer.node.queries.routing.routes.reach()) == {ident(outer), ident(hub)}


# --- what a node tells of itself -----------------------------------------------------------------


def sketches(it, writer, domain="biology.insects"):
    """Return the sketch events of a writer, as a node holds them: (verdict, has a body)."""
    chains = it.node.store.admission.chains.of_stream(streams.sketch(domain))
    rows = [row for c in chains if c.node == ident(writer) for row in it.node.log.chain(c.epoch, c.stream, 0, 100)]
    return [(row.verdict, row.envelope.body is not None) for row in rows if row.kind == "knowledge.sketch"]


async def test_what_is_taken_back_leaves_the_sketch_and_the_one_before_is_erased(tmp_path):
    async with star(tmp_path, "bees") as (_, hub, (bees,)):
        packet = await publish(bees, "Storm", "rain storm clouds")
        await until(lambda: len(sketches(hub, bees)) == 1, "ten minutes must pass before it tells more")
        await tell(bees, RetractForm(packet=(await publish(bees, "Loan", "money")), reason="wrong"))
        await until(lambda: sketches(hub, bees)[0] == (Verdict.ACCEPTED, False), "the first sketch is erased")
        await tell(bees, RetractForm(packet=packet, reason="wrong"))
        known = hub.node.queries.routing.known
        east = struct.pack(f"<{DIMENSION}f", *([0.0, 1.0] + [0.0] * (DIMENSION - 2)))

        def like_rain():
            return known.rank(memoryview(east).cast("f"), "small")[0].similarity

        await until(lambda: like_rain() < 0.1, "nothing of the storm is told")
        assert len(known._held[ident(bees)]["biology.insects"].keys) == 1


async def test_a_sketch_is_not_told_again_after_a_restart(tmp_path):
    async with star(tmp_path, "bees") as (it, hub, _):
        again = await it.restart("bees")
        await until(lambda: again.node.sketching.rounds, "it has looked at what it told")
        await publish(again, "More", "honey bees hive")
        await until(lambda: again.node.embedding.held().vectors == 2, "the same is known twice")
        await until(lambda: again.is_linked(hub), "it is back")
        await publish(again, "Other", "rain", domain="weather")
        await knows(hub, again, domain="weather")
        assert len(sketches(hub, again)) == 1


async def test_who_makes_no_vectors_any_more_takes_its_sketches_back(tmp_path):
    async with star(tmp_path, "bees") as (it, hub, (bees,)):
        await it.stop("bees")
        bees.path.joinpath("foedus.toml").write_text("")
        await it.start("bees")
        await until(lambda: held(hub) == {}, "the hub knows nothing of it")


POISON = {
    "nan": [struct.pack("<4f", float("nan"), 1, 0, 0)],
    "infinite": [struct.pack("<4f", float("inf"), 0, 0, 0)],
    "zero": [bytes(16)],
    "narrow": [unit([1.0, 0, 0])],
    "twice": [unit([1.0, 0, 0, 0])] * 2,
    "text": "centroids",
}


async def test_a_poisoned_sketch_is_refused_and_named_and_a_reach_without_its_sender_ends_the_link(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        for count, (domain, poison) in enumerate(POISON.items(), 1):
            body = {"model": "small", "dimension": 4, "centroids": poison}
            await b.node.author.order([b.node.author.node_act(f"sketch:{domain}", "knowledge.sketch", body)])
            await until(lambda so_far=count: a.node.queries.routing.refused["malformed_sketch"] == so_far, domain)
        assert held(a) == {}
        refused = f'foedus_sketches_refused_total{{reason="malformed_sketch"}} {len(POISON)}'
        assert refused in render(a.node).decode()
        nodes = (Reached(b"x" * 32, 1), Reached(b"y" * 32, 2))
        theirs = a.node.links.get(ident(b))
        b.node.links.get(ident(a)).control(Reach(nodes))
        await until(lambda: theirs.closing is not None, "the link ends")
        assert theirs.closing.code == "malformed_reach"
