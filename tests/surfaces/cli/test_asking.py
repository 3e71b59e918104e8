"""`foedus ask`, `trace` and `topology`: what is sent, and what a person is shown."""

from msgspec.structs import replace

from foedus.crypto import ed25519
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.query.question import parse_question, signing_bytes
from foedus.surfaces.cli.questions import Moment, Reach, question_bytes
from tests.surfaces.cli import samples
from tests.surfaces.cli.test_consent import WAITING
from tests.surfaces.http.fake_queries import ANSWERS, FOUND


def silent(name="bank"):
    return replace(ANSWERS.nodes[0], node=samples.BANK, node_name=name, outcome="silent", results=0)


def test_a_question_shows_who_told_what_and_who_was_silent(foedus, node):
    node.on("POST", "/queries", replace(ANSWERS, nodes=[*ANSWERS.nodes, silent()]))
    ran = foedus("ask", "the", "lamp", "--scope", "global", "--hops", "3", "--deadline", "2")
    assert ran.code == 0
    assert "the lamp" in ran.out
    assert '"fake"' in ran.out
    assert '"bank" (0b0b0b0b0b0b): silent' in ran.out
    assert "--deadline" in ran.err
    (body,) = node.bodies("POST", "/queries")
    assert body == {"kind": "text", "text": "the lamp", "scope": "global", "hops": 3, "results": 50, "wait_ms": 2000}


def test_json_is_what_the_node_said(foedus, node):
    node.on("POST", "/queries", ANSWERS)
    assert foedus("ask", "lamp", "--json").json["query"] == FOUND.query


def test_what_is_found_cannot_write_on_the_screen(foedus, node):
    evil = replace(ANSWERS.results[0], body={"text": samples.HOSTILE})
    node.on("POST", "/queries", replace(ANSWERS, results=[evil]))
    ran = foedus("ask", "lamp")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


def test_a_trace_parts_what_was_before_from_what_followed(foedus, node):
    body = {"direction": "before", "relation": "refs", "of": samples.EVENT, "distance": 1, "kind": "message.text"}
    before = replace(ANSWERS.results[0], kind="event", body=body)
    after = replace(before, content="ee" * 32, body={**body, "direction": "after", "distance": 2})
    node.on("POST", "/queries", replace(ANSWERS, results=[after, before]))
    ran = foedus("trace", samples.EVENT)
    assert ran.out.index("what led to it: 1") < ran.out.index(FOUND.content) < ran.out.index("what followed: 1")
    assert node.bodies("POST", "/queries")[0]["event"] == samples.EVENT


def test_topology_shows_connections(foedus, node):
    body = {"between": [samples.OWN, samples.BANK], "tier": "CORE", "link": "link"}
    node.on("POST", "/queries", replace(ANSWERS, results=[replace(ANSWERS.results[0], kind="connection", body=body)]))
    ran = foedus("topology")
    assert f"{samples.OWN} {samples.BANK}" in ran.out
    assert node.bodies("POST", "/queries")[0]["scope"] == "global"


def test_nothing_to_ask_is_said_before_anything_is_sent(foedus, node):
    assert foedus("ask").code != 0
    assert foedus("trace", "abc").code != 0
    assert node.asked == []


def test_a_device_signs_what_it_asks():
    key = Ed25519Key(bytes(32))
    moment = Moment(b"n" * 32, b"e" * 32, 1_000, b"x" * 16)
    asker = (did_of(key.public), key.public, (b"a" * 32,))
    data = question_bytes("text", {"text": "lamp"}, Reach("global", None, 7, 2.0), moment, asker)
    question = parse_question(data)
    assert (question.hops, question.results, question.deadline) == (5, 7, 2_001_000)
    assert ed25519.verify(key.public, signing_bytes(data), key.sign(signing_bytes(data)))


def test_by_meaning_the_node_makes_the_vector(foedus, node):
    node.on("POST", "/queries", ANSWERS)
    assert foedus("ask", "lamp", "--meaning").code == 0
    (body,) = node.bodies("POST", "/queries")
    assert (body["kind"], body["text"]) == ("semantic", "lamp")


def test_an_agent_without_a_grant_is_told_what_waits_for_a_human(foedus, node):
    node.on("GET", "/participants", [samples.ROBOT])
    node.on("POST", "/queries", (403, {"code": "grant.human_required", "message": "no", "remedy": "look"}))
    node.on("POST", "/queries/approvals", (201, WAITING))
    ran = foedus("ask", "lamp", "--as", "robot")
    assert ran.code != 0
    assert f"foedus approval allow {WAITING.id}" in ran.err
    (body,) = node.bodies("POST", "/queries/approvals")
    assert (body["kind"], body["text"], body["as"]) == ("text", "lamp", samples.ROBOT.did)


def test_what_no_human_could_allow_waits_for_nobody(foedus, node):
    node.on("GET", "/participants", [samples.ROBOT])
    node.on("POST", "/queries", (403, {"code": "agreement.commands", "message": "no", "remedy": "look"}))
    ran = foedus("ask", "lamp", "--as", "robot")
    assert ran.code != 0
    assert node.bodies("POST", "/queries/approvals") == []
