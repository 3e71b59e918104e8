"""`foedus capability` and `foedus call`: what is sent, and what a person is shown."""

import json

import pytest
from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import encode
from foedus.query.call import parse_call
from foedus.values.queries import AnswersView
from tests.surfaces.cli import samples
from tests.surfaces.cli.test_consent import WAITING
from tests.surfaces.cli.test_speaking import ADA, ada_is_here
from tests.surfaces.http.fake_calls import CALL, CAPABILITY, WEBHOOK
from tests.surfaces.http.fake_queries import ANSWERS, FOUND

__all__ = ["ada_is_here"]
OFFER = {"name": "echo", "about": "says what it hears", "agent": CAPABILITY.agent}
SOURCE = replace(FOUND, content=CAPABILITY.offer, kind="capability", body=OFFER)


def found(**fields) -> AnswersView:
    source = replace(SOURCE, **fields)
    merged = replace(ANSWERS.results[0], content=source.content, kind=source.kind, body=source.body, sources=[source])
    return replace(ANSWERS, results=[merged])


def test_a_capability_is_offered_with_its_schemas(foedus, node, tmp_path):
    node.on("POST", "/capabilities", CAPABILITY)
    schema = tmp_path / "takes.json"
    schema.write_text('{"type": "object"}')
    ran = foedus("capability", "add", "clerk", "echo", "--takes", str(schema), "--standing", "3")
    assert (ran.code, "echo" in ran.out) == (0, True)
    (body,) = node.bodies("POST", "/capabilities")
    assert (body["agent"], body["takes"], body["returns"], body["standing"]) == ("clerk", {"type": "object"}, None, 3)


def test_a_schema_that_is_no_json_is_named(foedus, node, tmp_path):
    (tmp_path / "takes.json").write_text("{")
    ran = foedus("capability", "add", "clerk", "echo", "--takes", str(tmp_path / "takes.json"))
    assert ran.code != 0
    assert "takes.json" in ran.err
    assert not node.bodies("POST", "/capabilities")


def test_what_is_offered_is_listed_and_found(foedus, node):
    node.on("GET", "/capabilities", [CAPABILITY])
    node.on("POST", "/queries", found())
    assert "says what it hears" in foedus("capability", "list").out
    assert "says what it hears" in foedus("capability", "find", "hears").out
    assert node.bodies("POST", "/queries")[0]["kind"] == "capability"


def test_what_others_offer_cannot_write_on_the_screen(foedus, node):
    node.on("POST", "/queries", found(body={**OFFER, "about": samples.HOSTILE}))
    ran = foedus("capability", "find")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


def test_a_call_goes_to_the_node_that_was_named(foedus, node):
    node.on("POST", "/queries", found())
    node.on("POST", "/calls", CALL)
    ran = foedus("call", "fake", "echo", '{"text": "hello"}', "--deadline", "2")
    assert ran.code == 0
    assert json.dumps({"said": "hello"}) in ran.out
    (body,) = node.bodies("POST", "/calls")
    assert (body["node"], body["offer"], body["input"]) == (FOUND.node, CAPABILITY.offer, {"text": "hello"})


def test_a_call_without_a_result_ends_with_its_code(foedus, node):
    node.on("POST", "/queries", found())
    node.on("POST", "/calls", replace(CALL, outcome="outcome_unknown", code="late", output=None))
    ran = foedus("call", "fake", "echo", "{}")
    assert ran.code != 0
    assert "outcome_unknown" in ran.out + ran.err


def test_what_nobody_offers_is_not_called(foedus, node):
    node.on("POST", "/queries", found(node_name="other", node=samples.BANK))
    ran = foedus("call", "fake", "echo", "{}")
    assert ran.code != 0
    assert not node.bodies("POST", "/calls")


def test_input_that_is_no_json_is_refused_before_anything_is_asked(foedus, node):
    assert foedus("call", "fake", "echo", "{").code != 0
    assert not node.bodies("POST", "/queries")


def test_calls_are_listed_shown_by_their_first_digits_and_cancelled(foedus, node):
    node.on("GET", "/calls", [CALL, replace(CALL, call="ee" * 32, outcome="", state="open")])
    node.on("POST", f"/calls/{CALL.call}/cancel", CALL)
    listed = foedus("call", "list").out
    assert ("result" in listed, "open" in listed) == (True, True)
    shown = foedus("call", "show", CALL.call[:8])
    assert (shown.code, CALL.call in shown.out, "its node and this node" in shown.out) == (0, True, True)
    assert foedus("call", "cancel", CALL.call[:8]).code == 0


def test_digits_that_several_calls_begin_with_or_none_are_refused(foedus, node):
    node.on("GET", "/calls", [CALL, replace(CALL, call=CALL.call[:-2] + "00")])
    assert "2 calls begin" in foedus("call", "show", CALL.call[:8]).err
    assert "no call here" in foedus("call", "show", "ab" * 5).err
    assert "no call here" in foedus("call", "show", CALL.call[:4]).err


def test_a_webhook_is_set_listed_and_removed(foedus, node):
    node.on("POST", "/webhooks", WEBHOOK)
    node.on("GET", "/webhooks", [WEBHOOK])
    node.on("DELETE", "/webhooks/clerk", b"")
    assert foedus("webhook", "set", "clerk", "https://bots.example/clerk").code == 0
    assert node.bodies("POST", "/webhooks") == [{"agent": "clerk", "url": "https://bots.example/clerk"}]
    assert "200" in foedus("webhook", "list").out
    assert foedus("webhook", "remove", "clerk").code == 0


ASKED = replace(WAITING, kind="agent.call", command="/foedus/agent/call")
NEEDS = (403, {"code": "needs_approval", "message": "no", "remedy": "ask"})


def test_a_call_that_needs_a_person_is_put_before_one_and_says_so(foedus, node):
    node.on("GET", "/participants", [samples.ROBOT])
    node.on("POST", "/queries", found())
    node.on("POST", "/calls", NEEDS)
    node.on("POST", "/calls/approvals", (201, ASKED))
    ran = foedus("call", "fake", "echo", '{"text": "hello"}', "--as", "robot")
    assert ran.code != 0
    assert f"foedus approval allow {ASKED.id}" in ran.err
    (body,) = node.bodies("POST", "/calls/approvals")
    assert (body["name"], body["input"], body["as"]) == ("echo", {"text": "hello"}, samples.ROBOT.did)


def test_with_wait_it_waits_for_the_person_and_then_for_the_result(foedus, node):
    node.on("GET", "/participants", [samples.ROBOT])
    node.on("POST", "/queries", found())
    node.on("POST", "/calls", NEEDS)
    node.on("POST", "/calls/approvals", (201, ASKED))
    node.on("GET", f"/approvals/{ASKED.id}", replace(ASKED, state="done", event=CALL.call))
    node.on("GET", f"/calls/{CALL.call}", CALL)
    ran = foedus("call", "fake", "echo", '{"text": "hello"}', "--as", "robot", "--wait", "5")
    assert (ran.code, json.dumps({"said": "hello"}) in ran.out) == (0, True)


def test_a_persons_no_ends_it(foedus, node):
    node.on("GET", "/participants", [samples.ROBOT])
    node.on("POST", "/queries", found())
    node.on("POST", "/calls", NEEDS)
    node.on("POST", "/calls/approvals", (201, ASKED))
    node.on("GET", f"/approvals/{ASKED.id}", replace(ASKED, state="denied", reason="not today"))
    ran = foedus("call", "fake", "echo", "{}", "--as", "robot", "--wait", "5")
    assert ran.code != 0
    assert "not today" in ran.err


@pytest.mark.usefixtures("ada_is_here")
def test_an_agent_with_a_key_of_its_own_signs_the_call_that_a_person_allowed(foedus, node):
    body = {"host": bytes.fromhex(FOUND.node), "input": b'{"text":"hi"}', "name": "echo", "offer": bytes(32)}
    allowed = replace(
        ASKED, state="allowed", salt=to_base64url(b"n" * 16), body=to_base64url(encode(body)), grants=["0a" * 32]
    )
    answers = iter([NEEDS, CALL])
    node.on("GET", "/participants", [replace(ADA, kind="agent")]).on("GET", "/grants", [])
    node.on("POST", "/queries", found()).on("POST", "/calls", answers)
    node.on("POST", "/calls/approvals", (201, ASKED)).on("GET", f"/approvals/{ASKED.id}", allowed)
    assert foedus("call", "fake", "echo", '{"text": "hi"}', "--as", "ada", "--wait", "5").code == 0
    _, signed = node.bodies("POST", "/calls")
    call = parse_call(from_base64url(signed["call"]))
    assert (call.nonce, call.input) == (b"n" * 16, b'{"text":"hi"}')
    assert call.auth[1:] == (bytes.fromhex("0a" * 32),)
