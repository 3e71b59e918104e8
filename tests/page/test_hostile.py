"""A peer that names itself, and writes, whatever hurts: no screen runs it, is bent by it, or waits for it.

The node's answers are changed on their way to the browser, so that every text which anybody else may choose is hostile,
on every screen at once.
"""

import json
import re
from statistics import median

import pytest
from playwright.sync_api import Error, expect

from foedus.values.knowledge import KnowledgePlaced
from foedus.values.node import ParticipantView, Placed
from foedus.values.rooms import RoomView
from tests.page.browsing import SHOTS, SMOOTH_MS, Visitor
from tests.page.hostile import HOSTILE, MARKUP, is_unharmed
from tests.processes.nodes import connect, node_id, say, shared_room

LONG = HOSTILE + "x" * 1_000_000
KEPT = frozenset(
    [
        *("node", "room", "id", "did", "key", "device", "epoch", "stream", "cursor", "peer", "host", "participant"),
        *("author", "verdict", "hash", "digest", "n", "cid", "enrolment", "token", "session", "document", "code"),
        *("adds", "removes", "approved_by", "op"),
        *("state", "tier", "their_tier", "link", "kind", "author_kind", "custody", "public", "url"),
    ]
)
"""What is no words: ids, and what programs tell apart. All other texts of an answer are hostile."""
TEXTS = frozenset({"text", "content"})
LISTS = frozenset(
    {"looks_like", "author_looks_like", "name_clash", "host_looks_like", "tags", "room_names", "host_names"}
)


ANSWERS = re.compile(r"/api/v1/(?!events)")


def poisoned(value, key=""):
    """Return an answer in which every text of others is hostile."""
    if isinstance(value, dict):
        return {name: poisoned(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [HOSTILE, HOSTILE] if key in LISTS else [poisoned(item, key) for item in value]
    if isinstance(value, str) and key in TEXTS:
        return LONG
    return HOSTILE if isinstance(value, str) and key not in KEPT else value


NEARBY = {
    "interface": "x",
    "announced": False,
    "nodes": [{"node": "ab" * 32, "name": "x", "urls": ["x"], "state": "", "known_as": "", "looks_like": []}] * 2,
}
PASSKEY = {"passkey": "cd" * 32, "credential": "aa", "did": "x", "name": "x", "origin": "x", "added": 1, "used": 0}
MEMBER = {"node": "ab" * 32, "name": "x", "is_local": False, "has_joined": True, "is_connected": True, "leads": True}
MEMBER |= {"is_exposed": True, "is_silent": True, "made": 7, "known_as": "", "looks_like": ["x"]}
MEMBERS = [MEMBER, MEMBER | {"node": "cd" * 32, "is_local": True}]
COUNCIL = {"id": "ef" * 32, "name": "x", "state": "running", "members": MEMBERS, "quorum": 3, "faults": 1, "view": 9}
COUNCIL |= {"made": 7, "lag": 1, "waiting": 0, "epoch": 1, "adds": [MEMBER["node"]], "removes": []}
COUNCIL |= {"wishes": [{"node": MEMBER["node"], "adds": [], "removes": [MEMBER["node"]]}]}
MOTION = {"host": MEMBER["node"], "subject": "room:\u202ex", "kind": "x", "node": "", "participant": "x", "role": None}
MOTION |= {"agreement": "x", "approved_by": []}
MOTIONS = [MOTION | {"id": op * 8, "op": op} for op in ("room", "agreement", "release", "")]
INVENTED = {
    "/peers/nearby": NEARBY,
    "/passkeys": {"required": True, "passkeys": [PASSKEY]},
    f"/councils/{COUNCIL['id']}/motions": MOTIONS,
    f"/councils/{COUNCIL['id']}": COUNCIL,
    "/councils": [COUNCIL],
}
"""What these nodes have none of. Of those who claim to be on the network, two claim the same."""


def poison(route):
    try:
        for path, answer in INVENTED.items():
            if path in route.request.url:
                return route.fulfill(json=poisoned(answer))
        answer = route.fetch()
        if answer.status >= 400 or "json" not in answer.headers.get("content-type", ""):
            return route.fulfill(response=answer)
        return route.fulfill(response=answer, json=poisoned(json.loads(answer.body())))
    except Error:  # the page has left meanwhile
        return None


@pytest.fixture(scope="module")
def eve(browser, nodes):
    oak, elm = nodes
    visitor = Visitor(browser, oak).sign_in("eve")
    connect(elm, oak)
    room = shared_room(oak, elm, name="harbour")
    agent = oak.client.post("/participants", ParticipantView, {"name": "scout"})
    say(oak, room, agent.did, MARKUP, "second")
    told = {"kind": "knowledge.publish", "domain": "harbour", "title": "tides", "content": "low"}
    oak.client.post("/knowledge/acts", KnowledgePlaced, told)
    waiting = oak.client.post("/knowledge/acts", KnowledgePlaced, told | {"as": agent.did})
    assert waiting.approval
    yield visitor
    visitor.context.close()


def test_hostile_text_on_every_screen_is_only_text(eve, nodes):
    oak, elm = nodes
    room = oak.client.get("/rooms/harbour", RoomView).room
    peer = node_id(elm)
    eve.page.route(ANSWERS, poison)
    try:
        for screen in (
            [],
            ["rooms"],
            ["rooms", room],
            ["rooms", room, "members"],
            ["connections"],
            ["connections", "browse"],
            ["connections", "peer", peer],
            ["approvals"],
            ["approvals", "grants"],
            ["councils"],
            ["councils", COUNCIL["id"]],
            ["councils", COUNCIL["id"], "motions"],
            ["knowledge"],
            ["network"],
            ["audit"],
            ["settings"],
            ["settings", "people"],
            ["settings", "passkeys"],
            ["settings", "policy"],
        ):
            eve.go(*screen)
            eve.page.reload()
            for width in (1280, 360):
                eve.page.set_viewport_size({"width": width, "height": 740})
                expect(eve.page.get_by_role("main"), str(screen)).to_contain_text("onerror")
                is_unharmed(eve)
        eve.page.screenshot(path=SHOTS / "hostile-360.png")
    finally:
        eve.page.unroute(ANSWERS)
    eve.page.goto("/")
    assert not eve.complaints
    eve.page.set_viewport_size({"width": 1280, "height": 900})


def test_ten_thousand_messages_are_as_few_elements_as_thirty(eve, nodes):
    oak, _ = nodes
    room = oak.client.post("/rooms", RoomView, {"name": "long"}).room
    scout = oak.client.get("/participants", list[ParticipantView], {"q": "scout"})[0]
    for batch in range(10):
        say(oak, room, scout.did, *(f"message {batch * 1000 + n}" for n in range(1000)))
    eve.go("rooms", room)
    messages = eve.page.get_by_role("group", name="Messages")
    expect(messages.get_by_text("message 9999", exact=True)).to_be_visible()
    assert messages.get_by_role("listitem").count() < 60
    works = eve.frame_works(messages, by=-400)
    assert median(works) <= SMOOTH_MS, works  # the longest is for the benchmark: garbage may be collected in it
    assert messages.get_by_role("listitem").count() < 60
    size = "(view) => Number(view.querySelector('[aria-setsize]').ariaSetSize)"
    while (held := messages.evaluate(size)) < 10_000:  # older ones come as the top is reached
        messages.evaluate("(view) => { view.scrollTop = 0 }")
        eve.page.wait_for_function(f"([view, held]) => ({size})(view) > held", arg=[messages.element_handle(), held])
        assert messages.get_by_role("listitem").count() < 60
    messages.evaluate("(view) => { view.scrollTop = 0 }")
    expect(messages.get_by_text("message 0", exact=True)).to_be_visible()
    assert messages.get_by_role("listitem").first.get_attribute("aria-setsize") == "10000"
    assert messages.get_by_role("listitem").count() < 60
    placed = oak.client.post(f"/rooms/{room}/messages", Placed, {"text": "the last word", "as": scout.did})
    eve.page.get_by_role("textbox", name="Message").fill("mine")
    eve.page.get_by_role("button", name="Say").click()
    expect(messages.get_by_text("mine", exact=True)).to_be_visible()
    assert placed.id
