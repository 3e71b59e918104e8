"""What a person does about one peer, clicked: its name, its tier, what is agreed with it, and the end of it."""

import json
import re
from pathlib import Path
from statistics import median

import pytest
from msgspec import to_builtins
from playwright.sync_api import expect

from foedus.surfaces.demo.processes import eventually
from foedus.values.node import PeerView
from tests.page.browsing import SMOOTH_MS
from tests.processes.nodes import connect, node_id


@pytest.fixture(scope="module", autouse=True)
def _met(nodes, ada, bea):
    oak, elm = nodes
    connect(elm, oak)
    ada.sign_in("ada")
    bea.sign_in("bea")
    ada.go("connections", "peer", node_id(elm))
    bea.go("connections", "peer", node_id(oak))


def held(node, other):
    return node.client.get(f"/peers/{node_id(other)}", PeerView)


def test_a_peer_gets_a_name_that_only_this_node_uses(ada, nodes):
    oak, elm = nodes
    ada.page.get_by_label("My name for it").fill("the elm by the gate")
    ada.page.get_by_role("button", name="Keep").click()
    expect(ada.page.get_by_role("heading", level=1)).to_contain_text("the elm by the gate")
    assert held(oak, elm).known_as == "the elm by the gate"


def test_a_tier_is_changed(ada, nodes):
    oak, elm = nodes
    before = held(oak, elm).tier
    wanted = "EXTERNAL" if before == "CORE" else "CORE"
    change = ada.page.get_by_role("button", name="Change the tier")
    expect(change).to_be_disabled()
    for tier in (wanted, before):
        ada.page.get_by_label("Tier").select_option(tier)
        change.click()
        eventually("the tier is changed", lambda tier=tier: held(oak, elm).tier == tier)


def test_a_version_is_drafted_answered_and_signed(ada, bea):
    ada.page.get_by_role("button", name="Propose a change…").click()
    form = ada.page.get_by_role("region", name="Another version")
    form.get_by_label("Their events a minute").fill("600")
    form.get_by_label("Days to keep").fill("90")
    ada.shoot("agreement-draft")
    assert not ada.accessible()
    form.get_by_role("button", name="See what would change").click()
    expect(form).to_contain_text("600 events")
    expect(form).to_contain_text("90 days")
    ada.shoot("agreement-changes")
    assert not ada.accessible()
    form.get_by_role("button", name="Sign and propose it").click()
    expect(ada.page.get_by_text("It waits for them")).to_be_visible()

    bea.go()
    bea.page.get_by_role("article").get_by_role("link", name="Read and sign").click()
    proposed = bea.page.get_by_role("region", name="A proposed version of the agreement")
    expect(proposed).to_contain_text("90 days")
    proposed.get_by_role("button", name="Answer with ours…").click()
    form = bea.page.get_by_role("region", name="An answer to the proposal")
    form.get_by_label("Days to keep").fill("30")
    form.get_by_role("button", name="See what would change").click()
    expect(form).to_contain_text("30 days")
    form.get_by_role("button", name="Sign and propose it").click()

    answer = ada.page.get_by_role("region", name="A proposed version of the agreement").filter(has_text="30 days")
    expect(answer).to_contain_text("proposed by them")
    ada.shoot("agreement-answer")
    assert not ada.accessible()
    answer.get_by_role("button", name="Sign", exact=True).click()
    for visitor in (ada, bea):
        expect(visitor.page.get_by_role("region", name="What is agreed")).to_contain_text("Version 2")
        expect(visitor.page.get_by_role("region", name="What is agreed")).to_contain_text("30 days")
    ada.page.get_by_text("Every version").click()
    ada.shoot("agreement-signed")
    assert not ada.accessible()


def test_the_audit_log_is_taken_along(ada):
    ada.go("audit")
    export = ada.page.get_by_role("button", name="Export")
    expect(export).to_be_enabled()
    with ada.page.expect_download() as taken:
        export.click()
    rows = [json.loads(line) for line in Path(taken.value.path()).read_text(encoding="utf-8").splitlines()]
    assert [row["n"] for row in rows] == list(range(rows[0]["n"], rows[-1]["n"] + 1))
    assert {"operator", "peering"} <= {row["act"] for row in rows}
    assert taken.value.suggested_filename == f"foedus-audit-{rows[0]['n']}-{rows[-1]['n']}.jsonl"


def test_a_thousand_peers_are_as_few_elements_as_thirty(ada, nodes):
    oak, elm = nodes
    known = to_builtins(held(oak, elm))
    many = [known | {"node": f"{place:064x}", "known_as": f"harbour {place:04}"} for place in range(1_000)]
    ada.page.route(re.compile(r"/api/v1/peers$"), lambda route: route.fulfill(json=many))
    try:
        ada.go("connections")
        peers = ada.page.get_by_role("group", name="Peers")
        for name in ("harbour 0000", "harbour 0999"):
            expect(peers.get_by_role("link", name=name)).to_be_visible()
            assert peers.get_by_role("listitem").first.get_attribute("aria-setsize") == "1000"
            assert peers.get_by_role("listitem").count() < 60
            ada.shoot("connections-many")
            works = ada.frame_works(peers)
            assert median(works) <= SMOOTH_MS, works
            peers.evaluate("(view) => { view.scrollTop = view.scrollHeight }")
        assert not ada.accessible()
        ada.page.get_by_label("Find a peer").fill("harbour 0500")
        expect(ada.page.get_by_role("main").get_by_role("link", name="harbour")).to_have_count(1)
    finally:
        ada.page.unroute(re.compile(r"/api/v1/peers$"))


def test_the_end_is_told_to_both(ada, bea, nodes):
    oak, elm = nodes
    ada.go("connections", "peer", node_id(elm))
    ada.page.get_by_role("button", name="Disconnect…").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("the season is over")
    ada.shoot("agreement-end")
    assert not ada.accessible()
    dialog.get_by_role("button", name="End it").click()
    expect(ada.page.get_by_role("heading", level=1, name="Connections")).to_be_visible()
    expect(bea.page.get_by_role("main").get_by_text("disconnected").first).to_be_visible()
    assert held(oak, elm).state == "disconnected"


@pytest.mark.usefixtures("bea")
def test_a_request_is_declined_and_they_are_told_or_ignored_and_they_are_not(ada, nodes):
    oak, elm = nodes
    for button, state, told in (("Decline", "declined", "turned_down"), ("Ignore for good", "ignored", "requested")):
        elm.client.post("/peers/request", PeerView, {"url": oak.url, "expect": node_id(oak)})
        ada.go()
        asked = ada.page.get_by_role("article", name="Connection request of the elm by the gate")
        asked.get_by_role("button", name=button).click()
        expect(asked).to_have_count(0)
        eventually("it is decided", lambda state=state: held(oak, elm).state == state)
        eventually("they know what they may", lambda told=told: held(elm, oak).state == told)
