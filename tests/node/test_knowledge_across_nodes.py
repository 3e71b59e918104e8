"""Knowledge between real nodes: what flows, what is found, and what is kept back, by tier, agreement and grant."""

import pytest
from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import encode
from foedus.base.errors import FoedusError, NotFound
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log.event import Envelope, act_signing_bytes, encode_event, event_signing_bytes, parse_envelope
from foedus.node import knowledge_indexing
from foedus.node.knowledge_forms import RepublishForm
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.border import PUBLISH
from foedus.trust.standing import Standing
from tests.node.knowing import (
    DOMAIN,
    ClaimForm,
    DoneForm,
    OfferForm,
    PublishForm,
    RetractForm,
    ReviseForm,
    asks_nobody,
    finds,
    holds,
    publish,
    say_signed,
    tell,
    titles,
)
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.searching import files_with
from tests.node.test_agreements_across_nodes import agree


@pytest.fixture
async def pair(tmp_path):
    """Two connected nodes, both CORE to the other; a has the human ada and the agent scout."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        await agent(a, "scout")
        await connect(a, b)
        yield it, a, b, ada


async def test_what_is_published_on_one_node_is_found_on_another(pair):
    _, a, b, _ = pair
    event = await publish(a, tags=["bees"])
    await finds(b, "where do dancing bees point", ["Bees dance"])
    view = await b.service.knowledge_show(event[:12])
    assert (view.id, view.who.node, view.domain, view.state) == (event, a.id, DOMAIN, "current")


async def test_a_revision_replaces_and_a_retraction_takes_away_everywhere(pair):
    _, a, b, _ = pair
    event = await publish(a)
    await tell(a, ReviseForm(packet=event, title="Wasps sting", content="They do."))
    await finds(b, "wasps", ["Wasps sting"])
    await finds(b, "bees", [])
    await tell(a, RetractForm(packet=event, reason="they did not"))
    await finds(b, "wasps", [])
    view = await b.service.knowledge_show(event)
    assert (view.state, view.reason, view.title, view.content) == ("retracted", "they did not", "", "")
    history = await b.service.knowledge_history(event)
    assert [told.kind.partition(".")[2] for told in history.told] == ["publish", "revise", "retract"]


async def test_nobody_else_revises_or_retracts(pair):
    _, a, b, ada = pair
    event = await publish(a)
    await finds(b, "bees", ["Bees dance"])
    placed = [await tell(b, RetractForm(packet=event)), await say_signed(ada, ReviseForm(packet=event, title="Mine"))]
    for one, it in zip(placed, (a, b), strict=True):
        await holds(it, one.id)
    assert await titles(a, "bees") == await titles(b, "bees") == ["Bees dance"]


async def test_what_is_erased_is_found_nowhere_and_in_no_index(pair):
    _, a, b, _ = pair
    event = await publish(a, "Xylophones", "vibraphone")
    await finds(b, "xylophones", ["Xylophones"])
    await a.service.erase(event, "author")
    for it in (a, b):
        await finds(it, "xylophones", [])
        await it.node.eraser.idle()
        await it.node.knowledge.indexer.caught_up()
        assert (await it.service.knowledge_show(event)).state == "erased"
        for file in it.path.glob("*.db*"):
            data = file.read_bytes()
            assert b"xylophon" not in data.lower(), file
            assert b"vibraphon" not in data, file


async def test_a_node_erases_only_what_was_written_there(pair):
    _, a, b, _ = pair
    event = await publish(a)
    await finds(b, "bees", ["Bees dance"])
    with pytest.raises(FoedusError) as refused:
        await b.service.erase(event, "moderator")
    assert refused.value.code == "not_permitted"


# --- tiers and agreements ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a_gives", "b_gives", "flows"),
    [
        ("CORE", "CORE", True),
        ("CORE", "SANDBOX", True),  # b takes from a sandboxed node
        ("SANDBOX", "CORE", False),  # a sends it nothing
        ("EXTERNAL", "CORE", False),
        ("CORE", "EXTERNAL", False),  # b takes nothing
    ],
)
async def test_knowledge_flows_as_the_tiers_say(tmp_path, a_gives, b_gives, flows):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b, tier=b_gives, gives=a_gives)
        event = await publish(a)
        if flows:
            await finds(b, "bees", ["Bees dance"])
        else:
            await share_something(b, a)
            with pytest.raises(NotFound):
                b.service.event(event)
            assert await titles(b, "bees") == []


async def share_something(b, a):
    """Wait until something that a did after the packet has come to b, whatever the tiers."""
    did = await agent(a, "messenger")
    await until(lambda: did in {who.did for who in b.service.participants()}, "a later event of a")


async def test_who_may_query_is_answered_from_what_it_may_see(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await publish(a)

        async def answered():
            found = await a.node.knowledge.search("bees", 10, parse_id(b.id))
            return [ranked.content.title for ranked in found]

        assert await answered() == [], "a stranger"
        await connect(b, a, tier="EXTERNAL")
        assert await answered() == ["Bees dance"]
        for tier in ("SANDBOX", "CORE"):
            await a.service.peer_tier(b.id, tier)
            assert await answered() == ["Bees dance"]
        await a.service.peer_pause(b.id)
        assert await answered() == []


async def test_an_agreement_without_the_direction_stops_knowledge(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        await agree(a, b, Terms(ours=SideTerms(directions=["room"])))
        event = await publish(a)
        await share_something(b, a)
        with pytest.raises(NotFound):
            b.service.event(event)
        assert await a.node.knowledge.search("bees", 10, parse_id(b.id)) == []


async def test_a_node_passes_on_what_its_core_peers_wrote_with_their_signatures(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await it.add("a"), await it.add("b"), await it.add("c")
        ada = await enrol(a, "ada")
        await connect(a, b)
        await connect(b, c)
        placed = await say_signed(ada, PublishForm(domain=DOMAIN, title="Bees dance"))
        await finds(c, "bees", ["Bees dance"])
        view = await c.service.knowledge_show(placed.id)
        assert (view.who.node, view.who.author, view.who.author_name) == (a.id, ada.did, "ada")
        assert c.service.event(placed.id).verdict == "accepted"


async def test_a_node_keeps_to_itself_what_a_sandboxed_peer_wrote(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await it.add("a"), await it.add("b"), await it.add("c")
        await connect(a, b, tier="SANDBOX")
        await connect(b, c)
        event = await publish(a)
        await finds(b, "bees", ["Bees dance"])
        await share_something(c, b)
        with pytest.raises(NotFound):
            c.service.event(event)
        assert await b.node.knowledge.search("bees", 10, parse_id(c.id)) == []


# --- the border --------------------------------------------------------------------------------------


async def test_a_humans_packet_needs_no_grant_and_an_agents_does(pair):
    _, a, b, ada = pair
    await say_signed(ada, PublishForm(domain=DOMAIN, title="By a person"))
    asks_nobody(a)
    placed = await tell(a, PublishForm(domain=DOMAIN, title="By an agent", as_="scout"))
    assert [(kept.node, kept.clause) for kept in placed.kept_from] == [(b.id, "grant.human_required")]
    await holds(b, placed.id)
    assert sorted(await titles(a, "by")) == ["By a person", "By an agent"], "at home it is shown"
    assert await titles(b, "by") == ["By a person"]
    assert b.service.event(placed.id).withheld == "grant.human_required"
    assert b.service.event(placed.id).body is None


async def test_an_agents_packet_crosses_in_the_name_of_a_human_where_its_standing_allows(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        await connect(a, b)
        grant = await ada.give(scout, Scope(PUBLISH, hosts=[b.id]))
        placed = await tell(a, PublishForm(domain=DOMAIN, title="By an agent", as_="scout"))
        assert placed.kept_from == []
        await holds(b, placed.id)
        assert b.service.event(placed.id).withheld == "room.standing", "a foreigner starts as normal"
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        b.node.crossings.forget()
        await finds(b, "agent", ["By an agent"])
        await ada.take_back(grant)
        later = await tell(a, PublishForm(domain=DOMAIN, title="Too late", as_="scout"))
        assert (later.id, bool(later.approval)) == ("", True), "a person is asked"


async def test_a_revoked_device_publishes_no_more_and_what_it_said_before_stands(pair):
    _, a, b, ada = pair
    await say_signed(ada, PublishForm(domain=DOMAIN, title="Before bees"))
    enrolment = ada.enrolment
    held = a.service.device_cuts(ada.did, ada.key.public.hex())
    cuts = [[parse_id(chain), seq, parse_id(last)] for chain, seq, last in held]
    revoke = ada.act(f"participant:{ada.did}", "device.revoke", {"device": ada.key.public, "cuts": cuts}, [enrolment])
    await a.service.participant_act(ada.did, revoke)
    body = PublishForm(domain=DOMAIN, title="After").body()
    act = ada.act(f"knowledge:{DOMAIN}", "knowledge.publish", body, [enrolment])
    with pytest.raises(FoedusError) as refused:
        await a.service.knowledge_signed(DOMAIN, [act])
    assert refused.value.code == "unknown_device"
    await finds(b, "bees", ["Before bees"])


# --- dependencies, tasks, passing on -----------------------------------------------------------------


async def test_a_dependency_that_is_missing_is_named_and_a_loop_ends(pair):
    _, a, b, _ = pair
    first = await publish(a, "One")
    second = await publish(a, "Two", dependencies=[first])
    await holds(b, (await tell(a, ReviseForm(packet=first, title="One", dependencies=[second, "ab" * 32]))).id)
    history = await b.service.knowledge_history(second)
    assert (history.ground, history.missing, history.is_whole) == ([first], ["ab" * 32], True)
    assert (await b.service.knowledge_show(first)).missing == ["ab" * 32]


async def test_a_dependency_that_is_missing_is_asked_for_as_it_comes_and_as_it_is_shown(pair, monkeypatch):
    _, a, b, _ = pair
    asked, answer = [], a.node.outbox.answer

    def noted(link, ids):
        asked.extend(ids)
        answer(link, ids)

    monkeypatch.setattr(a.node.outbox, "answer", noted)
    far = parse_id("ab" * 32)
    packet = await publish(a, dependencies=[far.hex()])
    await until(lambda: asked.count(far) == 1, "b asks for it as the packet comes")
    await b.service.knowledge_show(packet)
    await until(lambda: asked.count(far) == 2, "and as it is shown")
    await finds(b, "bees", ["Bees dance"])


async def test_a_task_is_claimed_on_another_node_and_one_claim_wins_at_both(pair):
    it, a, b, _ = pair
    task = (await tell(a, OfferForm(domain=DOMAIN, title="Count bees"))).id
    await holds(b, task)
    await it.stop("b")
    await tell(a, ClaimForm(task=task))
    b = await it.start("b")
    before = await b.service.tasks()
    assert [view.state for view in before.tasks] in (["offered"], ["claimed"])
    late = await tell(b, ClaimForm(task=task))
    await holds(a, late.id)
    for node in (a, b):

        async def held(node=node):
            return (await node.service.task(task)).holder.node

        assert await held() == a.id
    await tell(b, DoneForm(task=task, result="no"))
    await tell(a, DoneForm(task=task, result="forty-two"))
    last = (await a.service.task(task)).result
    assert last == "forty-two"


async def test_what_is_passed_on_carries_its_authors_signatures(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await it.add("a"), await it.add("b"), await it.add("c")
        ada = await enrol(a, "ada")
        await connect(a, b, tier="SANDBOX")  # b keeps to itself what a wrote, unless somebody there passes it on
        await connect(b, c)
        placed = await say_signed(ada, PublishForm(domain=DOMAIN, title="Bees dance"))
        await finds(b, "bees", ["Bees dance"])
        source = (await b.service.knowledge_envelope(placed.id)).envelope
        passed = await tell(b, RepublishForm(domain="news", source=source))
        await finds(c, "bees", ["Bees dance"])
        at_b, at_c = [await node.service.knowledge_show(passed.id) for node in (b, c)]
        assert (at_b.who.node, at_b.source.event, at_b.source.author) == (b.id, placed.id, ada.did)
        assert at_b.source.proved == "proved"
        assert at_c.source.proved == "unknown", "c never heard of a's keys"


async def test_a_source_signed_by_a_device_that_is_not_its_authors_is_not_proved(pair):
    """A node can sign what it likes in anybody's name; which devices are an author's, only the author says."""
    _, a, b, ada = pair
    placed = await say_signed(ada, PublishForm(domain=DOMAIN, title="Bees dance"))
    shown = (await a.service.knowledge_envelope(placed.id)).envelope
    for key, proved in ((ada.key, "proved"), (Ed25519Key(b"k" * 32), "unknown")):
        source = signed_anew(a, from_base64url(shown, "envelope"), key)
        passed = await tell(b, RepublishForm(domain="news", source=to_base64url(source)))
        view = await b.service.knowledge_show(passed.id)
        assert (view.source.author, view.source.proved) == (ada.did, proved)


def signed_anew(running, envelope, key):
    """Return an envelope whose act another device signed, and its node after it."""
    parsed = parse_envelope(envelope)
    act = replace(parsed.event.act, device=key.public)
    asig = key.sign(act_signing_bytes(act, parsed.event.epoch, parsed.event.stream))
    event = encode_event(replace(parsed.event, act=act, asig=asig))
    sig = running.node.store.keys.ed25519.sign(event_signing_bytes(event))
    return Envelope(event, sig, parsed.envelope.salt, parsed.envelope.body).encode()


@pytest.mark.parametrize("crash", [False, True], ids=["", "after a crash"])
async def test_what_was_passed_on_goes_where_its_author_erases_it(tmp_path, crash):
    async with street(tmp_path) as it:
        a, b, c = await it.add("a"), await it.add("b"), await it.add("c")
        await connect(a, b, tier="SANDBOX")
        await connect(b, c)
        event = await publish(a, "Xylophones", "vibraphone")
        await finds(b, "xylophones", ["Xylophones"])
        source = (await b.service.knowledge_envelope(event)).envelope
        by_agent = await b.service.participant_add_custodial("parrot")
        await tell(b, RepublishForm(domain="news", source=source))
        asked = await tell(b, RepublishForm(domain="news", source=source, as_=by_agent.name))
        assert asked.approval, "an agent's waits for a person"
        await until(lambda: files_with(c.path, b"vibraphone"), "c has it")
        if crash:
            b.node.eraser.on_erased.clear()
        await a.service.erase(event, "author")
        if crash:
            await until(lambda: b.service.event(event).erased, "b hears of it")
            await b.node.eraser.idle()
            assert files_with(b.path, b"vibraphone")
            b = await it.restart("b")
        for node in (a, b, c):
            await until(lambda node=node: not files_with(node.path, b"vibraphone"), f"{node.name} has it in no file")
        assert b.service.approvals() == [], "the agent's waited for a person, and held it whole"
        with pytest.raises(FoedusError) as refused:
            await tell(b, RepublishForm(domain="news", source=source))
        assert refused.value.code == "already_erased"


async def test_a_forged_source_is_not_passed_on(pair):
    _, a, b, _ = pair
    event = await publish(a)
    envelope = parse_envelope(from_base64url((await a.service.knowledge_envelope(event)).envelope, "envelope")).envelope
    forged = encode([envelope.event, b"\1" * 64, [envelope.salt, envelope.body]])
    with pytest.raises(FoedusError) as refused:
        await tell(a, RepublishForm(domain="news", source=to_base64url(forged)))
    assert refused.value.code == "bad_source"
    (row,) = await a.node.author.order(
        [a.node.author.node_act("knowledge:news", "knowledge.republish", {"source": forged})]
    )
    await holds(b, row.id.hex())
    assert await titles(b, "bees", domain="news") == [], "what another program passed on is not shown either"
    with pytest.raises(NotFound):
        await b.service.knowledge_show(row.id.hex())


async def test_acts_without_end_about_one_task_cost_no_more_than_their_bound(pair, monkeypatch):
    _, a, b, _ = pair
    monkeypatch.setattr(knowledge_indexing, "ACTS_MAX", 5)
    task = (await tell(a, OfferForm(domain=DOMAIN, title="Count bees"))).id
    await holds(b, task)
    placed = await b.service.knowledge_tell([ClaimForm(task=task)] * 40)
    await holds(a, placed[-1].id)
    about = parse_id(task)
    await until(lambda: len(a.node.index.mentions([about])[about]) == 1 + 5, "five are looked at")
    await a.node.knowledge.indexer.caught_up()
    assert len(a.node.index.mentions([about])[about]) == 1 + 5
    assert (await a.service.task(task)).holder.node == b.id


# --- the index ---------------------------------------------------------------------------------------


async def test_the_index_may_be_deleted_at_any_time(pair):
    it, a, _, _ = pair
    await publish(a)
    await finds(a, "bees", ["Bees dance"])
    await it.stop("a")
    for file in (it.folder / "a").glob("knowledge.db*"):
        file.unlink()
    a = await it.start("a")
    assert await titles(a, "bees") == ["Bees dance"]


async def test_an_index_that_missed_an_erasure_learns_of_it_at_the_next_start(pair):
    it, a, _, _ = pair
    event = await publish(a)
    await finds(a, "bees", ["Bees dance"])
    index = it.folder / "a" / "knowledge.db"
    kept = index.read_bytes(), (index.parent / "knowledge.db-wal").read_bytes()
    await a.service.erase(event, "author")
    await a.node.eraser.idle()
    await it.stop("a")
    for suffix, data in zip(("", "-wal"), kept, strict=True):
        (index.parent / f"knowledge.db{suffix}").write_bytes(data)
    a = await it.start("a")
    assert await titles(a, "bees") == []
    assert a.node.index.search(["bees"], "", 10) == []


async def test_malformed_bodies_tell_nothing_and_harm_nothing(pair):
    _, a, b, _ = pair
    bad = [
        ("knowledge.publish", {}),
        ("knowledge.publish", {"title": 7}),
        ("knowledge.revise", {"packet": b"short"}),
        ("task.claim", {"task": None}),
    ]
    drafts = [a.node.author.node_act(f"knowledge:{DOMAIN}", kind, body) for kind, body in bad]
    rows = await a.node.author.order(drafts)
    good = await publish(a)
    await holds(b, good)
    assert await titles(b, "bees") == ["Bees dance"]
    for row in rows:
        with pytest.raises(NotFound):
            await b.service.knowledge_show(row.id.hex())
    with pytest.raises(FoedusError) as refused:
        await tell(a, PublishForm(domain=DOMAIN, title="x", content="\N{HONEYBEE}" * 30_000))
    assert refused.value.http_status in {400, 413}
    with pytest.raises(FoedusError):
        await tell(a, PublishForm(domain="Not A Domain", title="x"))


async def test_members_of_a_room_still_see_no_knowledge_of_a_node_that_sends_none(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        await share(a, b)
        await agree(a, b, Terms(ours=SideTerms(directions=["room"])))
        event = await publish(a)
        await a.say("hello")
        await until(lambda: b.texts() == ["hello"], "the room goes on")
        with pytest.raises(NotFound):
            b.service.event(event)


async def test_what_a_grant_allows_in_an_hour_is_counted_for_packets_too(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        await ada.give(scout, Scope(PUBLISH, uses=1, domains=[DOMAIN]))
        first = await tell(a, PublishForm(domain=DOMAIN, title="First bee", as_="scout"))
        second = await tell(a, PublishForm(domain=DOMAIN, title="Second bee", as_="scout"))
        other = await tell(a, PublishForm(domain="other", title="x", as_="scout"))
        assert first.kept_from == []
        assert [a.service.approvals()[at].id for at in (0, 1)] == [second.approval, other.approval]
        await finds(b, "bee", ["First bee"])
        assert await titles(a, "bee") == ["First bee"]


async def test_why_a_packet_is_kept_back_is_explained(pair):
    _, a, b, _ = pair
    asks_nobody(a)
    placed = await tell(a, PublishForm(domain=DOMAIN, title="By an agent", as_="scout"))
    await holds(b, placed.id)
    found = b.service.explain("event", placed.id)
    assert [(layer.layer, layer.verdict) for layer in found.layers] == [
        ("agreement", "allows"),
        ("grant", "refuses"),
        ("room", "refuses"),
    ]
