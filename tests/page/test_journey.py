"""Two people at the pages of two federated nodes, from the first sign-in on: each test goes on where the last ended."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

from foedus.surfaces.demo.processes import eventually
from foedus.values.access import PairCodeView, PasskeysView
from foedus.values.consent import GrantView
from foedus.values.node import ParticipantView, Placed
from tests.page.browsing import Phone, Visitor
from tests.processes.nodes import node_id

HELD = """async () => {
  const held = await new Promise((resolve, reject) => {
    const opening = indexedDB.open('foedus')
    opening.onerror = () => reject(opening.error)
    opening.onsuccess = () => {
      const asked = opening.result.transaction('pairing').objectStore('pairing').get('this')
      asked.onsuccess = () => resolve(asked.result)
    }
  })
  const key = held.keys.privateKey
  const taken = await crypto.subtle.exportKey('pkcs8', key).then(() => 'taken', (error) => error.name)
  return { taken, extractable: key.extractable, token: held.token, stored: JSON.stringify(localStorage) }
}"""


def hears(visitor, text):
    """Wait until a room's page shows a text."""
    expect(visitor.page.get_by_role("group", name="Messages").get_by_text(text, exact=True)).to_be_visible()


def open_room(visitor, name="harbour"):
    visitor.go("rooms")
    visitor.page.get_by_role("main").get_by_role("link", name=name).click()
    expect(visitor.page.get_by_role("heading", level=1, name=name)).to_be_visible()


def agent(node, name):
    """Return an agent of a node's own."""
    held = node.client.get("/participants", list[ParticipantView], {"q": name})
    return next(who for who in held if who.name == name and who.is_local)


def test_a_link_signs_a_browser_in_and_its_key_stays_there(ada, bea):
    ada.page.goto("/")
    expect(ada.page.get_by_role("heading", name="Pair this browser")).to_be_visible()
    ada.shoot("sign-in")
    assert not ada.accessible()
    ada.sign_in("ada")
    bea.sign_in("bea")
    expect(ada.page.get_by_text("Nothing waits for you")).to_be_visible()
    ada.page.reload()
    expect(ada.page.get_by_text("Nothing waits for you")).to_be_visible()
    assert 50_000 < ada.loaded_bytes() <= 300_000
    assert not [name for name in ada.loaded() if "Document" in name]
    held = ada.page.evaluate(HELD)
    assert held["extractable"] is False
    assert held["taken"] == "InvalidAccessError"
    assert held["token"] not in held["stored"]
    assert held["token"] not in ada.page.url
    assert "pair" not in ada.page.url


def test_it_can_be_installed(ada):
    ada.page.wait_for_function("navigator.serviceWorker.ready.then((held) => held.active !== null)")
    devtools = ada.context.new_cdp_session(ada.page)
    errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []
    manifest = devtools.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].startswith(ada.url)
    devtools.detach()


def test_a_keyboard_is_enough(ada):
    def focused():
        return ada.page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''").strip()

    def tab_to(name):
        for _ in range(40):
            ada.page.keyboard.press("Tab")
            if focused() == name or ada.page.evaluate("document.activeElement.labels?.[0]?.innerText.trim()") == name:
                return
        raise AssertionError(f"Tab does not reach {name}")

    ada.go()
    ada.page.reload()
    expect(ada.page.get_by_text("Nothing waits for you")).to_be_visible()
    tab_to("To the content")
    tab_to("Rooms")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", level=1, name="Rooms")).to_be_visible()
    expect(ada.page.get_by_role("main")).to_be_focused()
    tab_to("A new room, hosted here")
    ada.page.keyboard.type("quay")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", level=1, name="quay")).to_be_visible()
    tab_to("Message")
    ada.page.keyboard.type("by the keyboard")
    ada.page.keyboard.press("Enter")
    hears(ada, "by the keyboard")
    ada.page.set_viewport_size({"width": 360, "height": 740})
    ada.page.reload()
    hears(ada, "by the keyboard")
    tab_to("Menu")
    ada.page.keyboard.press("Enter")
    tab_to("Settings")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", level=1, name="Settings")).to_be_visible()
    tab_to("Pair a further device")
    ada.page.keyboard.press("Enter")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert not ada.accessible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Pair a further device")).to_be_focused()
    ada.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_request_from_one_page_is_accepted_on_the_other(ada, bea, nodes):
    oak, elm = nodes
    elm.home.policy_path.write_text("[discovery]\nannounce = true\n")
    os.kill(elm.home.running().pid, signal.SIGHUP)
    ada.go("connections", "browse")
    said = ada.page.get_by_role("listitem", name="Says it is elm")
    again = ada.page.get_by_role("button", name="Look again")
    expect(again).to_be_enabled()
    for _ in range(30):  # it takes a moment to be announced, and each look its time
        if said.count():
            break
        again.click()
        expect(again).to_have_attribute("aria-busy", "false")
    expect(said).to_contain_text("“elm”")
    ada.shoot("connections-browse")
    assert not ada.accessible()
    said.get_by_role("button", name="Look who is there").click()
    expect(ada.page.get_by_text(node_id(elm))).to_be_visible()
    ada.page.get_by_role("button", name="No", exact=True).click()
    ada.page.get_by_label("Address of a node").fill(elm.url)
    ada.page.get_by_role("search").get_by_role("button", name="Look who is there").click()
    expect(ada.page.get_by_text(node_id(elm))).to_be_visible()
    ada.page.get_by_label("A note for its people").fill("shall we share the harbour?")
    ada.page.get_by_role("button", name="ask for a connection").click()

    asked = bea.page.get_by_role("article", name="Connection request of oak")
    expect(asked).to_contain_text("asks to connect")
    expect(asked).to_contain_text(node_id(oak))
    expect(asked).to_contain_text("shall we share the harbour?")
    bea.shoot("home-request")
    assert not bea.accessible()
    asked.get_by_role("button", name="Accept").click()
    expect(bea.page.get_by_text("Nothing waits for you")).to_be_visible()
    for visitor in (ada, bea):
        visitor.go("connections")
        expect(visitor.page.get_by_role("main").get_by_text("connected", exact=True)).to_be_visible()


def test_they_talk_in_a_room_and_each_word_is_verified(ada, bea):
    ada.go("rooms")
    ada.page.get_by_label("A new room, hosted here").fill("harbour")
    ada.page.get_by_role("button", name="Create").click()
    expect(ada.page.get_by_text("Nobody has said anything yet")).to_be_visible()
    ada.page.get_by_role("link", name="Members").click()
    ada.page.get_by_label("Share with a peer").select_option(label="elm")
    ada.page.get_by_role("button", name="Share").click()
    expect(ada.page.get_by_role("main").get_by_role("listitem").filter(has_text="elm")).to_be_visible()
    assert not ada.accessible()

    open_room(bea)
    open_room(ada)
    ada.page.get_by_role("textbox", name="Message").fill("who is at the harbour?")
    ada.page.get_by_role("textbox", name="Message").press("Enter")
    hears(bea, "who is at the harbour?")
    bea.page.get_by_role("textbox", name="Message").fill("I am, with six boats")
    bea.page.get_by_role("button", name="Say").click()
    hears(ada, "I am, with six boats")
    expect(ada.page.get_by_role("img", name="verified")).to_have_count(2)
    ada.shoot("room")
    assert not ada.accessible()


def test_what_was_not_read_is_counted_until_it_is_looked_at(ada, bea):
    ada.go()
    expect(ada.page.get_by_text("Nothing waits for you")).to_be_visible()
    for text in ("low water soon", "at six"):
        bea.page.get_by_role("textbox", name="Message").fill(text)
        bea.page.get_by_role("button", name="Say").click()
        hears(bea, text)
    rooms = ada.page.get_by_role("navigation", name="Screens").get_by_role("link", name="Rooms")
    expect(rooms).to_have_accessible_name("Rooms 2 unread")
    expect(ada.page.get_by_role("main").get_by_role("link", name="elm")).to_have_accessible_name(re.compile("2 unread"))
    ada.page.reload()
    expect(rooms).to_have_accessible_name("Rooms 2 unread")
    expect(ada.page).to_have_title("(2) Home · foedus")
    ada.shoot("home-unread")
    assert not ada.accessible()
    open_room(ada)
    hears(ada, "at six")
    expect(rooms).to_have_accessible_name("Rooms")
    ada.page.reload()
    hears(ada, "at six")
    expect(rooms).to_have_accessible_name("Rooms")


def test_both_write_in_one_document_and_see_each_other(ada, bea):
    for visitor in (ada, bea):
        visitor.page.get_by_role("link", name="Document").click()
        expect(visitor.page.get_by_text("what you write is signed and shared")).to_be_visible()
    ours, theirs = (each.page.get_by_role("textbox", name="Document page") for each in (ada, bea))
    ours.click()
    ada.page.keyboard.type("Six boats")
    expect(theirs).to_contain_text("Six boats")
    theirs.click()
    bea.page.keyboard.press("Control+End")
    bea.page.keyboard.type(" and a raft")
    expect(ours).to_contain_text("Six boats and a raft")
    for visitor, other in ((ada, "bea"), (bea, "ada")):
        expect(visitor.page.get_by_role("list", name="Who is here")).to_contain_text(other)
        expect(visitor.page.locator(".other-caret")).to_contain_text(other)
    ada.shoot("document")
    assert not ada.accessible()


def test_an_agent_asks_and_its_human_allows_it_on_the_page(ada, bea, nodes):
    _, elm = nodes
    bea.go("settings", "people")
    bea.page.get_by_label("An agent whose key this node keeps").fill("scout")
    bea.page.get_by_role("button", name="Make it").click()
    expect(bea.page.get_by_role("listitem").filter(has_text="scout")).to_be_visible()
    scout = next(
        who for who in elm.client.get("/participants", list[ParticipantView]) if who.name == "scout" and who.is_local
    )
    waiting = elm.client.post("/rooms/harbour/messages", Placed, {"text": "I count seven", "as": scout.did})
    assert waiting.approval

    bea.go()
    asked = bea.page.get_by_role("article", name="Approval: scout")
    expect(asked).to_contain_text("I count seven")
    asked.get_by_text("The exact act").click()
    expect(asked).to_contain_text("/foedus/room/speak")
    bea.shoot("home-approval")
    assert not bea.accessible()
    asked.get_by_role("button", name="Allow once").click()
    expect(bea.page.get_by_text("Nothing waits for you")).to_be_visible()
    open_room(ada)
    hears(ada, "I count seven")

    refused = elm.client.post("/rooms/harbour/messages", Placed, {"text": "I shout", "as": scout.did})
    asked = bea.page.get_by_role("article", name="Approval: scout")
    asked.get_by_role("button", name="Deny").click()
    expect(bea.page.get_by_text("Nothing waits for you")).to_be_visible()
    assert refused.approval


def test_a_standing_grant_is_signed_here_and_taken_back(ada, bea, nodes):
    _, elm = nodes
    scout = next(
        who for who in elm.client.get("/participants", list[ParticipantView]) if who.name == "scout" and who.is_local
    )
    bea.go("approvals", "grants")
    bea.page.get_by_label("Who").select_option(label="scout")
    bea.page.get_by_label("Where").select_option(label="harbour")
    bea.page.get_by_label("also after it has read").check()
    bea.page.get_by_role("button", name="Sign the grant").click()
    mine = bea.page.get_by_role("region", name="What I granted")
    given = mine.get_by_role("listitem").filter(has_text="60 acts an hour")
    expect(given).to_contain_text("in force")
    placed = elm.client.post("/rooms/harbour/messages", Placed, {"text": "I count eight", "as": scout.did})
    assert placed.id
    hears(ada, "I count eight")
    bea.shoot("grants")
    assert not bea.accessible()
    given.get_by_role("button", name="Revoke…").click()
    given.get_by_role("button", name="Revoke", exact=True).click()
    expect(given).to_contain_text("revoked")
    placed = elm.client.post("/rooms/harbour/messages", Placed, {"text": "I count nine", "as": scout.did})
    assert placed.approval
    bea.go("approvals")
    bea.page.get_by_role("article", name="Approval: scout").get_by_role("button", name="Deny").click()
    expect(bea.page.get_by_text("No agent waits for a yes")).to_be_visible()
    bea.shoot("approvals")
    assert not bea.accessible()


def test_what_is_known_is_published_found_and_asked_for(ada, bea):
    ada.go("knowledge", "publish")
    ada.page.get_by_label("Domain").fill("harbour")
    ada.page.get_by_label("Title").fill("tides")
    ada.page.get_by_label("What is known").fill("low water at six")
    ada.page.get_by_role("button", name="Sign and publish").click()
    expect(ada.page.get_by_role("heading", name="tides")).to_be_visible()
    ada.shoot("knowledge")
    assert not ada.accessible()
    bea.go("knowledge", "ask")
    bea.page.get_by_role("textbox", name="Question").fill("low water")
    bea.page.get_by_role("button", name="Ask", exact=True).click()
    expect(bea.page.get_by_text("Who was asked")).to_be_visible()
    expect(bea.page.get_by_role("main")).to_contain_text("low water at six")
    expect(bea.page.get_by_role("main")).to_contain_text("signed by")
    bea.shoot("ask")
    assert not bea.accessible()


def test_the_other_screens(ada, nodes):
    _, elm = nodes
    ada.go("network")
    graph = ada.page.get_by_role("group", name="Nodes and their connections")
    expect(graph.get_by_role("link", name="elm")).to_be_visible()
    ada.shoot("network")
    assert not ada.accessible()
    graph.get_by_role("link", name="elm").click()
    expect(ada.page.get_by_text(node_id(elm))).to_be_visible()
    expect(ada.page.get_by_role("heading", name="What is agreed")).to_be_visible()
    ada.shoot("peer")
    assert not ada.accessible()
    ada.go("audit")
    ada.page.get_by_role("button", name="Check these rows").click()
    expect(ada.page.get_by_text("fit each other")).to_be_visible()
    ada.page.get_by_label("Words").fill("no row says so")
    expect(ada.page.get_by_role("button", name="Export 0")).to_be_visible()
    ada.page.get_by_label("Words").fill("/api/v1/knowledge/acts:signed")
    expect(ada.page.get_by_role("main").get_by_role("listitem").first).to_contain_text("operator")
    ada.shoot("audit")
    assert not ada.accessible()
    for part, text in (
        ("policy", "require_mutual"),
        ("people", "key on own devices"),
        ("page", "Sign this browser out"),
    ):
        ada.go("settings", part)
        expect(ada.page.get_by_role("main").get_by_text(text).first).to_be_visible()
        ada.shoot(f"settings-{part}")
        assert not ada.accessible()
    ada.go("connections")
    ada.shoot("connections")
    assert not ada.accessible()


def test_a_second_browser_is_let_in_by_the_first(ada, browser):
    ada.go("settings")
    ada.page.get_by_role("button", name="Pair a further device").click()
    dialog = ada.page.get_by_role("dialog")
    link = dialog.locator("code").first.inner_text()
    phone = Visitor(browser, ada.node, viewport={"width": 360, "height": 740})
    phone.page.goto(link)
    phone.page.get_by_label("Your name").fill("phone")
    phone.page.get_by_role("button", name="Pair").click()
    shown = phone.page.locator(".fingerprint")
    expect(shown).to_be_visible()
    ada.shoot("settings-pair")
    ada.page.keyboard.press("Escape")
    waits = ada.page.get_by_role("article", name="A device that waits")
    expect(waits).to_contain_text(shown.inner_text())
    waits.get_by_role("button", name="The same").click()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Home")
    phone.close()
    other = ada.page.get_by_role("listitem").filter(has_text="phone")
    other.get_by_role("button", name="Revoke").click()
    expect(other).to_contain_text("revoked")


def test_a_lost_node_is_said_and_the_page_goes_on_when_it_is_back(ada, nodes):
    oak, _ = nodes
    open_room(ada)
    ada.away = True
    oak.stop()
    expect(ada.page.get_by_text("The node does not answer")).to_be_visible()
    ada.shoot("lost")
    ada.page.reload()  # what was kept of the page opens without its node
    expect(ada.page.get_by_text("The node does not answer")).to_be_visible()
    oak.start()
    expect(ada.page.get_by_text("The node does not answer")).to_have_count(0)
    ada.away = False
    ada.page.get_by_role("textbox", name="Message").fill("back again")
    ada.page.get_by_role("textbox", name="Message").press("Enter")
    hears(ada, "back again")


def test_people_of_one_node_see_each_others_carets(ada, browser):
    cleo = Visitor(browser, ada.node).sign_in("cleo")
    for visitor in (ada, cleo):
        open_room(visitor)
        visitor.page.get_by_role("link", name="Document").click()
        expect(visitor.page.get_by_text("what you write is signed and shared")).to_be_visible()
    cleo.page.get_by_role("textbox", name="Document page").click()
    expect(ada.page.get_by_role("list", name="Who is here")).to_contain_text("cleo")
    expect(ada.page.locator(".other-caret")).to_contain_text("cleo")
    ada.shoot("document-carets")
    cleo.close()
    expect(ada.page.locator(".other-caret")).to_have_count(0)


# --- where passkeys are required --------------------------------------------------------------------


@pytest.fixture(scope="module")
def bea_by_name(browser, bea, nodes):
    """A further browser of bea's, at the node's name: browsers keep no passkeys for numbers. The node requires them."""
    _, elm = nodes
    elm.home.policy_path.write_text("[federation.policy]\nrequire_passkey = true\n")
    os.kill(elm.home.running().pid, signal.SIGHUP)
    eventually("the policy is in force", lambda: elm.client.get("/passkeys", PasskeysView).required)
    visitor = Visitor(browser, elm, url=elm.url.replace("127.0.0.1", "localhost"))
    body = {"participant": "bea", "kind": "human", "architect": False}
    visitor.page.goto(f"/#pair={elm.client.ask('POST', '/api/pair/generate', PairCodeView, body).code}")
    visitor.page.get_by_label("Your name").fill("by name")
    visitor.page.get_by_role("button", name="Pair").click()
    bea.go("settings")
    bea.page.get_by_role("button", name="The same").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    expect(visitor.page.get_by_role("navigation", name="Screens")).to_be_visible()
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def phone(bea_by_name):
    return Phone(bea_by_name)


def granted(node):
    return len(node.client.get("/grants", list[GrantView]))


def test_at_a_number_the_page_says_where_passkeys_are_kept(bea):
    bea.go("settings", "passkeys")
    expect(bea.page.get_by_text("http://localhost:")).to_be_visible()


def test_without_a_passkey_nothing_is_allowed(bea_by_name, nodes):
    _, elm = nodes
    before = granted(elm)
    waiting = elm.client.post("/rooms/harbour/messages", Placed, {"text": "may I?", "as": agent(elm, "scout").did})
    assert waiting.approval
    bea_by_name.go("approvals")
    asked = bea_by_name.page.get_by_role("article", name="Approval: scout")
    asked.get_by_role("button", name="Allow once").click()
    expect(asked.get_by_role("alert")).to_contain_text("add one in Settings")
    assert granted(elm) == before


def test_a_passkey_is_added_and_confirms_what_waits(bea_by_name, phone, nodes):  # noqa: ARG001  # the phone answers
    _, elm = nodes
    bea_by_name.go("settings", "passkeys")
    expect(bea_by_name.page.get_by_text("This node asks for a passkey")).to_be_visible()
    bea_by_name.page.get_by_label("What to call it").fill("my phone")
    bea_by_name.page.get_by_role("button", name="Add a passkey").click()
    expect(bea_by_name.page.get_by_role("listitem").filter(has_text="my phone")).to_contain_text("not used yet")
    bea_by_name.shoot("settings-passkeys")
    assert not bea_by_name.accessible()
    bea_by_name.go("approvals")
    asked = bea_by_name.page.get_by_role("article", name="Approval: scout")
    asked.get_by_role("button", name="Allow once").click()
    expect(bea_by_name.page.get_by_text("No agent waits for a yes")).to_be_visible()
    (held,) = elm.client.get("/passkeys", PasskeysView).passkeys
    assert held.used
    assert held.origin.startswith("http://localhost:")


def test_a_grant_needs_the_person_and_not_only_the_browser(bea_by_name, phone, nodes):
    _, elm = nodes
    before = granted(elm)
    bea_by_name.go("approvals", "grants")
    bea_by_name.page.get_by_label("Who").select_option(label="scout")
    phone.unlocks(willing=False)
    bea_by_name.page.get_by_role("button", name="Sign the grant").click()
    expect(bea_by_name.page.get_by_role("alert")).to_contain_text("no passkey confirmed it")
    assert granted(elm) == before
    phone.unlocks(willing=True)
    bea_by_name.page.get_by_role("button", name="Sign the grant").click()
    eventually("the grant is made", lambda: granted(elm) == before + 1)


def test_removing_a_passkey_is_confirmed_by_it(bea_by_name, phone, nodes):  # noqa: ARG001  # the phone answers
    _, elm = nodes
    bea_by_name.go("settings", "passkeys")
    bea_by_name.page.get_by_role("button", name="Remove").click()
    expect(bea_by_name.page.get_by_text("You have no passkey here")).to_be_visible()
    assert elm.client.get("/passkeys", PasskeysView).passkeys == []
    assert not bea_by_name.complaints
