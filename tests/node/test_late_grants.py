"""Border acts whose grant comes after them: they use it, and get their receipt, when they become accepted."""

from msgspec.structs import replace

from foedus.log.event import parse_event
from foedus.log.port import Verdict
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import SPEAK
from foedus.trust.proof.receipt import read_receipt
from tests.node.border import border_of
from tests.node.nodes import until
from tests.node.test_audit import rows_of


def acknowledged(running, by):
    """Return the ids of the events for which a node holds receipts of another."""
    identities = running.node.store.identities
    bodies = [
        row.envelope.body
        for row in running.node.log.control_rows()
        if row.kind == "crossing.receipt" and identities.node_of(row.epoch).hex() == by.id
    ]
    return {event_id for body in bodies for event_id in read_receipt(body)[1].ids}


def verdicts(running):
    views = running.service.events(limit=1000).events
    return [view.verdict for view in views if view.kind == "message.text"]


async def test_acts_that_waited_for_their_grant_use_it_and_get_receipts(tmp_path):
    async with border_of(tmp_path) as border:
        it, a, b, ada, scout = border
        await it.stop("a")
        before = b.node.log.last_local
        await ada.give(scout, Scope(SPEAK, uses=2))
        b.node.crossings.has_uses = lambda *_args, **_kwargs: True  # b does not hold itself to its grants
        for text in ("one", "two", "three"):
            await b.say(text, "scout")
        written = b.node.log.since(before, 100)
        acts = [row.envelope.encode() for row in written if row.kind == "message.text"]
        grants = [row.envelope.encode() for row in written if row.stream.startswith("participant:")]
        ids = [row.id for row in written if row.kind == "message.text"]
        await it.stop("b")

        a = await it.start("a")
        await a.node.ingest.take(acts)
        held = a.node.log.by_ids(ids)
        assert {held[event_id].verdict for event_id in ids} == {Verdict.PENDING}
        await a.node.receipts.write()
        await a.node.ingest.take(grants)
        held = a.node.log.by_ids(ids)
        assert [held[event_id].verdict for event_id in ids] == [Verdict.ACCEPTED] * 3
        assert [held[event_id].withheld for event_id in ids] == ["", "", "grant.uses"]
        assert a.texts() == ["one", "two", None]
        await a.node.audit.flush()
        judged = {(row.outcome, row.rule, row.times) for row in rows_of(a) if row.outcome.startswith("judged anew")}
        assert {("judged anew: accepted", "", 2), ("judged anew: withheld", "grant.uses", 1)} <= judged

        a = await it.restart("a")
        assert a.texts() == ["one", "two", None], "what was held back stays so"


async def test_a_late_grant_is_acknowledged_to_its_node(tmp_path):
    async with border_of(tmp_path) as border:
        it, a, b, ada, scout = border
        await it.stop("a")
        before = b.node.log.last_local
        await ada.give(scout)
        placed = await b.say("late", "scout")
        (act,) = [row.envelope.encode() for row in b.node.log.since(before, 100) if row.kind == "message.text"]
        b_node = b.node.store.node
        await it.stop("b")

        a = await it.start("a")
        await a.node.ingest.take([act], b_node)
        assert verdicts(a) == ["pending"]
        b = await it.start("b")
        await until(lambda: verdicts(a) == ["accepted"], "the grant comes over the link, and the act counts")
        await until(lambda: bytes.fromhex(placed.id) in acknowledged(b, a), "b gets its receipt")


async def test_a_persons_name_on_an_agents_device_opens_nothing_for_the_agent(tmp_path):
    """What is remembered of one author says nothing of another who shares device, place and citations."""
    async with border_of(tmp_path) as (_, a, b, ada, scout):
        await until(lambda: ada.did in {who.did for who in a.service.participants()}, "a knows ada")
        await ada.give(scout)
        await b.say("one", "scout")
        await until(lambda: a.texts() == ["one"], "it crosses")
        (row,) = [row for row in a.node.log.since(0, 1_000) if row.kind == "message.text"]
        event = parse_event(row.envelope).event
        bare = [cited for cited in event.act.auth if a.node.log.by_ids([cited])[cited].kind != "grant.create"]
        alone = replace(event, act=replace(event.act, auth=tuple(bare)))
        posing = replace(alone, act=replace(alone.act, author=ada.did))
        a.node.crossings.clause(posing, b.node.store.node)
        assert a.node.crossings.clause(alone, b.node.store.node) == "grant.human_required"
