"""A person at the page of one of four nodes that decide together: each test goes on where the last ended.

The nodes run in this process. What the others call themselves, the council and what it decides is hostile throughout.
"""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from foedus.base.errors import FoedusError
from foedus.consensus.machine import Put
from foedus.consensus.messages import Vote, vote_bytes
from foedus.node.council_governance import CouncilDecides
from foedus.node.council_messages import write
from tests.node.councils import seat, value
from tests.node.nodes import until
from tests.node.people import agent
from tests.page.browsing import Visitor, chromium, started
from tests.page.council_nodes import nodes_in_thread
from tests.page.hostile import MARKUP, is_unharmed

BOB = '<img src=x onerror="globalThis.owned=1">'
CAROL = "W" * 100
BOARD = f"{BOB} board"
NAMES = ("alice", BOB, CAROL, "dora")
INTERVAL = 8
"""Places from one checkpoint to the next, which members seal."""
ERIN = "erin"
"""A peer of the first node that is no member."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    chromium()
    with nodes_in_thread(tmp_path_factory.mktemp("councils"), NAMES) as made:
        yield made


@pytest.fixture(scope="module")
def ada(nodes):
    """Who governs the first node. She is there before it meets others, so that their agreements name her."""
    with started() as browser:
        visitor = Visitor(browser, nodes).sign_in("ada")
        nodes.meet(ERIN)
        yield visitor
        visitor.context.close()


@pytest.fixture(scope="module")
def council(nodes, ada):  # noqa: ARG001  # she is there when the council comes about
    """A council that bob founds, and that all but alice have joined."""
    alice, bob, *others = nodes.running
    return nodes.run(_founded(alice, bob, others))


async def _founded(alice, bob, others):
    ids = [node.node.store.node for node in (alice, *others)]
    made = (await bob.node.councils.foundings.create(BOARD, ids, INTERVAL, seal=True)).founding.id
    for node in others:
        await until(lambda node=node: node.node.councils.foundings.held(made), "it is asked")
        await node.node.councils.join(made)
    await until(lambda: len(alice.node.councils.foundings.held(made).signatures) == len(others) + 1, "they joined")
    return made


@pytest.fixture(autouse=True)
def _nobody_complains(ada):
    yield
    complaints, ada.complaints = ada.complaints, []
    assert not complaints, "\n".join(complaints)


def looks_well(visitor, name):
    """Keep pictures; fail where axe finds something, or where a hostile name is more than text."""
    visitor.shoot(name)
    assert not visitor.accessible()
    for width in (1280, 360):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        is_unharmed(visitor)
    visitor.page.set_viewport_size({"width": 1280, "height": 900})


def propose(visitor, key, text=None, *, only="any", **given):
    """Fill the form and send it."""
    form = visitor.page.get_by_role("region", name="Propose")
    form.get_by_label("Key", exact=True).fill(key)
    form.get_by_label("deleted" if text is None else "set", exact=True).check()
    if text is not None:
        form.get_by_label("Value", exact=True).fill(text)
    form.get_by_label("Only if").select_option(only)
    for label, filled in given.items():
        form.get_by_label(label.replace("_", " ")).fill(filled)
    form.get_by_role("button", name="Sign and propose it").click()
    return form.get_by_role("status")


def test_with_fewer_than_four_nodes_it_says_what_works_for_two(ada):
    ada.go("councils")
    expect(ada.page.get_by_text("No councils yet")).to_be_visible()
    ada.page.get_by_role("main").get_by_role("link", name="Found one").first.click()
    expect(ada.page.get_by_text("With 1 node no fault can be tolerated")).to_be_visible()
    ada.page.get_by_label("Name of the council").fill("two")
    ada.page.get_by_label("dora").check()
    expect(ada.page.get_by_text("With 2 nodes no fault can be tolerated")).to_contain_text(
        "an agreement that both sign"
    )
    expect(ada.page.get_by_role("button", name="Sign the document")).to_be_disabled()
    looks_well(ada, "council-new")
    for box in ada.page.get_by_role("checkbox").all():
        box.check()
    expect(ada.page.get_by_text("5 nodes: the council goes on, and rightly, while at most one")).to_be_visible()
    expect(ada.page.get_by_role("button", name="Sign the document")).to_be_enabled()


def test_a_person_reads_what_they_are_asked_to_sign_and_joins(ada, council, nodes):
    ada.go()
    asked = ada.page.get_by_role("article", name="The council")
    expect(asked).to_contain_text("is asked to join the council")
    ada.shoot("council-home")
    asked.get_by_role("link", name="Read what it says").click()
    document = ada.page.get_by_role("region", name="Does this node join?")
    expect(document).to_contain_text(council.hex())
    for node in nodes.running:
        expect(document).to_contain_text(node.id)
    expect(document.get_by_text("has not signed yet")).to_have_count(1)
    looks_well(ada, "council-asked")
    document.get_by_role("button", name="Join").click()
    expect(ada.page.get_by_role("main").get_by_text("decides", exact=True)).to_be_visible()
    expect(ada.page.get_by_role("main").get_by_text("leads", exact=True)).to_be_visible()
    ada.shoot("council-members")
    ada.page.get_by_role("link", name="All councils").click()
    row = ada.page.get_by_role("listitem").filter(has_text="board")
    expect(row).to_contain_text("4 members")
    expect(row).to_contain_text("up to date")
    looks_well(ada, "councils")


def test_a_key_is_set_read_changed_if_it_is_still_so_and_deleted(ada, council, nodes):
    bob = nodes.running[1]
    ada.go("councils", council.hex(), "map")
    said = propose(ada, "berth", "seven")
    expect(said).to_contain_text("berth: done, at place")
    expect(said).to_contain_text("It was not there")
    expect(propose(ada, "berth", "eight", only="none")).to_contain_text("it was not as expected")
    form = ada.page.get_by_role("region", name="Read a key")
    form.get_by_label("Key to read").fill("berth")
    form.get_by_label("Key to read").press("Enter")
    expect(form.get_by_role("status")).to_contain_text("berth = seven")
    expect(form.get_by_role("status")).to_contain_text("no decision before that is missed")
    form.get_by_role("button", name="What this node holds").click()
    expect(form.get_by_role("status")).to_contain_text("Nobody else was asked")
    looks_well(ada, "council-read")
    form.get_by_role("button", name="Change it").click()
    change = ada.page.get_by_role("region", name="Propose")
    expect(change.get_by_label("Value", exact=True)).to_be_focused()
    expect(change.get_by_label("Only if")).to_have_value("read")
    nodes.run(bob.node.councils.propose(council, Put("berth", b"nine", None)))
    change.get_by_role("button", name="Sign and propose it").click()
    expect(change.get_by_role("status")).to_contain_text("It is still nine")
    expect(propose(ada, "berth", "ten", only="text", What_it_must_be_now="nine")).to_contain_text("berth: done")
    expect(propose(ada, "berth")).to_contain_text("It was ten")
    form.get_by_role("button", name="Ask the council").click()
    expect(form.get_by_role("status")).to_contain_text("there is no such key")
    expect(propose(ada, "tide", "low")).to_contain_text("tide: done")


def test_what_is_decided_appears_as_it_is_made_and_is_only_text(ada, council, nodes):
    bob = nodes.running[1]
    ada.go("councils", council.hex(), "log")
    entries = ada.page.get_by_role("group", name="What was decided")
    expect(entries.get_by_role("article").filter(has_text="tide = low")).to_contain_text("by ada")
    for data in (MARKUP.encode(), ("\u202e" + "x" * 5_000).encode(), b"\xff\xfe"):
        nodes.run(bob.node.councils.propose(council, Put(f"\u202e{BOB}", data, None)))
    last = entries.get_by_role("article").filter(has_text="2 bytes: ff fe")
    expect(last).to_contain_text("onerror")
    expect(last.get_by_text("done", exact=True)).to_be_visible()
    looks_well(ada, "council-log")
    last.get_by_role("button", name="Proof… of place").focus()
    ada.page.keyboard.press("Enter")
    dialog = ada.page.get_by_role("dialog")
    with ada.page.expect_download() as taken:
        dialog.get_by_role("button", name="Download it").click()
    assert taken.value.suggested_filename.startswith(f"council-{council.hex()[:12]}-")
    dialog.get_by_role("button", name="Verify it").click()
    expect(dialog).to_contain_text("This node checked the proof, and it holds")
    expect(dialog).to_contain_text("3 of its 4 members signed")
    looks_well(ada, "council-proof")
    ada.page.keyboard.press("Escape")
    ada.page.wait_for_function("document.querySelector('[role=group]').contains(document.activeElement)")

    checks_files(ada, Path(taken.value.path()).read_bytes(), nodes.run(_sealed(nodes.running[0], council)))


async def _sealed(node, council):
    """Return the proof of the first update, once its checkpoint is sealed."""
    await until(lambda: node.service.council(council.hex()).sealed, "it is sealed")
    return await node.node.councils.proof(council, 1)


def checks_files(ada, data, sealed):
    """Give the page files to check: as it gave one, a changed one, and one of which seals alone are believed."""

    def check(file):
        upload = {"name": "a.proof", "mimeType": "application/octet-stream", "buffer": file}
        ada.page.get_by_label("A commit proof").set_input_files(upload)
        ada.page.get_by_role("button", name="Let this node check it").click()

    ada.go("councils", "check")
    said = ada.page.get_by_role("status").filter(has_text="This node checked the proof")
    check(data)
    expect(said).to_contain_text("3 of its 4 members signed")
    check(data[:-9] + b"\0" + data[-8:])
    expect(ada.page.get_by_role("main").get_by_role("alert")).to_contain_text("this file shows nothing")
    assert all("councils:verify" in each for each in ada.complaints)  # the browser notes each refusal
    ada.complaints.clear()
    ada.page.get_by_label("believe seals").check()
    check(sealed)
    expect(said).to_contain_text("sealed what was decided at place 1 by ML-DSA-65")
    expect(said).not_to_contain_text("signed")
    ada.shoot("council-check")


def test_members_are_wished_in_and_out_and_wishes_taken_back(ada, council, nodes):
    alice, erin = nodes.running[0], nodes.newcomer
    ada.go("councils", council.hex())
    members = ada.page.get_by_role("region", name="Members")
    dora = members.get_by_role("listitem").filter(has_text="dora")
    dora.get_by_role("button", name="Wish it out… “dora”").click()
    dora.get_by_role("button", name="Wish it out", exact=True).click()
    expect(dora).to_contain_text("This node wishes it out")
    assert seat(alice, council).wishing.removes
    dora.get_by_role("button", name="Take that back").click()
    expect(dora.get_by_role("button", name="Wish it out…")).to_be_visible()
    members.get_by_label("Wish a peer to come").select_option(label=ERIN)
    members.get_by_role("button", name="Wish it", exact=True).click()
    wished = members.get_by_role("listitem").filter(has_text=ERIN)
    expect(wished).to_contain_text("a person there has to join")
    nodes.run(until(lambda: erin.service.councils()[0].state == "asked", "it is asked"))
    ada.shoot("council-wished")
    wished.get_by_role("button", name="Take that back").click()
    expect(wished).to_have_count(0)
    assert not seat(alice, council).wishing.adds


def test_a_motion_is_read_and_approved(ada, council, nodes):
    bob, dora = nodes.running[1], nodes.running[3]
    nodes.run(_governed(bob, dora, council))
    ada.go("councils", council.hex(), "motions")
    motion = ada.page.get_by_role("article", name="Motion")
    expect(motion).to_contain_text("let “dora” into the room")
    expect(motion).to_contain_text("approved by 1 of the 3 members")
    motion.get_by_text("The exact motion").click()
    looks_well(ada, "council-motions")
    motion.get_by_role("button", name="Approve it").click()
    expect(motion).to_contain_text("This node approved it")
    nodes.run(dora.service.council_approve(council.hex(), dora.service.council_motions(council.hex())[0].id))
    expect(ada.page.get_by_text("Nothing waits for approval")).to_be_visible()


async def _governed(bob, dora, council):
    await bob.service.room_create("quay")
    await bob.service.council_govern(council.hex(), "quay", "")
    with pytest.raises(CouncilDecides):
        await bob.service.room_share("quay", dora.id)


def test_what_an_agent_proposes_waits_in_plain_words(ada, council, nodes):
    alice, bob = nodes.running[:2]
    nodes.run(agent(alice, "scout"))
    with pytest.raises(FoedusError, match="waits for a human"):
        nodes.run(alice.service.council_put_as(council.hex(), "scout", "berth", b"six", (None,)))
    ada.go("approvals")
    asked = ada.page.get_by_role("article", name="Approval: scout")
    expect(asked).to_contain_text("wants to propose to a council")
    expect(asked).to_contain_text("board")
    expect(asked).to_contain_text("berth = six")
    expect(asked).to_contain_text("only if berth is not there")
    asked.get_by_label("any proposal to this council").check()
    looks_well(ada, "council-approval")
    asked.get_by_role("button", name="Allow within these limits").click()
    expect(ada.page.get_by_text("No agent waits for a yes")).to_be_visible()
    nodes.run(until(lambda: value(bob, council, "berth") == b"six", "it is decided"))
    nodes.run(alice.service.council_put_as(council.hex(), "scout", "berth", None))
    ada.go("approvals", "grants")
    given = ada.page.get_by_role("region", name="What I granted").get_by_role("listitem").filter(has_text="board")
    expect(given).to_contain_text("may propose to councils")
    ada.shoot("council-grants")


def test_who_does_not_govern_sees_councils_and_proposes_for_themselves(ada, council, nodes):
    cleo = Visitor(ada.context.browser, nodes).sign_in("cleo", architect=False)
    cleo.go("councils")
    cleo.page.get_by_role("main").get_by_role("link", name="board").click()
    expect(cleo.page.get_by_role("region", name="Members")).to_contain_text("dora")
    assert not cleo.accessible()
    cleo.page.get_by_role("link", name="Propose").click()
    expect(propose(cleo, "cleo", "was here")).to_contain_text("cleo: done")
    assert value(nodes.running[0], council, "cleo") == b"was here"
    cleo.close()


def test_a_member_that_lied_is_an_alarm(ada, council, nodes):
    alice, carol = nodes.running[0], nodes.running[2]
    nodes.run(_lies(alice, carol, council))
    ada.go()
    alarm = ada.page.get_by_role("article").filter(has_text="contradicted itself")
    expect(alarm).to_contain_text(carol.id)
    looks_well(ada, "council-alarm")
    alarm.get_by_role("link", name="See the councils").click()
    expect(ada.page.get_by_role("main").get_by_text("Lied")).to_be_visible()
    ada.shoot("councils-lied")
    ada.go("councils", council.hex())
    expect(ada.page.get_by_role("note")).to_contain_text("signed two things that contradict each other")
    expect(ada.page.get_by_role("main").get_by_text("lied", exact=True)).to_be_visible()
    looks_well(ada, "council-lied")


async def _lies(alice, carol, council):
    """Let a member say two things of one checkpoint."""
    driver, carrier = seat(carol, council).live, carol.node.councils.carrier
    place = driver.replica.ledger.sequence // INTERVAL * INTERVAL + INTERVAL
    for digest in (b"a" * 32, b"b" * 32):
        said = vote_bytes(driver.membership, "checkpoint", 0, place, digest)
        vote = Vote("checkpoint", 0, place, digest, driver.me, carol.node.store.keys.ed25519.sign(said))
        carrier.send(alice.node.store.node, driver.membership.id, write(vote))
    await until(lambda: seat(alice, council).exposed, "it is exposed")
