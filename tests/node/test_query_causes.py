"""What led to an event and what followed, held to a plain walk of the log; and who is connected, to the plain truth."""

import pytest

from foedus.base.ids import parse_id
from foedus.log import streams
from foedus.log.event import parse_event
from foedus.node.query_forms import Asked
from tests.node.nodes import connect, share, street, until
from tests.node.people import enrol
from tests.node.questions import outcomes


async def say(person, text, refs=()):
    """Say something because of other events; return its id."""
    room = person.running.service._rooms.find("plans")
    auth = (person.enrolment, person.membership("plans"))
    act = person.act(streams.room(room.id), "message.text", {"text": text}, auth, tuple(refs))
    return parse_id((await person.running.service.say_signed("plans", act)).id)


def events_of(running):
    """Return every held event by id: its stream, what it names (by relation), its epoch, and its seq."""
    found, rows = {}, running.node.log.since(0, 10_000)
    for row in rows:
        event = parse_event(row.envelope).event
        named = {("refs", ref) for ref in event.act.refs} | {("auth", cited) for cited in event.act.auth}
        named |= {("prev", event.prev)} if event.prev else set()
        found[row.id] = (row.stream, named)
    return found


def walk(running, start, direction, may_see=lambda _stream: True):
    """Return id → distance of what is before or after an event, by looking at every event again and again."""
    held = {event: named for event, (stream, named) in events_of(running).items() if may_see(stream)}
    distance = {start: 0} if start in held else {}
    for step in range(1, len(held) + 1):
        for event, named in held.items():
            if direction == "before":
                reached = {other for _, other in named if other in held} if distance.get(event) == step - 1 else set()
            else:
                follows = {"refs", "prev"}
                is_next = any(rel in follows and distance.get(other) == step - 1 for rel, other in named)
                reached = {event} if is_next else set()
            for other in reached:
                distance.setdefault(other, step)
    return {event: at for event, at in distance.items() if at}


async def causes(running, event, **how):
    return await running.service.answers(Asked(kind="causal", event=event.hex(), results=200, **how))


def told(answers, direction, by=None):
    return {
        parse_id(source.content): source.body["distance"]
        for found in answers.results
        for source in found.sources
        if source.body["direction"] == direction and (by is None or source.node == by.id)
    }


@pytest.fixture
async def talk(tmp_path):
    """Two nodes with a room, and a talk in which one thing leads to others."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, bob = await enrol(a, "ada"), await enrol(b, "bob")
        await connect(a, b)
        await share(a, b)
        asked = await say(ada, "shall we sail?")
        await until(lambda: "shall we sail?" in b.texts(), "b has it")
        yes = await say(bob, "yes", [asked])
        when = await say(bob, "when?", [asked])
        await until(lambda: "when?" in a.texts(), "a has both")
        await say(ada, "unrelated")
        noon = await say(ada, "at noon then", [yes, when])
        await until(lambda: "at noon then" in b.texts(), "b has all")
        yield a, b, {"asked": asked, "yes": yes, "when": when, "noon": noon}


async def test_here_it_is_the_plain_walk_of_the_log(talk):
    a, _, events = talk
    for event in events.values():
        answers = await causes(a, event, scope="local")
        assert told(answers, "before") == walk(a, event, "before")
        assert told(answers, "after") == walk(a, event, "after")


async def test_the_nearest_come_first_and_a_cut_is_said(talk):
    a, _, events = talk
    answers = await a.service.answers(Asked(kind="causal", event=events["noon"].hex(), results=2, scope="local"))
    assert [found.body["distance"] for found in answers.results] == [1, 1]
    assert outcomes(answers) == {"a": "partial"}


async def test_another_node_tells_what_the_asker_may_see_of_it(talk):
    a, b, events = talk
    secret = await b.service.room_create("secret")
    await b.say("nobody else knows", room=secret.room)
    answers = await causes(a, events["noon"])

    def may_see(stream):
        kind = streams.parse(stream).kind
        audience = b.node.audience
        chains = b.node.store.admission.chains.of_stream(stream)
        return kind != "pair" and any(audience.may_be_told(a.node.store.node, stream, chain.node) for chain in chains)

    assert told(answers, "before", b) == walk(b, events["noon"], "before", may_see)
    assert told(answers, "after", b) == walk(b, events["noon"], "after", may_see)
    hidden = {event for event, (stream, _) in events_of(b).items() if secret.room in stream}
    assert hidden
    assert not hidden & told(answers, "before", b).keys()


async def test_of_an_event_that_is_not_for_the_asker_nothing_is_told(talk):
    a, b, _ = talk
    await b.service.room_create("secret")
    placed = await b.say("nobody else knows", room="secret")
    answers = await causes(a, parse_id(placed.id))
    absent = await causes(a, bytes(32))
    assert answers.results == absent.results == []
    assert outcomes(answers) == outcomes(absent) == {"a": "answered", "b": "answered"}


# --- who is connected ----------------------------------------------------------------------------


async def connections(running, **how):
    how = {"scope": "global", "hops": 8, "results": 200} | how
    answers = await running.service.answers(Asked(kind="topology", **how))
    return {tuple(found.body["between"]) for found in answers.results}, answers


async def test_the_street_is_told_as_it_is(tmp_path):
    async with street(tmp_path) as it:
        nodes = {name: await it.add(name) for name in "abcde"}
        truth = ["ab", "bc", "cd", "de", "ae", "bd"]
        for one, other in truth:
            await connect(nodes[one], nodes[other])
        expected = {tuple(sorted((nodes[one].id, nodes[other].id))) for one, other in truth}
        for name in "ac":
            found, answers = await connections(nodes[name])
            assert found == expected
            assert {report.outcome for report in answers.nodes} == {"answered"}
            assert all(len(edge.sources) == 2 for edge in answers.results), "both ends tell the same thing"


async def test_who_is_below_core_is_told_of_no_connection(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = [await it.add(name) for name in "abc"]
        await connect(a, b)
        await connect(b, c)
        await b.service.peer_tier(a.id, "EXTERNAL")
        found, answers = await connections(a)
        assert found == {tuple(sorted((a.id, b.id)))}, "what a knows itself"
        assert outcomes(answers)["b"] == "answered"
        b.path.joinpath("foedus.toml").write_text('[federation.policy]\ntells_peers = "connected"\n')
        b.node.policy.reload()
        found, _ = await connections(a)
        assert tuple(sorted((b.id, c.id))) in found


async def test_nobody_is_told_where_the_policy_says_so_and_the_silent_are_only_counted(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = [await it.add(name) for name in "abc"]
        await connect(a, b)
        await connect(b, c)
        b.path.joinpath("foedus.toml").write_text('[federation.policy]\ntells_peers = "nobody"\n')
        b.node.policy.reload()
        c.node.links.on_query = lambda _link, _frame: None
        found, answers = await connections(a, wait_ms=3_000)
        assert found == {tuple(sorted((a.id, b.id)))}
        assert c.id not in {report.node for report in answers.nodes}
        assert [(report.outcome, report.results) for report in answers.nodes if not report.node] == [("silent", 1)]
