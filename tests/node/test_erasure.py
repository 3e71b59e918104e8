"""What was erased is gone at every node that holds it: from the log, from its files, from what it sends."""

from __future__ import annotations

import asyncio

import pytest

from foedus.base.errors import FoedusError, NotFound
from foedus.log import streams
from foedus.log.erasures import AT_REST
from foedus.log.event import parse_envelope
from foedus.log.port import Commit, Verdict, VerdictChange
from foedus.node.recollection import Recollection
from foedus.node.room_forms import Said
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.searching import files_with

SECRET = "the-secret-word-" + "x" * 5_000
"""Longer than a page, so part of it stands in overflow pages; every part of it is looked for."""


def assert_gone(*runs):
    for it in runs:
        for needle in (b"the-secret-word-", b"x" * 200):
            assert files_with(it.path, needle) == []


def message(it, event):
    return next(view for view in it.service.messages("plans", limit=1000).messages if view.id == event)


async def erased_at(*runs, event):
    held = bytes.fromhex(event)
    for it in runs:
        await until(lambda it=it: it.service.event(event).erased, f"{it.name} knows that it is erased")
        await until(lambda it=it: it.node.log.by_ids([held])[held].envelope.body is None, f"{it.name} drops its body")
        await it.node.eraser.idle()


@pytest.fixture
async def pair(tmp_path):
    async with street(tmp_path) as nodes:
        anna, bert = await nodes.add("anna"), await nodes.add("bert")
        await connect(anna, bert)
        nodes.room = await share(anna, bert)
        nodes.anna, nodes.bert = anna, bert
        yield nodes


async def say_everywhere(it, text, *others):
    placed = await it.say(text)
    for other in others:
        await until(lambda other=other: text in other.texts(), f"{other.name} hears it")
    return placed.id


async def test_an_erased_text_is_in_no_file_of_either_node(pair):
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(anna, SECRET, bert)
    for number in range(40):
        await anna.say(f"and then {number}")
    assert files_with(anna.path, b"the-secret-word-")
    told = []
    bert.node.eraser.on_erased.append(told.append)
    placed = await anna.service.erase(event, "author")
    await erased_at(anna, bert, event=event)
    assert_gone(anna, bert)
    for it in (anna, bert):
        view = message(it, event)
        assert (view.text, view.verified) == (None, True)
        assert (view.erased.event, view.erased.by, view.erased.reason) == (placed.id, anna.id, "author")
    assert [(one.event.hex(), one.by.hex(), one.reason) for one in told] == [(event, anna.id, "author")]
    for name in ("anna", "bert"):
        it = await pair.restart(name)
        assert message(it, event).erased.event == placed.id
        assert (await it.service.verify()).ok
        assert_gone(it)


async def test_a_node_that_comes_later_gets_the_event_without_its_body(pair):
    anna = pair.anna
    event = await say_everywhere(anna, SECRET, pair.bert)
    await anna.service.erase(event, "author")
    await erased_at(anna, pair.bert, event=event)
    carl = await pair.add("carl")
    await connect(carl, anna)
    await anna.service.room_share("plans", carl.id)
    await erased_at(carl, event=event)
    assert message(carl, event).text is None
    assert_gone(carl)


async def test_a_carrier_that_brings_an_erased_body_again_is_not_heard(pair):
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(anna, SECRET, bert)
    row = bert.node.log.by_ids([bytes.fromhex(event)])[bytes.fromhex(event)]
    data = row.envelope.encode()
    await anna.service.erase(event, "author")
    await erased_at(anna, bert, event=event)
    bert.node.ingest.want_bodies([parse_envelope(data).id])
    report = await bert.node.ingest.take([data])
    assert report.duplicates == 1
    assert bert.node.log.by_ids([row.id])[row.id].envelope.body is None


async def test_an_agent_erases_what_it_said_and_nobody_elses_words(pair):
    anna, bert = pair.anna, pair.bert
    await anna.service.participant_add_custodial("ann")
    mine = (await anna.say("mine", agent="ann")).id
    theirs = await say_everywhere(bert, "theirs", anna)
    await anna.service.erase(mine, "author")
    await erased_at(anna, bert, event=mine)
    assert message(bert, mine).erased.by_name == "ann"
    with pytest.raises(FoedusError) as caught:
        await anna.service.erase(mine, "author")
    assert caught.value.code == "already_erased"
    with pytest.raises(FoedusError) as caught:
        await anna.service.erase(theirs, "author")
    assert caught.value.code == "not_permitted"


async def test_the_host_moderates_and_a_guest_does_not(pair):
    anna, bert = pair.anna, pair.bert
    from_bert = await say_everywhere(bert, SECRET, anna)
    from_anna = await say_everywhere(anna, "of the host", bert)
    with pytest.raises(FoedusError) as caught:
        await bert.service.erase(from_anna, "moderator")
    assert caught.value.code == "role"
    await anna.service.erase(from_bert, "moderator")
    await erased_at(anna, bert, event=from_bert)
    assert message(bert, from_bert).erased.reason == "moderator"
    assert_gone(anna, bert)


async def test_a_guest_to_whom_the_host_gives_the_role_moderates(pair):
    anna, bert = pair.anna, pair.bert
    from_anna = await say_everywhere(anna, "of the host", bert)
    await anna.service.room_role("plans", bert.id, 700)
    await until(lambda: [it for it in bert.service.room("plans").members if it.role == 700], "bert hears of it")
    await bert.service.erase(from_anna, "moderator")
    await erased_at(anna, bert, event=from_anna)
    again = await say_everywhere(anna, "not this", bert)
    await anna.service.room_role("plans", bert.id, 400)
    await until(lambda: [it for it in bert.service.room("plans").members if it.role == 400], "bert hears of it")
    with pytest.raises(FoedusError) as caught:
        await bert.service.erase(again, "moderator")
    assert caught.value.code == "role"


async def test_what_others_stand_on_cannot_be_erased(pair):
    anna = pair.anna
    events = anna.service.events(limit=1000).events
    for view in events:
        if not view.stream.startswith("room:"):
            with pytest.raises(FoedusError) as caught:
                await anna.service.erase(view.id, "author")
            assert caught.value.code == "not_erasable"
    event = await say_everywhere(anna, "said", pair.bert)
    erase = (await anna.service.erase(event, "author")).id
    with pytest.raises(FoedusError) as caught:
        await anna.service.erase(erase, "author")
    assert caught.value.code == "not_erasable"
    with pytest.raises(NotFound):
        await anna.service.erase("ab" * 32, "author")


async def test_a_crash_between_the_erase_and_the_drop_is_made_good(pair, monkeypatch):
    anna = pair.anna
    event = await say_everywhere(anna, SECRET, pair.bert)

    async def never(_):
        await asyncio.Event().wait()

    monkeypatch.setattr(anna.node.eraser, "_drop", never)
    await anna.service.erase(event, "author")
    monkeypatch.undo()
    anna = await pair.restart("anna")
    await erased_at(anna, event=event)
    assert_gone(anna)


async def test_the_audit_log_keeps_that_it_happened(pair):
    """A row named the erase among other events of the room, and none said what was gone, by whom and why."""
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(bert, SECRET, anna)
    await anna.service.erase(event, "moderator")
    await erased_at(anna, bert, event=event)
    for it, by in ((anna, "node"), (bert, anna.id)):
        await it.node.audit.flush()
        page = await it.service.audit_rows(limit=1000)
        (row,) = [row for row in page.rows if row.act == "erase"]
        said = (row.actor, row.subject, row.rule, row.outcome, row.digest)
        assert said == (by, f"room:{pair.room}", "moderator", "erased", event)
        assert_gone(it)


async def test_an_erasure_that_is_done_counts_no_more_and_is_shown_after_a_restart(pair):
    """Peers held all that a node had ever erased, 65,536 ids, and then took nothing more of its rooms."""
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(anna, "said before", bert)
    placed = await anna.service.erase(event, "author")
    await erased_at(anna, bert, event=event)

    def is_done_at(it):
        erasures = it.node.store.admission.erasures
        assert (erasures.all(), erasures.named_by(bytes.fromhex(anna.id))) == ([], 0)
        assert it.service.event(event).erased.event == placed.id

    is_done_at(anna)
    is_done_at(bert)
    is_done_at(await pair.restart("anna"))


async def test_an_erase_that_loses_its_verdict_lets_the_body_come_again(pair):
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(bert, "said before", anna)
    row = anna.node.log.by_ids([bytes.fromhex(event)])[bytes.fromhex(event)]
    recollection = Recollection(anna.node.store)
    await recollection.catch_up()
    await bert.service.erase(event, "author")
    await erased_at(anna, bert, event=event)
    await until(lambda: not list(recollection.best_first("before")), "questions find it no more")
    asked = []
    anna.node.eraser._ask = asked.append
    cut = [streams.chain_id(row.epoch, row.stream), row.seq, row.id]
    body = {"node": bytes.fromhex(bert.id), "participant": None, "cuts": [cut]}
    members = row.stream.replace("room:", "members:")
    await anna.node.author.order([anna.node.author.node_act(members, "member.remove", body)])
    await until(lambda: asked, "the body is wanted again")
    assert asked == [[row.id]]
    assert anna.service.event(event).erased is None
    await anna.node.ingest.take([row.envelope.encode()])
    assert message(anna, event).text == "said before"
    await until(lambda: [found for found, _ in recollection.best_first("before")] == [row.id], "questions find it")


async def test_an_erase_that_had_rested_and_counts_once_more_is_made_good_after_a_crash(pair):
    """The log still said that it rested, so that a start dropped nothing: the words stayed for ever."""
    anna, bert = pair.anna, pair.bert
    event = await say_everywhere(bert, SECRET, anna)
    row = anna.node.log.by_ids([bytes.fromhex(event)])[bytes.fromhex(event)]
    await bert.service.erase(event, "author")
    await erased_at(anna, bert, event=event)
    cut = [streams.chain_id(row.epoch, row.stream), row.seq, row.id]
    body = {"node": bytes.fromhex(bert.id), "participant": None, "cuts": [cut]}
    members = row.stream.replace("room:", "members:")
    await anna.node.author.order([anna.node.author.node_act(members, "member.remove", body)])
    await until(lambda: not anna.node.log.values(AT_REST), "it does not rest any more")
    await anna.node.ingest.take([row.envelope.encode()])
    assert message(anna, event).text == SECRET
    (erase,) = [row.id for row in anna.node.log.erase_rows()]
    await anna.node.store.commit(Commit(verdicts=[VerdictChange(erase, Verdict.ACCEPTED, "")]))
    anna = await pair.restart("anna")
    await erased_at(anna, event=event)
    assert_gone(anna)


async def test_retention_by_the_host_and_batches_say_so(pair):
    anna = pair.anna
    await anna.service.say_batch("plans", [Said(text=f"old {number}") for number in range(3)])
    event = anna.service.messages("plans").messages[0].id
    await anna.service.erase(event, "retention")
    await erased_at(anna, pair.bert, event=event)
    assert anna.service.event(event).erased.reason == "retention"


async def test_a_person_erases_by_their_device_and_nobody_elses_words(pair):
    anna, bert = pair.anna, pair.bert
    bea = await enrol(bert, "bea")
    said = await bea.say(SECRET)
    await until(lambda: SECRET in anna.texts(), "anna hears it")
    theirs = await say_everywhere(anna, "theirs", bert)

    def erase(event):
        room = bert.service.room("plans").room
        body = {"targets": [bytes.fromhex(event)], "reason": "author"}
        return bea.act(f"room:{room}", "event.erase", body, (bea.enrolment, bert_membership(bert)))

    with pytest.raises(FoedusError) as caught:
        await bert.service.erase_signed(theirs, erase(theirs))
    assert caught.value.code == "not_permitted"
    with pytest.raises(FoedusError) as caught:
        await bert.service.erase_signed(said.id, erase(theirs))
    assert caught.value.code == "malformed_event"
    await bert.service.erase_signed(said.id, erase(said.id))
    await erased_at(anna, bert, event=said.id)
    assert message(anna, said.id).erased.by == bea.did
    assert_gone(anna, bert)


def bert_membership(it):
    room = it.service._rooms.find("plans")
    return room.of(it.node.store.node, None).id


async def test_what_a_human_once_allowed_goes_with_the_event_that_it_became(tmp_path):
    async with street(tmp_path) as nodes:
        anna, bert = await nodes.add("anna"), await nodes.add("bert")
        ada = await enrol(bert, "ada")
        await agent(bert, "scout")
        await connect(bert, anna)
        await share(anna, bert)
        asked = await bert.say(SECRET, "scout")
        done = await ada.allow(asked.approval)
        await until(lambda: anna.texts() == [SECRET], "it crosses")
        await bert.service.erase(done.event, "author")
        await erased_at(anna, bert, event=done.event)
        assert_gone(anna, bert)
        assert message(anna, done.event).erased.by_name == "scout"
        with pytest.raises(NotFound):
            await bert.service.approval(asked.approval)
