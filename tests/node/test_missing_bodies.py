"""A body that is missing and that nothing explains stays wanted; that of a rejected event goes after 30 days."""

from __future__ import annotations

import asyncio

import pytest

from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.limits import DAY, SEALED_FOR
from foedus.log.port import Commit, Verdict, VerdictChange
from foedus.node import wanted_bodies
from foedus.node.home import Home
from foedus.node.sealed import SPACE
from tests.node.aging import aging_pair
from tests.node.nodes import connect, until
from tests.node.test_erasure import files_with
from tests.node.test_retention import restart


@pytest.fixture
async def pair(tmp_path):
    async with aging_pair(tmp_path) as nodes:
        yield nodes


async def heard(nodes, *texts):
    """Let anna say something; return the ids as bert holds them."""
    placed = [await nodes.anna.say(text) for text in texts]
    await until(lambda: nodes.bert.texts()[-len(texts) :] == list(texts), "bert hears it")
    return [bytes.fromhex(one.id) for one in placed]


def body(it, event):
    return it.node.log.by_ids([event])[event].envelope.body


async def judge(it, event, verdict, reason=""):
    await it.node.store.commit(Commit(verdicts=[VerdictChange(event, verdict, reason)]))


async def test_a_missing_body_is_wanted_again_after_a_restart_and_an_erased_one_is_not(pair):
    """What lacked a body was known in memory alone."""
    missing, erased = await heard(pair, "missing", "erased")
    await pair.anna.service.erase(erased.hex(), "author")
    await until(lambda: body(pair.bert, erased) is None, "it is erased")
    await pair.stop("bert")
    log = SqliteLog(Home(pair.folder / "bert").database)
    log.commit(Commit(drops=[missing]))
    log.close()
    bert = await pair.start("bert", pair.clock)
    assert body(bert, missing) is None
    await until(lambda: body(bert, missing) is not None, "it comes again")
    assert "missing" in bert.texts()
    assert erased not in bert.node.ingest.wanted_bodies()


async def lose(it, event):
    """Let a node drop a body; return the row that is left."""
    await it.node.store.commit(Commit(drops=[event]))
    return it.node.log.by_ids([event])[event]


async def test_a_body_that_comes_is_passed_on_to_who_asked_for_it_in_vain(pair):
    """Who had asked before it came asked again on the next link only, which may be days away."""
    anna, bert, cleo = pair.anna, pair.bert, await pair.add("cleo", pair.clock)
    await connect(anna, cleo)
    await anna.service.room_share(pair.room, cleo.id)
    (event,) = await heard(pair, "missing")
    await until(lambda: "missing" in cleo.texts(), "cleo hears it, too")
    rows = [await lose(it, event) for it in (anna, bert)]
    link = bert.node.links.get(bytes.fromhex(anna.id))
    before = link.received
    assert bert.node.wanted_bodies.want(rows[1:]) == 1
    await until(lambda: link.received > before, "anna answers without a body")
    assert body(bert, event) is None
    assert anna.node.wanted_bodies.want(rows[:1]) == 1
    for it in (anna, bert):
        await until(lambda it=it: body(it, event) is not None, f"it comes to {it.name}")


async def test_what_stays_wanted_is_asked_for_again(pair, monkeypatch):
    monkeypatch.setattr(wanted_bodies, "_PAUSE_S", 0.01)
    (event,) = await heard(pair, "missing")
    await lose(pair.bert, event)
    pair.bert.node.ingest.want_bodies([event])
    insisting = asyncio.create_task(pair.bert.node.wanted_bodies.insist())
    await until(lambda: body(pair.bert, event) is not None, "it comes")
    insisting.cancel()


async def test_the_body_of_a_rejected_event_goes_after_thirty_days(pair):
    (event,) = await heard(pair, "the-sealed-words")
    bert = pair.bert
    await judge(bert, event, Verdict.REJECTED, "not_permitted")
    await bert.node.retention.sealed.sweep()
    pair.clock.ahead = SEALED_FOR - DAY
    bert = await restart(pair, "bert")
    await bert.node.retention.sealed.sweep()
    assert body(bert, event) is not None
    pair.clock.ahead = SEALED_FOR + DAY
    await bert.node.retention.sealed.sweep()
    assert body(bert, event) is None
    assert files_with(bert.path, b"the-sealed-words") == []
    assert bert.node.log.values(SPACE) == {}
    assert (await bert.service.verify()).ok
    bert = await restart(pair, "bert")
    await until(lambda: bert.is_linked(pair.anna), "linked again")
    assert bert.node.ingest.wanted_bodies() == [], "nobody asks for what is sealed no more"
    await judge(bert, event, Verdict.ACCEPTED)
    await until(lambda: body(bert, event) is not None, "a recovery voided the withdrawal: the body comes again")


async def test_what_is_accepted_in_between_is_sealed_anew(pair):
    (event,) = await heard(pair, "to and fro")
    bert = pair.bert
    sweep = bert.node.retention.sealed.sweep
    for day, verdict in ((0, Verdict.REJECTED), (20, Verdict.ACCEPTED), (25, Verdict.REJECTED), (40, None)):
        pair.clock.ahead = day * DAY
        if verdict is not None:
            await judge(bert, event, verdict, "not_permitted" if verdict is Verdict.REJECTED else "")
        assert await sweep() == 0
    pair.clock.ahead = 56 * DAY
    assert await sweep() == 1


async def test_bodies_outside_rooms_are_kept_however_long_they_are_rejected(pair):
    def members():
        return pair.bert.node.log.since(0, 100, f"members:{pair.room}")

    await until(members, "they are durable")
    (created, *_) = members()
    await judge(pair.bert, created.id, Verdict.REJECTED, "not_permitted")
    await pair.bert.node.retention.sealed.sweep()
    pair.clock.ahead = 2 * SEALED_FOR
    assert await pair.bert.node.retention.sealed.sweep() == 0
    assert body(pair.bert, created.id) is not None
