"""Standing between real nodes: who rises, who falls, and what `explain` says of it."""

import time

import pytest

from foedus.base.errors import FoedusError
from foedus.base.limits import DAY
from foedus.log.port import Commit, Proof
from foedus.node import standings
from foedus.node.publisher import published_of
from foedus.trust.audit.rows import Decision
from foedus.trust.standing import Rule, Standing
from tests.node.border import border_of
from tests.node.nodes import until
from tests.node.people import agent, enrol


class Clock:
    """The wall clock, and as many days more as the test says."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return time.time_ns() // 1000 + self.ahead


@pytest.fixture
async def border(tmp_path):
    """Node a hosts a room; node b has ada and the agent scout. Five acts and 30 days earn a step at a."""
    clock = Clock()
    async with border_of(tmp_path, clock) as (it, a, b, ada, scout):
        it.clock = clock
        a.node.standings.rule = Rule(30 * DAY, 5)
        yield it, a, b, ada, scout


def level(running, who):
    return running.service.standing(who).standing


async def talk(a, ada, count):
    before = len(a.texts())
    for number in range(count):
        await ada.say(f"word {number}")
    await until(lambda: len(a.texts()) == before + count, "they cross")


async def test_who_keeps_to_the_terms_rises_once_a_human_says_so(border):
    it, a, _, ada, _ = border
    assert level(a, "ada") == 4
    with pytest.raises(FoedusError) as early:
        await a.service.standing_propose("ada")
    assert early.value.code == "not_earned"
    await talk(a, ada, 5)
    assert a.service.standing("ada").missing == ["days"]
    it.clock.ahead += 31 * DAY
    assert a.service.standing("ada").missing == []
    assert (await a.service.standing_propose("ada")).proposed == 3
    assert level(a, "ada") == 4, "a proposal gives nothing"
    assert (await a.service.standing_confirm("ada")).standing == 3
    assert a.service.standing("ada").missing == ["days", "acts"], "the next step is earned anew"
    with pytest.raises(FoedusError) as nothing:
        await a.service.standing_confirm("ada")
    assert nothing.value.code == "nothing_proposed"


async def test_the_operator_says_what_earns_a_step(border):
    _, a, _, ada, _ = border
    a.node.home.policy_path.write_text("[federation.policy]\nrise_days = 0\nrise_acts = 2\n")
    assert a.node.policy.reload()
    assert a.service.standing("ada").missing == ["acts"]
    await talk(a, ada, 2)
    await a.service.standing_propose("ada")
    assert (await a.service.standing_confirm("ada")).standing == 3


async def test_evidence_lets_everyone_of_a_node_fall_at_once_and_for_good(border):
    it, a, b, ada, _ = border
    await talk(a, ada, 5)
    it.clock.ahead += 31 * DAY
    await a.service.standing_propose("ada")
    a.node.standings.on_evidence(b.node.store.node, "equivocation")
    with pytest.raises(FoedusError) as fallen:
        await a.service.standing_confirm("ada")
    assert fallen.value.code == "not_earned"
    await talk(a, ada, 5)
    it.clock.ahead += 31 * DAY
    await a.service.standing_propose("ada")
    assert (await a.service.standing_confirm("ada")).standing == 3
    a.node.standings.on_evidence(b.node.store.node, "equivocation")
    assert level(a, "ada") == 4
    await it.stop("a")
    a = await it.start("a", it.clock)
    view = a.service.standing("ada")
    assert (view.standing, view.breach) == (4, "equivocation")


async def raised(it, a, ada):
    """Let her earn a step; return her standing."""
    await talk(a, ada, 5)
    it.clock.ahead += 31 * DAY
    await a.service.standing_propose("ada")
    return (await a.service.standing_confirm("ada")).standing


async def shown(a, b, *rules, act="event"):
    for rule in rules:
        a.node.audit.note(Decision(b.id, act, "", rule, "refused"))
    await a.node.audit.flush()


async def test_what_no_fault_explains_lets_everyone_of_a_node_fall(border):
    it, a, b, ada, _ = border
    assert await raised(it, a, ada) == 3
    await shown(a, b, "keepalive_timeout", "credit_overrun", act="link")
    await shown(a, b, "replayed_nonce", "not_permitted")
    assert (level(a, "ada"), a.service.standing("ada").breach) == (3, "")
    for rule, breach in (("invalid_signature", "bad_signature"), ("hlc_not_growing", "breach")):
        await shown(a, b, rule)
        assert (level(a, "ada"), a.service.standing("ada").breach) == (4, breach)
        assert await raised(it, a, ada) == 3, "she may earn it again"
    await it.stop("a")
    a = await it.start("a", it.clock)
    await a.node.audit.flush()
    assert level(a, "ada") == 3, "and does not fall again for what she fell for"


async def test_evidence_that_a_crash_kept_from_counting_counts_after_the_start(border):
    it, a, b, ada, _ = border
    assert await raised(it, a, ada) == 3
    a.node.reputations.on_breach = lambda *_: None
    await shown(a, b, "invalid_signature")
    assert level(a, "ada") == 3
    await it.stop("a")
    a = await it.start("a", it.clock)
    await until(lambda: level(a, "ada") == 4, "she falls")


async def test_a_proven_fork_is_evidence_and_one_of_this_node_is_none(border):
    _, a, b, ada, _ = border
    await talk(a, ada, 1)
    (row,) = [row for row in a.node.log.since(0, 1000) if row.kind == "message.text"]
    bare = row.envelope.without_body()
    for epoch, reason in ((a.node.store.epoch, ""), (b.node.store.epoch, "equivocation")):
        proof = Proof(epoch, row.stream, row.seq, bare, bare)
        a.node.standings.published(published_of((), Commit(proofs=[proof]), None))
        assert a.service.standing("ada").breach == reason
    assert a.node.standings.breach(a.node.store.node) is None


async def test_a_step_survives_a_restart_and_a_step_down_needs_nobody(border):
    it, a, _, ada, _ = border
    await talk(a, ada, 5)
    it.clock.ahead += 31 * DAY
    await a.service.standing_propose("ada")
    await it.stop("a")
    a = await it.start("a", it.clock)
    a.node.standings.rule = Rule(30 * DAY, 5)
    assert a.service.standing("ada").proposed == 3
    await a.service.standing_confirm("ada")
    assert (await a.service.standing_propose("ada", 4)).standing == 4


async def test_one_node_does_not_fill_the_room_for_all(border, monkeypatch):
    """A node enrolled whom it liked until nobody's first act was remembered, and nobody else ever rose."""
    _, a, b, ada, _ = border
    monkeypatch.setattr(standings, "RECORDS_PER_NODE", 6)
    monkeypatch.setattr(standings, "RECORDS_MAX", 8)
    monkeypatch.setattr(standings, "RECORDS_SURE", 2)
    held = a.node.standings
    for number in range(8):
        await enrol(b, f"n{number}")
    known = a.node.store.admission.authority.participants
    await until(lambda: sum(node == b.node.store.node for node, _ in known) == 10, "a knows them")
    await until(lambda: sum(node == b.node.store.node for node, _ in held._records) == 6, "six are remembered")
    held._note([(bytes(32), f"did:{number}") for number in range(9)])
    assert sum(node == bytes(32) for node, _ in held._records) == 2
    eve = await enrol(a, "eve")
    await until(lambda: (a.node.store.node, eve.did) in held._records, "its own people are always remembered")
    assert a.service.standing(ada.did).standing == 4


async def test_architect_is_a_human_of_this_node_and_nobody_abroad(border):
    _, a, b, _, _ = border
    assert level(b, "ada") == 2
    await b.service.standing_propose("ada", 1)
    assert (await b.service.standing_confirm("ada")).rights[-1] == "govern"
    for who in ("ada", "scout"):
        assert level(a, who) == 4
        with pytest.raises(FoedusError) as refused:
            await a.service.standing_propose(who, 1)
        assert refused.value.code == "not_permitted"
    with pytest.raises(FoedusError):
        await b.service.standing_propose("scout", 1)


async def test_who_fell_at_home_opens_nothing(border):
    _, a, b, ada, scout = border
    await b.service.standing_propose("ada", 3)
    with pytest.raises(FoedusError) as refused:
        await ada.give(scout)
    assert refused.value.code == "room.standing"
    clerk = await agent(a, "clerk")
    await until(lambda: b.service.participants("clerk"), "clerk is known")
    with pytest.raises(FoedusError) as refused:
        await b.service.room_direct(clerk, "ada")
    assert refused.value.code == "room.standing"
    placed = await b.say("may I?", "scout")
    with pytest.raises(FoedusError) as refused:
        await ada.allow(placed.approval)
    assert refused.value.code == "room.standing"
    await ada.say("I still take part")


# --- explain -------------------------------------------------------------------------------------


async def speaks_as_said(running, who, say):
    """Do what was explained, and return (explained, what the node then says)."""
    view = running.service.explain(who, "room/speak", "plans")
    try:
        placed = await say()
    except FoedusError as error:
        return view, error.code
    if placed.approval:
        return view, (await running.service.approval(placed.approval)).clause
    return view, ""


async def nothing(_scene):
    pass


async def with_grant(scene):
    await scene["ada"].give(scene["scout"])


async def with_lower_role(scene):
    await scene["a"].service.room_role("plans", scene["b"].id, 50)
    await until(lambda: [it for it in scene["b"].service.room("plans").members if it.role == 50], "b hears of it")


async def unshared(scene):
    await scene["a"].service.room_unshare("plans", scene["b"].id)
    await until(lambda: scene["b"].service.room("plans").left, "b hears of it")


@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("ada", nothing, ""),
        ("scout", nothing, "grant.human_required"),
        ("ada", with_grant, ""),
        ("scout", with_grant, ""),
        ("ada", with_lower_role, "room.role"),
        ("scout", with_lower_role, "room.role"),
        ("scout", unshared, "not_permitted"),
    ],
)
async def test_explain_names_the_clause_that_the_node_then_applies(border, who, change, code):
    _, a, b, ada, scout = border
    await change({"a": a, "b": b, "ada": ada, "scout": scout})
    say = {"ada": lambda: ada.say("word"), "scout": lambda: b.say("word", "scout")}[who]
    view, said = await speaks_as_said(b, who, say)
    assert (view.code, view.allowed) == (said, not said) == (code, not code)
    layers = {layer.layer: layer.verdict for layer in view.layers}
    assert layers.get(view.layer, "refuses") == "refuses"
    assert "refuses" not in layers.values() or not view.allowed


@pytest.mark.parametrize(
    ("change", "code"),
    [("nothing", ""), ("tier", "tier"), ("pause", "paused"), ("role", "role"), ("ungranted", "grant.human_required")],
)
async def test_explain_names_the_clause_by_which_a_foreign_act_is_held_back(border, change, code):
    _, a, b, ada, scout = border
    grant = await ada.give(scout)
    await until(lambda: a.node.store.admission.authority.participants[b.node.store.node, ada.did].grants, "it came")
    await b.say("before", "scout")
    await until(lambda: a.texts() == ["before"], "it crosses")
    event = a.service.messages("plans").messages[0].id
    if change == "tier":
        await a.service.peer_tier(b.id, "EXTERNAL")
    elif change == "pause":
        await a.service.peer_pause(b.id)
    elif change == "role":
        await a.service.room_role("plans", "scout", 50)
    elif change == "ungranted":
        await ada.take_back(grant)
        held = a.node.store.admission.authority
        await until(lambda: held.participants[b.node.store.node, ada.did].withdrawals, "the revocation came")
    view = a.service.explain("scout", "message.text", "plans")
    assert (view.code, view.allowed) == (code, not code)
    shown = a.service.explain("event", event)
    assert shown.code == a.service.messages("plans").messages[0].why_not, "what is held is told as it is shown"
    assert shown.allowed is (change not in {"tier", "pause"})
    assert [layer.layer for layer in shown.layers] == ["agreement", "grant", "room"]
    assert shown.layers[0].presets == {"tier": "EXTERNAL" if change == "tier" else "CORE"}
    assert shown.layers[2].presets["standing"] == "normal 4"


async def test_explain_tells_what_standing_lets_a_foreigner_do(border):
    _, a, b, ada, scout = border
    await ada.give(scout)
    await until(lambda: a.node.store.admission.authority.participants[b.node.store.node, ada.did].grants, "it came")
    for command, code in (("agreement/change", "grant.invalid_command"), ("query/ask", "grant.invalid_command")):
        view = a.service.explain("scout", command)
        assert view.code == code
        assert view.layers[2].verdict == ("refuses" if command == "agreement/change" else "allows")
    assert a.service.explain("ada", "agreement/change").allowed, "the agreement names her"
    assert b.service.explain("ada", "query/ask", "a").allowed
    assert a.node.standings.of(b.node.store.node, scout) is Standing.NORMAL


@pytest.mark.parametrize(
    ("act", "room", "code"), [("dance", "plans", "bad_act"), ("room/speak", "", "malformed_request")]
)
async def test_what_is_no_act_is_not_explained(border, act, room, code):
    _, a, *_ = border
    with pytest.raises(FoedusError) as refused:
        a.service.explain("ada", act, room)
    assert refused.value.code == code
