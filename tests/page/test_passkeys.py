"""Where a node requires passkeys, what a person allows or grants on the page waits for their authenticator."""

import pytest
from playwright.sync_api import expect

from foedus.node.consent_values import GrantView
from foedus.node.passkey_values import PasskeysView
from foedus.node.policy import policy_options
from foedus.node.values import Placed
from foedus.surfaces.demo.processes import eventually
from tests.page.browsing import Visitor
from tests.processes.nodes import add_agent, connect, shared_room

REQUIRED = "[federation.policy]\nrequire_passkey = true\n"
PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Phone:
    """Chromium's virtual authenticator: it answers by itself while its person is there."""

    def __init__(self, visitor):
        self._session = visitor.context.new_cdp_session(visitor.page)
        self._session.send("WebAuthn.enable")
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def unlocks(self, *, willing):
        """Say whether its person shows a finger when it asks."""
        self._session.send("WebAuthn.setUserVerified", self._id | {"isUserVerified": willing})


@pytest.fixture(scope="module")
def strict(nodes):
    """The second node, whose policy requires passkeys; it is in a room of the first, with the agent scout."""
    oak, elm = nodes
    elm.home.policy_path.write_text(REQUIRED)
    assert any(it.option == "require_passkey" and it.value for it in policy_options(elm.home.policy_path))
    elm.stop()
    elm.start()
    add_agent(elm, "scout")
    return oak, elm


@pytest.fixture(scope="module")
def dora(browser, strict):
    """A person at that node, by its name: browsers keep no passkeys for numbers."""
    oak, elm = strict
    visitor = Visitor(browser, elm, url=elm.url.replace("127.0.0.1", "localhost")).sign_in("dora")
    connect(elm, oak)
    shared_room(oak, elm, name="harbour")
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def phone(dora):
    return Phone(dora)


def test_at_a_number_the_page_says_where_passkeys_are_kept(browser, strict):
    _, elm = strict
    visitor = Visitor(browser, elm).sign_in("numa", architect=False)
    visitor.go("settings", "passkeys")
    expect(visitor.page.get_by_text("http://localhost:")).to_be_visible()
    visitor.close()


def test_without_a_passkey_nothing_is_allowed(dora, strict):
    _, elm = strict
    waiting = elm.client.post("/rooms/harbour/messages", Placed, {"text": "may I?", "as": "scout"})
    assert waiting.approval
    dora.go("approvals")
    asked = dora.page.get_by_role("article", name="Approval: scout")
    asked.get_by_role("button", name="Allow once").click()
    expect(asked.get_by_role("alert")).to_contain_text("add one in Settings")
    assert elm.client.get("/grants", list[GrantView]) == []


def test_a_passkey_is_added_and_confirms_what_waits(dora, phone, strict):  # noqa: ARG001  # the phone answers
    _, elm = strict
    dora.go("settings", "passkeys")
    expect(dora.page.get_by_text("This node asks for a passkey")).to_be_visible()
    dora.page.get_by_label("What to call it").fill("my phone")
    dora.page.get_by_role("button", name="Add a passkey").click()
    expect(dora.page.get_by_role("listitem").filter(has_text="my phone")).to_contain_text("not used yet")
    dora.shoot("settings-passkeys")
    assert not dora.accessible()
    dora.go("approvals")
    asked = dora.page.get_by_role("article", name="Approval: scout")
    asked.get_by_role("button", name="Allow once").click()
    expect(dora.page.get_by_text("No agent waits for a yes")).to_be_visible()
    (held,) = elm.client.get("/passkeys", PasskeysView).passkeys
    assert held.used
    assert held.origin.startswith("http://localhost:")


def test_a_grant_needs_the_person_and_not_only_the_browser(dora, phone, strict):
    _, elm = strict
    before = len(elm.client.get("/grants", list[GrantView]))
    dora.go("approvals", "grants")
    dora.page.get_by_label("Who").select_option(label="scout")
    phone.unlocks(willing=False)
    dora.page.get_by_role("button", name="Sign the grant").click()
    expect(dora.page.get_by_role("alert")).to_contain_text("no passkey confirmed it")
    assert len(elm.client.get("/grants", list[GrantView])) == before
    phone.unlocks(willing=True)
    dora.page.get_by_role("button", name="Sign the grant").click()
    eventually("the grant is made", lambda: len(elm.client.get("/grants", list[GrantView])) == before + 1)


def test_removing_one_is_confirmed_by_it(dora, phone, strict):  # noqa: ARG001  # the phone answers
    _, elm = strict
    dora.go("settings", "passkeys")
    dora.page.get_by_role("button", name="Remove").click()
    expect(dora.page.get_by_text("You have no passkey here")).to_be_visible()
    assert elm.client.get("/passkeys", PasskeysView).passkeys == []
    assert not dora.complaints
