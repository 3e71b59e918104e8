"""What is older than its days goes, up to a checkpoint; who comes later begins there."""

from __future__ import annotations

import pytest

from foedus.base.limits import DAY
from foedus.log import streams
from foedus.node.home import Home
from foedus.node.room_forms import Said
from foedus.sync.frames.events import Pruned
from foedus.trust.agreements.terms import Terms
from tests.node.aging import aging_pair
from tests.node.knowing import RetractForm, finds, publish, tell, titles
from tests.node.nodes import connect, until
from tests.node.searching import files_with
from tests.node.test_agreements_across_nodes import agree


@pytest.fixture
async def pair(tmp_path):
    async with aging_pair(tmp_path) as nodes:
        yield nodes


async def grow(nodes, it, words, number=20):
    """Say something, write the checkpoint of it, and say one thing more."""
    await it.service.say_batch("plans", [Said(text=f"{words} {n}") for n in range(number)])
    checkpointer = it.node.checkpointer
    await checkpointer._write((it.node.store.epoch, f"room:{nodes.room}"), it.node.store.now())
    await it.say(f"{words} last")


async def restart(nodes, name):
    await nodes.stop(name)
    return await nodes.start(name, nodes.clock)


def chain_of(it, writer, room):
    return it.node.store.admission.chains.get((writer.node.store.epoch, f"room:{room}"))


async def test_old_events_go_and_the_chain_holds(pair):
    anna, bert = pair.anna, pair.bert
    await grow(pair, anna, "the-old-words")
    await until(lambda: "the-old-words last" in bert.texts(), "bert has all")
    pair.clock.ahead = 10 * DAY
    await anna.say("new")
    await until(lambda: "new" in bert.texts(), "bert hears it")
    for it in (anna, bert):
        assert await it.service.retention_run(30, "") == await it.service.retention_run(None, "")
        pruning = await it.service.retention_run(5, "plans")
        assert (pruning.chains, pruning.events) == (1, 20)
        assert it.texts() == ["the-old-words last", "new"]
        assert [file for file in it.path.rglob("*") if file.is_file() and b"the-old-words 3" in file.read_bytes()] == []
        assert it.service.events(limit=1000, stream=f"room:{pair.room}").events[0].seq == 21
        report = await it.service.verify()
        assert report.problems == []
        assert (await it.service.retention_run(5, "plans")).events == 0
    page = anna.service.messages("plans", limit=1)
    assert [view.text for view in page.messages] == ["new"]
    for name in ("anna", "bert"):
        again = await restart(pair, name)
        assert again.texts()[-1] == "new"
        assert (await again.service.verify()).ok
    await until(lambda: pair.running["anna"].is_linked(pair.running["bert"]), "linked again")
    await pair.running["anna"].say("and newer")
    await until(lambda: "and newer" in pair.running["bert"].texts(), "talk goes on")


async def test_the_days_of_the_policy_are_kept_by_the_hour_and_audited(pair):
    anna = pair.anna
    await grow(pair, anna, "old")
    pair.clock.ahead = 10 * DAY
    await anna.say("new")
    for days, left in ((30, 22), (5, 2)):
        Home(anna.path).policy_path.write_text(f"[federation.retention]\nroom = {days}\n", encoding="utf-8")
        assert anna.node.policy.reload()
        await anna.node.retention.prune(anna.node.retention.days)
        assert len(anna.texts()) == left
    await anna.node.audit.flush()
    (row,) = [row for row in (await anna.service.audit_rows(limit=1000)).rows if row.act == "erase"]
    assert (row.rule, row.outcome, row.times, row.subject) == ("retention", "pruned", 20, f"room:{pair.room}")


async def test_who_writes_no_checkpoint_is_not_kept_for_ever(pair):
    """Of a chain whose writer vouches for nothing no word ever went, whatever the policy said."""
    anna, bert = pair.anna, pair.bert
    stream = f"room:{pair.room}"
    await anna.service.say_batch("plans", [Said(text=f"the-old-words {n}") for n in range(150)])
    await until(lambda: len(bert.texts()) == 150, "bert has all")
    pair.clock.ahead = 11 * DAY
    await anna.say("new")
    await until(lambda: "new" in bert.texts(), "bert hears it")
    Home(bert.path).policy_path.write_text("[federation.retention]\nroom = 5\n", encoding="utf-8")
    assert bert.node.policy.reload()
    await bert.node.retention.prune(bert.node.retention.days)
    assert len([text for text in bert.texts() if text]) == 151, "a week of grace"
    pair.clock.ahead = 13 * DAY
    await bert.node.retention.prune(bert.node.retention.days)
    assert [text for text in bert.texts() if text] == ["new"]
    assert [file for file in bert.path.rglob("*") if file.is_file() and b"the-old-words 3" in file.read_bytes()] == []
    assert len(bert.service.events(limit=1000, stream=stream).events) == 151
    assert (await bert.service.verify()).problems == []
    bodiless = bert.node.log.bodiless_rows(0, 1000)
    assert (len(bodiless), bert.node.wanted_bodies.want(bodiless)) == (150, 0)
    await bert.node.audit.flush()
    rows = [row for row in (await bert.service.audit_rows(limit=1000)).rows if row.act == "erase"]
    assert [(row.rule, row.outcome, row.times) for row in rows] == [("retention", "erased", 150)]


async def test_days_that_were_agreed_bound_how_long_the_other_side_keeps_what_one_wrote(pair):
    anna, bert = pair.anna, pair.bert
    await grow(pair, anna, "lent words")
    await grow(pair, bert, "own words")
    await until(lambda: len(anna.texts()) == len(bert.texts()) == 42, "both have all")
    await agree(anna, bert, Terms(retention_days=5))
    pair.clock.ahead = 10 * DAY
    assert (await bert.service.retention_run(None, "")).events == 20
    assert bert.texts()[:2] == ["lent words last", "own words 0"]
    assert (await bert.service.verify()).ok
    assert len(anna.texts()) == 42


@pytest.mark.parametrize("how", ["policy", "agreed"])
async def test_what_packets_say_goes_after_its_days(pair, how):
    anna, bert = pair.anna, pair.bert
    old = await publish(anna, "Xylophones", "vibraphone")
    retracted = await publish(anna, "Marimbas", "vibraphone")
    await tell(anna, RetractForm(packet=retracted, reason="out of tune"))
    await finds(bert, "vibraphone", ["Xylophones"])
    if how == "agreed":
        await agree(anna, bert, Terms(retention_days=5))
    else:
        Home(bert.path).policy_path.write_text("[federation.retention]\nknowledge = 5\n", encoding="utf-8")
        assert bert.node.policy.reload()
    pair.clock.ahead = 6 * DAY
    await publish(anna, "Tubas", "as new")
    await finds(bert, "tubas", ["Tubas"])
    assert (await bert.service.retention_run(None, "")).events == 0
    await finds(bert, "xylophones", [])
    await bert.node.knowledge.indexer.caught_up()
    assert files_with(bert.path, b"Xylophones") == []
    assert (await bert.service.knowledge_show(old)).state == "erased"
    assert (await bert.service.verify()).problems == []
    assert await titles(anna, "xylophones") == ["Xylophones"], "of what one wrote oneself one keeps what one likes"
    bodiless = [row for row in bert.node.log.bodiless_rows(0, 1_000) if row.stream.startswith("knowledge:")]
    assert (len(bodiless), bert.node.wanted_bodies.want(bodiless)) == (2, 0)
    await bert.node.audit.flush()
    (row,) = [row for row in (await bert.service.audit_rows(limit=1_000)).rows if row.act == "erase"]
    assert (row.rule, row.outcome, row.times) == ("retention", "erased", 2)
    bert = await restart(pair, "bert")
    await finds(bert, "tubas", ["Tubas"])
    await finds(bert, "vibraphone", [])
    assert (await bert.service.knowledge_show(retracted)).state in {"retracted", "erased"}


async def test_a_new_member_begins_at_the_checkpoint(pair):
    anna = pair.anna
    await grow(pair, anna, "old")
    pair.clock.ahead = 10 * DAY
    await anna.say("new")
    await anna.service.retention_run(5, "")
    carl = await pair.add("carl", pair.clock)
    await connect(carl, anna)
    await anna.service.room_share("plans", carl.id)
    await until(lambda: carl.texts() == ["old last", "new"], "carl has what is left")
    assert chain_of(carl, anna, pair.room).seq == chain_of(anna, anna, pair.room).seq
    assert (await carl.service.verify()).problems == []
    await anna.say("newer")
    await until(lambda: "newer" in carl.texts(), "talk goes on")
    carl = await restart(pair, "carl")
    assert carl.texts() == ["old last", "new", "newer"]
    assert carl.node.log.check() == []


async def test_a_new_member_of_a_chain_in_a_later_epoch_gets_its_opening_first(pair):
    anna, bert = pair.anna, pair.bert
    await anna.say("in the first epoch")
    await anna.service.key_rotate()
    await until(lambda: anna.is_linked(bert), "linked again")
    await grow(pair, anna, "old")
    pair.clock.ahead = 10 * DAY
    await anna.say("new")
    await anna.service.retention_run(5, "")
    assert [gap.after for gap in anna.node.log.gaps()] == [1]
    carl = await pair.add("carl", pair.clock)
    await connect(carl, anna)
    await anna.service.room_share("plans", carl.id)
    await until(lambda: carl.texts() == ["in the first epoch", "old last", "new"], "carl has what is left")
    limits = {chain.key: chain.limit for chain in anna.node.store.admission.chains if chain.kind == "room"}
    assert {c.key: c.limit for c in carl.node.store.admission.chains if c.kind == "room"} == limits
    carl = await restart(pair, "carl")
    assert {c.key: c.limit for c in carl.node.store.admission.chains if c.kind == "room"} == limits


async def test_who_holds_a_part_is_told_what_is_lacking(pair):
    anna, bert = pair.anna, pair.bert
    await anna.say("seen by bert")
    await until(lambda: "seen by bert" in bert.texts(), "bert hears it")
    await pair.stop("bert")
    await grow(pair, anna, "missed")
    pair.clock.ahead = 10 * DAY
    await anna.service.retention_run(5, "")
    bert = await pair.start("bert", pair.clock)
    await until(lambda: any(t.code == "pruned" for t in bert.service.status().troubles), "bert is told")
    (trouble,) = [t for t in bert.service.status().troubles if t.code == "pruned"]
    assert f"no longer has the events 2 to {chain_of(anna, anna, pair.room).seq - 2} " in trouble.message
    assert bert.texts() == ["seen by bert"]
    skipped = await bert.service.retention_skip("plans")
    assert skipped.chains == 1
    await until(lambda: bert.texts() == ["seen by bert", "missed last"], "bert goes on")
    assert bert.service.status().troubles == []
    assert (await bert.service.verify()).problems == []
    bert = await restart(pair, "bert")
    assert bert.texts() == ["seen by bert", "missed last"]


async def test_a_carrier_does_not_take_the_place_of_what_another_said(pair):
    """Whoever answered last chose behind which checkpoint `retention skip` goes on, and who is asked then."""
    anna, bert = pair.anna, pair.bert
    carl = await pair.add("carl", pair.clock)
    await connect(carl, anna)
    await connect(carl, bert)
    await anna.service.room_share("plans", carl.id)
    await anna.say("seen by bert")
    await until(lambda: "seen by bert" in bert.texts(), "bert hears it")
    await pair.stop("bert")
    await pair.stop("carl")
    await grow(pair, anna, "missed")
    pair.clock.ahead = 10 * DAY
    await anna.service.retention_run(5, "")
    await grow(pair, anna, "later")
    key = (anna.node.store.epoch, f"room:{pair.room}")
    bodies = [row.envelope.body for row in anna.node.log.chain(*key, 0, 10_000) if row.kind == "checkpoint"]
    bert = await pair.start("bert", pair.clock)
    await until(lambda: bert.node.pruned.lacking, "bert is told")
    (before,) = bert.node.pruned.lacking.values()
    await bert.node.pruned.take(bytes.fromhex(carl.id), Pruned(*key, before.held, bodies[-1]))
    assert list(bert.node.pruned.lacking.values()) == [before]
    await bert.service.retention_skip("plans")
    await until(lambda: {"missed last", "later last"} <= set(bert.texts()), "bert goes on with all that anna has")


async def test_a_carrier_cannot_cut_off_what_another_wrote(pair):
    anna, bert = pair.anna, pair.bert
    await grow(pair, anna, "old", 5)
    await until(lambda: "old last" in bert.texts(), "bert has all")
    pair.clock.ahead = 10 * DAY
    await bert.service.retention_run(5, "")
    carl = await pair.add("carl", pair.clock)
    await connect(carl, anna)
    await pair.stop("anna")
    await connect(carl, bert)
    anna = await pair.start("anna", pair.clock)
    await anna.service.room_share("plans", carl.id)
    await until(lambda: len(carl.texts()) == 6, "carl has all of it from anna")


async def test_a_pruned_answer_that_is_not_signed_changes_nothing(pair):
    anna, bert = pair.anna, pair.bert
    await grow(pair, anna, "old", 3)
    await until(lambda: "old last" in bert.texts(), "bert is in the room")
    key = (anna.node.store.epoch, f"room:{'ab' * 32}")
    rows = anna.node.log.chain(anna.node.store.epoch, f"room:{pair.room}", 0, 10)
    (body,) = [row.envelope.body for row in rows if row.kind == "checkpoint"]
    before = bert.node.ingest.refusals["bad_checkpoint"]
    forged = body[:-1] + bytes([body[-1] ^ 1])
    other = b"\x0e" * 32
    for frame in (
        Pruned(key[0], f"room:{pair.room}", 0, forged),
        Pruned(other, f"room:{pair.room}", 0, body),
        Pruned(*key, 0, body),
        Pruned(key[0], streams.NODE, 0, body),
    ):
        await bert.node.pruned.take(bytes.fromhex(anna.id), frame)
    assert bert.node.ingest.refusals["bad_checkpoint"] == before + 1
    assert list(bert.node.log.gaps()) == []
    await bert.node.audit.flush()
    (shown,) = bert.service.peer(anna.id).evidence
    assert shown.kind == "bad_signature"


async def test_what_is_pruned_is_refused_when_it_comes_again(pair):
    anna, bert = pair.anna, pair.bert
    await grow(pair, anna, "old", 5)
    await until(lambda: "old last" in bert.texts(), "bert has all")
    first = bert.node.log.chain(anna.node.store.epoch, f"room:{pair.room}", 0, 1)[0]
    pair.clock.ahead = 10 * DAY
    await bert.service.retention_run(5, "")
    report = await bert.node.ingest.take([first.envelope.encode()])
    assert [rejection.reason for rejection in report.refused] == ["pruned"]


async def test_an_erasure_stays_while_what_it_erased_is_held(pair):
    anna, bert = pair.anna, pair.bert
    said = await bert.say("by bert, erased by the host")
    await until(lambda: "by bert, erased by the host" in anna.texts(), "anna hears it")
    await anna.service.erase(said.id, "moderator")
    await grow(pair, anna, "old", 5)
    await until(lambda: "old last" in bert.texts(), "bert has all")
    pair.clock.ahead = 10 * DAY
    assert (await bert.service.retention_run(5, "")).events == 0
    assert bert.service.event(said.id).erased is not None


async def test_control_streams_are_never_pruned(pair):
    anna = pair.anna
    await grow(pair, anna, "old", 3)
    pair.clock.ahead = 10 * DAY
    held = [v.id for v in anna.service.events(limit=1000).events if not v.stream.startswith("room:")]
    await anna.node.retention.prune({"room": 1, "node": 1, "members": 1, "participant": 1, "pair": 1})
    after = [v.id for v in anna.service.events(limit=1000).events if not v.stream.startswith("room:")]
    assert held == after
